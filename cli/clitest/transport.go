// SPDX-License-Identifier: Apache-2.0

package clitest

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
)

// Step answers one request.
type Step func(*http.Request) (*http.Response, error)

// Reply is a step that answers with a status, a content type and a body.
func Reply(status int, kind, body string) Step {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {kind}},
			Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

// Refuse is a step like a server that is not there.
func Refuse() Step {
	return func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }
}

// Request is what was asked.
type Request struct{ Authorization, Key, Body string }

// Transport plays one step per request, and the last one again and again.
type Transport struct {
	Steps []Step

	mutex    sync.Mutex
	requests []Request
}

var _ http.RoundTripper = (*Transport)(nil)

// RoundTrip plays the next step.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	request := Request{Authorization: r.Header.Get("Authorization"), Key: r.Header.Get("Idempotency-Key")}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		request.Body = string(body)
	}
	t.mutex.Lock()
	t.requests = append(t.requests, request)
	step := t.Steps[min(len(t.requests), len(t.Steps))-1]
	t.mutex.Unlock()
	return step(r)
}

// Requests lists what was asked so far.
func (t *Transport) Requests() []Request {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return append([]Request(nil), t.requests...)
}
