// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// fieldManager owns what is put into the cluster.
	fieldManager = "nestor-dev"

	requestPatience = 10 * time.Second
	longestAnswer   = 8 << 20
)

// client asks a server over HTTPS: the API server with a token, or any other
// with the control plane's client certificate.
type client struct {
	base, token string
	http        *http.Client
}

func newClient(base string, k keys, token string) (*client, error) {
	authority, err := os.ReadFile(k.authority())
	if err != nil {
		return nil, fmt.Errorf("read the keys of the control plane: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("read the keys of the control plane: %s is damaged; remove %s to get new ones", k.authority(), k.dir)
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(k.client(), certificateFile), filepath.Join(k.client(), keyFile))
	if err != nil {
		return nil, fmt.Errorf("read the keys of the control plane: %w; remove %s to get new ones", err, k.dir)
	}
	config := &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}}
	return &client{base: base, token: token, http: &http.Client{
		Timeout:   requestPatience,
		Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true},
	}}, nil
}

// at is the same client for another server on a port of loopback.
func (c *client) at(port int) *client {
	return &client{base: "https://" + loopback(port), http: c.http}
}

// statusError is an answer other than 2xx.
type statusError struct {
	url, status, message string
	code                 int
}

func (e *statusError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("%s answers %s: %s", e.url, e.status, e.message), ": ")
}

func (c *client) do(ctx context.Context, method, path, kind string, body []byte) (answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	request.Header.Set("Accept", "application/json, */*")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err = io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		return nil, &statusError{c.base + path, response.Status, message(answer), response.StatusCode}
	}
	return answer, nil
}

// message is what an API server says beside the code: its message, the checks
// that failed when it was asked whether it is ready, or what there is.
func message(answer []byte) string {
	var status struct {
		Message string `json:"message"`
	}
	text := strings.TrimSpace(string(answer))
	if json.Unmarshal(answer, &status) == nil && status.Message != "" {
		text = status.Message
	}
	var failed []string
	for line := range strings.Lines(text) {
		if name, is := strings.CutPrefix(line, "[-]"); is {
			failed = append(failed, strings.TrimSpace(name))
		}
	}
	if len(failed) > 0 {
		text = strings.Join(failed, ", ")
	}
	return text[:min(len(text), 500)]
}

// get reads an object; into may be nil.
func (c *client) get(ctx context.Context, path string, into any) error {
	answer, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base+path, err)
	}
	return nil
}

// apply puts an object, in JSON or YAML, by server-side apply.
func (c *client) apply(ctx context.Context, path string, object []byte) error {
	_, err := c.do(ctx, http.MethodPatch, path+"?force=true&fieldManager="+fieldManager, "application/apply-patch+yaml", object)
	return err
}

// merge changes an object by a JSON merge patch.
func (c *client) merge(ctx context.Context, path string, patch any) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPatch, path, "application/merge-patch+json", body)
	return err
}

// every asks again until check gives no error or the context ends.
func every(ctx context.Context, check func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// plain is the same client for another server on a port of loopback, over HTTP.
func (c *client) plain(port int) *client {
	return &client{base: "http://" + loopback(port), http: c.http}
}
