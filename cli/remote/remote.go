// SPDX-License-Identifier: Apache-2.0

// Package remote is the CLI's connection to the Nestor API: the generated
// client with a token, a time limit, patience while a server restarts, and
// errors that say what to do next.
//
// It has no command logic and writes nothing to a terminal.
package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/HatiCode/nestor/api/client"
)

const (
	requestTimeout = 30 * time.Second
	// maxAnswer bounds an answer that is no stream.
	maxAnswer = 64 << 20
	// patience is how long a server that has answered before may be away.
	patience = 30 * time.Second

	acceptStream = "text/event-stream"
)

// Options of a connection.
type Options struct {
	// Server is the base URL; ServerFrom says where it was found, for messages.
	Server, ServerFrom string
	Token              string
	UserAgent          string
	// Transport replaces the default one; for tests.
	Transport http.RoundTripper
	// Backoff is the pause before the attempt of that number, from 1; nil
	// doubles from 100 ms to 2 s.
	Backoff func(attempt int) time.Duration
	// Patience is how long a server that has answered before may be away; 0
	// means 30 s.
	Patience time.Duration
}

// Client calls the API. Its methods are those of the generated client; hand
// their results to Decode or Done.
type Client struct {
	*client.Client

	options Options
	http    *http.Client
	reached atomic.Bool
}

// New checks the server's URL; it does not connect.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &ServerURLError{Server: o.Server, From: o.ServerFrom}
	}
	if o.Backoff == nil {
		o.Backoff = Backoff
	}
	if o.Patience == 0 {
		o.Patience = patience
	}
	c := &Client{options: o, http: &http.Client{Transport: o.Transport}}
	generated, err := client.NewClient(o.Server, client.WithHTTPClient(c))
	if err != nil {
		return nil, fmt.Errorf("prepare the API client: %w", err)
	}
	c.Client = generated
	return c, nil
}

// Backoff doubles from 100 ms to 2 s.
func Backoff(attempt int) time.Duration {
	return min(100*time.Millisecond<<min(max(attempt-1, 0), 10), 2*time.Second)
}

// Server is the base URL.
func (c *Client) Server() string { return c.options.Server }

// Pause waits as long as the backoff says before the attempt of that number,
// or until the context ends.
func (c *Client) Pause(ctx context.Context, attempt int) error {
	return Wait(ctx, c.options.Backoff(attempt))
}

// Wait returns after d, or earlier with the context's cause.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Do sends a request of the generated client. Every write of the API may be
// repeated, so a server that has answered before gets its time to come back.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if c.options.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.options.Token)
	}
	if c.options.UserAgent != "" {
		req.Header.Set("User-Agent", c.options.UserAgent)
	}
	if req.Header.Get("Accept") == acceptStream {
		return c.once(req)
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	deadline := time.Now().Add(c.options.Patience)
	for attempt := 1; ; attempt++ {
		response, err := c.whole(req)
		var away *UnreachableError
		if err == nil || !errors.As(err, &away) || !c.reached.Load() || time.Now().After(deadline) {
			return response, err
		}
		if err := c.Pause(req.Context(), attempt); err != nil {
			return nil, err
		}
		if req, err = again(req); err != nil {
			return nil, err
		}
	}
}

// again is the request with its body rewound.
func again(req *http.Request) (*http.Request, error) {
	next := req.Clone(req.Context())
	if req.GetBody == nil {
		return next, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("repeat the request: %w", err)
	}
	next.Body = body
	return next, nil
}

// whole sends the request once and reads its answer to the end, within the
// time limit of a request.
func (c *Client) whole(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), requestTimeout)
	defer cancel()
	response, err := c.once(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	err = errors.Join(err, response.Body.Close())
	if err != nil {
		return nil, c.explain(req.Context(), err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer of %s %s is larger than %d MiB", req.Method, req.URL.Path, maxAnswer>>20)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (c *Client) once(req *http.Request) (*http.Response, error) {
	response, err := c.http.Do(req) //nolint:gosec // the server is the user's own choice
	if err != nil {
		return nil, c.explain(req.Context(), err)
	}
	if response.StatusCode == http.StatusBadGateway || response.StatusCode == http.StatusGatewayTimeout {
		// A proxy in front of an API that is away.
		return nil, errors.Join(&UnreachableError{
			Server: c.options.Server, From: c.options.ServerFrom, Cause: errors.New(response.Status),
		}, response.Body.Close())
	}
	c.reached.Store(true)
	return response, nil
}

// explain turns a failed exchange into the caller's own end (Ctrl-C, --timeout)
// or into an UnreachableError.
func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil && context.Cause(ctx) != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return &UnreachableError{Server: c.options.Server, From: c.options.ServerFrom, Cause: err}
}

// Stream makes a request ask for server-sent events.
func Stream(_ context.Context, req *http.Request) error {
	req.Header.Set("Accept", acceptStream)
	return nil
}
