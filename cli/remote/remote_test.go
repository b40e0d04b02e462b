// SPDX-License-Identifier: Apache-2.0

package remote_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/sse"
)

func connect(t *testing.T, steps ...clitest.Step) (*remote.Client, *clitest.Transport) {
	t.Helper()
	transport := &clitest.Transport{Steps: steps}
	c, err := remote.New(remote.Options{
		Server: "http://127.0.0.1:8480", ServerFrom: "the default", Token: "t0ken", Transport: transport,
		Backoff: func(int) time.Duration { return time.Millisecond }, Patience: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, transport
}

const healthy = `{"status":"ok","version":"1"}`

func TestErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		step   clitest.Step
		want   string
		hint   string
	}{
		"refused": {
			"a server that was never there is reported at once", clitest.Refuse(),
			"cannot reach the Nestor API at http://127.0.0.1:8480 (the default): connection refused",
			"is `nestor dev` running? Start it in another terminal, or name another server with --server or NESTOR_SERVER",
		},
		"proxy": {
			"a proxy without an API behind it is as good as nothing", clitest.Reply(502, "text/html", "<html>"),
			"cannot reach the Nestor API at http://127.0.0.1:8480 (the default): Bad Gateway",
			"is `nestor dev` running? Start it in another terminal, or name another server with --server or NESTOR_SERVER",
		},
		"problem": {
			"a problem's detail is the message", clitest.Reply(401, "application/problem+json", `{"type":"x","title":"unauthorized","status":401,"detail":"the token is not known"}`),
			"the token is not known",
			"give a token with --token, NESTOR_TOKEN or `nestor config set NAME --token TOKEN`",
		},
		"internal": {
			"a mistake of the server names its log entry", clitest.Reply(500, "application/problem+json", `{"type":"x","title":"internal error","status":500,"instance":"01AB"}`),
			"internal error", "the server's log has the cause under 01AB",
		},
		"stranger": {
			"what is no Nestor is not parsed", clitest.Reply(418, "text/html", "<html>"),
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
			if n := len(s.Requests()); n != 1 {
				t.Errorf("%s: asked %d times", tt.reason, n)
			}
		})
	}
}

// A server that has answered once gets its time to come back, and a write is
// repeated with its body and its key.
func TestPatience(t *testing.T) {
	t.Parallel()
	c, transport := connect(t, clitest.Reply(200, "application/json", healthy), clitest.Refuse(), clitest.Reply(504, "text/html", ""),
		clitest.Reply(202, "application/json", `{"deployment":"a/b/c/1","position":0}`))
	if err := remote.Done(c.GetHealth(t.Context())); err != nil {
		t.Fatal(err)
	}
	key := "K"
	if err := remote.Done(c.CreateDeployment(t.Context(), &client.CreateDeploymentParams{IdempotencyKey: &key},
		client.CreateDeploymentJSONRequestBody{Team: "a", Application: "b", Environment: "c", Kind: "apply"})); err != nil {
		t.Fatal(err)
	}
	write := clitest.Request{
		Authorization: "Bearer t0ken", Key: "K", Body: `{"application":"b","environment":"c","kind":"apply","team":"a"}`,
	}
	want := []clitest.Request{{Authorization: "Bearer t0ken"}, write, write, write}
	if diff := cmp.Diff(want, transport.Requests()); diff != "" {
		t.Errorf("what was asked (-want +got):\n%s", diff)
	}
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	c, s := connect(t, clitest.Reply(200, "application/json", healthy), clitest.Refuse())
	if err := remote.Done(c.GetHealth(t.Context())); err != nil {
		t.Fatal(err)
	}
	var away *remote.UnreachableError
	if err := remote.Done(c.GetHealth(t.Context())); !errors.As(err, &away) {
		t.Errorf("got %v, want an UnreachableError", err)
	}
	if len(s.Requests()) < 3 {
		t.Error("it was not tried again")
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

func stream(body string) clitest.Step {
	return clitest.Reply(200, "text/event-stream", body)
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
		steps  []clitest.Step
		want   want
	}{
		"resumes": {
			"after a broken connection it goes on behind the last event, and repeats none",
			[]clitest.Step{
				stream("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: cut"), clitest.Refuse(),
				stream("id: 2\ndata: b\n\nid: 3\ndata: c\n\nid: 4\ndata: end\n\n"),
			},
			want{Events: []string{"a", "b", "c", "end"}, Asked: []int64{0, 2, 2}, Notes: []string{"lost", "back"}},
		},
		"nothing more": {
			"204 is the end",
			[]clitest.Step{
				stream("id: 1\ndata: a\n\n"), clitest.Reply(204, "", ""),
			},
			want{Events: []string{"a"}, Asked: []int64{0, 1}},
		},
		"refused for good": {
			"a refusal is not repeated",
			[]clitest.Step{
				clitest.Reply(404, "application/problem+json", `{"type":"x","title":"not found","status":404,"detail":"no such deployment"}`),
			},
			want{Asked: []int64{0}, Error: "no such deployment"},
		},
		"unavailable": {
			"a server in trouble is asked again",
			[]clitest.Step{
				clitest.Reply(503, "application/problem+json", `{"type":"x","title":"unavailable","status":503}`), stream("id: 1\ndata: end\n\n"),
			},
			want{Events: []string{"end"}, Asked: []int64{0, 0}, Notes: []string{"lost", "back"}},
		},
		"own error": {
			"an event that cannot be used ends it",
			[]clitest.Step{stream("id: 1\ndata: bad\n\n")},
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
