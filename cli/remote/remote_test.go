// SPDX-License-Identifier: Apache-2.0

package remote_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/sse"
)

// script is a transport that plays one step per request, the last one again
// and again.
type script struct {
	steps []func(*http.Request) (*http.Response, error)
	count atomic.Int64
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	n := int(s.count.Add(1))
	return s.steps[min(n, len(s.steps))-1](r)
}

func answer(status int, kind, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return nil, err
			}
		}
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {kind}},
			Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

func refused(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }

func connect(t *testing.T, steps ...func(*http.Request) (*http.Response, error)) (*remote.Client, *script) {
	t.Helper()
	s := &script{steps: steps}
	c, err := remote.New(remote.Options{
		Server: "http://127.0.0.1:8480", ServerFrom: "the default", Token: "t0ken", Transport: s,
		Backoff: func(int) time.Duration { return time.Millisecond }, Patience: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

const healthy = `{"status":"ok","version":"1"}`

func TestErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		step   func(*http.Request) (*http.Response, error)
		want   string
		hint   string
	}{
		"refused": {
			"a server that was never there is reported at once", refused,
			"cannot reach the Nestor API at http://127.0.0.1:8480 (the default): connection refused",
			"is `nestor dev` running? Start it in another terminal, or name another server with --server or NESTOR_SERVER",
		},
		"proxy": {
			"a proxy without an API behind it is as good as nothing", answer(http.StatusBadGateway, "text/html", "<html>"),
			"cannot reach the Nestor API at http://127.0.0.1:8480 (the default): Bad Gateway",
			"is `nestor dev` running? Start it in another terminal, or name another server with --server or NESTOR_SERVER",
		},
		"problem": {
			"a problem's detail is the message", answer(http.StatusUnauthorized, "application/problem+json", `{"type":"x","title":"unauthorized","status":401,"detail":"the token is not known"}`),
			"the token is not known",
			"give a token with --token, NESTOR_TOKEN or `nestor config set NAME --token TOKEN`",
		},
		"internal": {
			"a mistake of the server names its log entry", answer(http.StatusInternalServerError, "application/problem+json", `{"type":"x","title":"internal error","status":500,"instance":"01AB"}`),
			"internal error", "the server's log has the cause under 01AB",
		},
		"stranger": {
			"what is no Nestor is not parsed", answer(http.StatusTeapot, "text/html", "<html>"),
			"GET http://127.0.0.1:8480/healthz was answered with I'm a teapot and text/html, which is not what a Nestor API says",
			"check that the server's address is that of nestor-api, and that no proxy stands in between",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s := connect(t, tt.step)
			_, err := remote.Decode[client.Health](c.GetHealth(t.Context()))
			if err == nil {
				t.Fatalf("%s: no error", tt.reason)
			}
			var hinter interface{ Hint() string }
			if !errors.As(err, &hinter) {
				t.Fatalf("%s: %v has no hint", tt.reason, err)
			}
			if diff := cmp.Diff([]string{tt.want, tt.hint}, []string{err.Error(), hinter.Hint()}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
			if n := s.count.Load(); n != 1 {
				t.Errorf("%s: asked %d times", tt.reason, n)
			}
		})
	}
}

// A server that has answered once gets its time to come back, and a write is
// repeated with its body and its key.
func TestPatience(t *testing.T) {
	t.Parallel()
	var keys, bodies []string
	c, _ := connect(t, answer(200, "application/json", healthy), refused, answer(504, "text/html", ""), func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, string(body))
		return answer(202, "application/json", `{"deployment":"a/b/c/1","position":0}`)(r)
	})
	if err := remote.Done(c.GetHealth(t.Context())); err != nil {
		t.Fatal(err)
	}
	key := "K"
	if err := remote.Done(c.CreateDeployment(t.Context(), &client.CreateDeploymentParams{IdempotencyKey: &key},
		client.CreateDeploymentJSONRequestBody{Team: "a", Application: "b", Environment: "c", Kind: "apply"})); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"K", `{"application":"b","environment":"c","kind":"apply","team":"a"}`}, append(keys, bodies...)); diff != "" {
		t.Errorf("what was repeated (-want +got):\n%s", diff)
	}
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	c, s := connect(t, answer(200, "application/json", healthy), refused)
	if err := remote.Done(c.GetHealth(t.Context())); err != nil {
		t.Fatal(err)
	}
	var away *remote.UnreachableError
	if err := remote.Done(c.GetHealth(t.Context())); !errors.As(err, &away) {
		t.Errorf("got %v, want an UnreachableError", err)
	}
	if s.count.Load() < 3 {
		t.Error("it was not tried again")
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	got := ""
	c, _ := connect(t, func(r *http.Request) (*http.Response, error) {
		got = r.Header.Get("Authorization")
		return answer(200, "application/json", healthy)(r)
	})
	if err := remote.Done(c.GetHealth(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got != "Bearer t0ken" {
		t.Errorf("Authorization is %q", got)
	}
}

func TestServerURL(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", "localhost:8480", "ftp://x", "http://", "://"} {
		if _, err := remote.New(remote.Options{Server: server}); err == nil {
			t.Errorf("%q is taken for a server", server)
		}
	}
}

func stream(body string) func(*http.Request) (*http.Response, error) {
	return answer(200, "text/event-stream", body)
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	type want struct {
		Events []string
		Asked  []int64
		Error  string
		Notes  []string
	}
	tests := map[string]struct {
		reason string
		steps  []func(*http.Request) (*http.Response, error)
		want   want
	}{
		"resumes": {
			"after a broken connection it goes on behind the last event, and repeats none",
			[]func(*http.Request) (*http.Response, error){
				stream("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: cut"), refused,
				stream("id: 2\ndata: b\n\nid: 3\ndata: c\n\nid: 4\ndata: end\n\n"),
			},
			want{Events: []string{"a", "b", "c", "end"}, Asked: []int64{0, 2, 2}, Notes: []string{"lost", "back"}},
		},
		"nothing more": {
			"204 is the end",
			[]func(*http.Request) (*http.Response, error){
				stream("id: 1\ndata: a\n\n"), answer(204, "", ""),
			},
			want{Events: []string{"a"}, Asked: []int64{0, 1}},
		},
		"refused for good": {
			"a refusal is not repeated",
			[]func(*http.Request) (*http.Response, error){
				answer(404, "application/problem+json", `{"type":"x","title":"not found","status":404,"detail":"no such deployment"}`),
			},
			want{Asked: []int64{0}, Error: "no such deployment"},
		},
		"unavailable": {
			"a server in trouble is asked again",
			[]func(*http.Request) (*http.Response, error){
				answer(503, "application/problem+json", `{"type":"x","title":"unavailable","status":503}`), stream("id: 1\ndata: end\n\n"),
			},
			want{Events: []string{"end"}, Asked: []int64{0, 0}, Notes: []string{"lost", "back"}},
		},
		"own error": {
			"an event that cannot be used ends it",
			[]func(*http.Request) (*http.Response, error){stream("id: 1\ndata: bad\n\n")},
			want{Events: []string{"bad"}, Asked: []int64{0}, Error: "bad event"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := connect(t, tt.steps...)
			var got want
			err := c.Subscribe(t.Context(), remote.Subscription{
				Open: func(ctx context.Context, after int64) (*remote.Response, error) {
					got.Asked = append(got.Asked, after)
					return c.StreamDeploymentEvents(ctx, "a", "b", "c", 1, &client.StreamDeploymentEventsParams{}, remote.Stream)
				},
				Event: func(e sse.Event) (bool, error) {
					got.Events = append(got.Events, e.Data)
					if e.Data == "bad" {
						return false, errors.New("bad event")
					}
					return e.Data == "end", nil
				},
				Lost: func(error) { got.Notes = append(got.Notes, "lost") },
				Back: func() { got.Notes = append(got.Notes, "back") },
			})
			if err != nil {
				got.Error = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}
