// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/api/problem"
)

// connection is what a server does with one connection to a stream.
type connection func(w http.ResponseWriter)

// script answers each connection with the next of its parts, and remembers
// where each began.
type script struct {
	mu    sync.Mutex
	parts []connection
	after []string
	auth  string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.after = append(s.after, r.Header.Get("Last-Event-ID"))
	s.auth = r.Header.Get("Authorization")
	next := s.parts[min(len(s.after), len(s.parts))-1]
	s.mu.Unlock()
	next(w)
}

func (s *script) start(t *testing.T) *client.ClientWithResponses {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := client.NewClientWithResponses(server.URL, client.WithToken("secret"), client.WithUserAgent("test"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// events sends events and ends cleanly, or, if broken, in the middle of one.
func events(broken bool, ids ...int64) connection {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, "retry: 1\n\n: a comment\n\n")
		for _, id := range ids {
			kind := "node.started"
			if id == 9 {
				kind = "deployment.finished"
			}
			_, _ = fmt.Fprintf(w, "id: %d\ndata: {\"sequence\":%d,\ndata: \"type\":%q}\n\n", id, id, kind)
		}
		if broken {
			_, _ = fmt.Fprint(w, "id: 99\ndata: {\"sequen")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
}

func status(code int, typ string) connection {
	return func(w http.ResponseWriter) {
		if typ != "" {
			w.Header().Set("Content-Type", problem.ContentType)
		}
		w.WriteHeader(code)
		if typ != "" {
			_ = json.NewEncoder(w).Encode(problem.Problem{Type: typ, Title: "t", Status: code, Detail: "because"})
		}
	}
}

func TestFollowGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	s := &script{parts: []connection{
		events(true, 3, 4),
		status(http.StatusServiceUnavailable, problem.TypeUnavailable),
		events(false, 5),
		events(false, 6, 9, 10),
	}}
	c := s.start(t)
	var got []int64
	for e, err := range c.FollowDeployment(t.Context(), client.DeploymentID{Team: "a", Application: "b", Environment: "c", N: 1}, 2) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Sequence)
	}
	if diff := cmp.Diff([]int64{3, 4, 5, 6, 9}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2", "4", "4", "5"}, s.after); diff != "" {
		t.Errorf("where the connections began (-want +got):\n%s", diff)
	}
	if s.auth != "Bearer secret" {
		t.Errorf("authorization %q", s.auth)
	}
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		parts  []connection
		fails  string
	}{
		"no content": {"204 says that nothing follows", []connection{events(false, 1), status(http.StatusNoContent, "")}, ""},
		"refused":    {"asking again would not help", []connection{status(http.StatusNotFound, problem.TypeNotFound)}, "because"},
		"not nestor": {"a proxy's page is no problem document", []connection{status(http.StatusNotFound, "")}, "check that the address"},
		"malformed":  {"it would come again", []connection{func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, "id: 1\ndata: {\n\n") }}, "malformed event"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := (&script{parts: test.parts}).start(t)
			var failed error
			for _, err := range c.FollowLogs(t.Context(), client.DeploymentID{Team: "a", Application: "b", Environment: "c", N: 1}, "n", 0) {
				failed = err
			}
			if test.fails == "" && failed != nil || test.fails != "" && (failed == nil || !strings.Contains(failed.Error(), test.fails)) {
				t.Errorf("%s: error %v, want %q", test.reason, failed, test.fails)
			}
		})
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := (&script{parts: []connection{events(true, 1)}}).start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range c.FollowCatalog(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			cancel()
		}
	}
	if n != 2 {
		t.Errorf("%d events after the context ended at 2", n)
	}
	for range c.FollowCatalog(t.Context(), 0) {
		break
	}
}

func TestErr(t *testing.T) {
	t.Parallel()
	ok := (&script{parts: []connection{func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"principal":"p","teams":[],"roles":[]}`)
	}}}).start(t)
	answer, err := ok.WhoamiWithResponse(t.Context())
	if err != nil || client.Err(answer) != nil || answer.JSON200.Principal != "p" {
		t.Errorf("answer %+v, errors %v and %v", answer, err, client.Err(answer))
	}
	for code, typ := range map[int]string{http.StatusForbidden: problem.TypeForbidden, http.StatusBadGateway: ""} {
		answer, err := (&script{parts: []connection{status(code, typ)}}).start(t).GetEnvironmentWithResponse(t.Context(), "staging")
		if err != nil {
			t.Fatal(err)
		}
		if typ == "" {
			typ = problem.TypeUnexpected
		}
		var p *problem.Problem
		if !errors.As(client.Err(answer), &p) || p.Type != typ || p.Status != code {
			t.Errorf("status %d: %v, want type %s", code, client.Err(answer), typ)
		}
	}
}

func TestParseDeploymentID(t *testing.T) {
	t.Parallel()
	id, err := client.ParseDeploymentID("alpha/shop/staging/12")
	want := client.DeploymentID{Team: "alpha", Application: "shop", Environment: "staging", N: 12}
	if err != nil || id != want {
		t.Errorf("%+v, %v", id, err)
	}
	for _, wrong := range []string{"", "a/b/c", "a/b/c/d", "a/b/c/0", "a//c/1", "a/b/c/1/2"} {
		if _, err := client.ParseDeploymentID(wrong); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}
