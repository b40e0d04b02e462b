// SPDX-License-Identifier: Apache-2.0

// Package clitest plays the API for tests of the command line: it serves
// recorded answers from files and holds every request and every answer to
// openapi.yaml.
//
// It is for tests alone.
package clitest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/api/apitest"
)

// Player answers requests from directories of recorded answers; the first that
// has one wins. The answer to GET /api/v1/plans/P1 is the file
// GET/api/v1/plans/P1 with one of these endings:
//
//	.json  200 with this body
//	.sse   200 with these server-sent events, then the end of the connection
//	.http  a whole answer, from its status line on
//	.raw   the same from something that is no Nestor, not held to openapi.yaml
//
// A number before the ending (P1.1.json, P1.2.json) is the answer to that
// request of the route, the last number to all that follow.
type Player struct {
	contract *apitest.Contract
	router   routers.Router
}

// NewPlayer reads openapi.yaml.
func NewPlayer(ctx context.Context) (*Player, error) {
	contract, err := apitest.NewContract(ctx)
	if err != nil {
		return nil, err
	}
	spec, err := api.LoadSpec(ctx)
	if err != nil {
		return nil, err
	}
	spec.Servers = nil // tests listen anywhere
	router, err := legacy.NewRouter(spec)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return &Player{contract: contract, router: router}, nil
}

// Server is one play.
type Server struct {
	*httptest.Server

	player *Player
	dirs   []string

	mutex      sync.Mutex
	counts     map[string]int
	log        strings.Builder
	violations []error
}

// Start serves answers from the directories until Close is called.
func (p *Player) Start(dirs ...string) *Server {
	s := &Server{player: p, dirs: dirs, counts: map[string]int{}}
	s.Server = httptest.NewServer(s)
	return s
}

// Log is one line per request, "METHOD path?query body", in order.
func (s *Server) Log() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.log.String()
}

// Violations are the requests and answers that openapi.yaml does not allow, and
// requests without a recorded answer.
func (s *Server) Violations() []error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.violations
}

// ServeHTTP answers with what was recorded.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.checkRequest(r, body)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer, err := s.find(r, s.note(r, body))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if answer.Header.Get(strangerHeader) == "" {
		checked := &apitest.Transport{Contract: s.player.contract, Base: canned{answer}}
		if answer, err = checked.RoundTrip(r); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, err = io.Copy(w, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
}

// note writes the request down and returns how many there were before it.
func (s *Server) note(r *http.Request, body []byte) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	fmt.Fprintf(&s.log, "%s %s", r.Method, r.URL.RequestURI())
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		fmt.Fprintf(&s.log, " after=%s", last)
	}
	if len(body) > 0 {
		fmt.Fprintf(&s.log, " %s", bytes.TrimSpace(body))
	}
	s.log.WriteByte('\n')
	route := r.Method + r.URL.Path
	s.counts[route]++
	return s.counts[route] - 1
}

func (s *Server) checkRequest(r *http.Request, body []byte) error {
	r.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := s.player.router.FindRoute(r)
	if err != nil {
		return fmt.Errorf("openapi.yaml has no such route: %w", err)
	}
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.mutex.Lock()
	s.violations = append(s.violations, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err))
	s.mutex.Unlock()
	http.Error(w, err.Error(), http.StatusTeapot)
}

// find reads the answer to the request after before others of its route.
func (s *Server) find(r *http.Request, before int) (*http.Response, error) {
	for _, dir := range s.dirs {
		base := filepath.Join(dir, r.Method, filepath.FromSlash(r.URL.Path))
		for n := before + 1; n >= 0; n-- {
			number := ""
			if n > 0 {
				number = "." + strconv.Itoa(n)
			}
			for _, ending := range []string{".json", ".sse", ".http", ".raw"} {
				data, err := os.ReadFile(base + number + ending) //nolint:gosec // a test's own files
				if err == nil {
					return recorded(r, ending, data)
				}
			}
		}
	}
	return nil, errors.New("no answer is recorded")
}

func recorded(r *http.Request, ending string, data []byte) (*http.Response, error) {
	if ending == ".http" || ending == ".raw" {
		head, body, _ := bytes.Cut(data, []byte("\n\n"))
		raw := append(bytes.ReplaceAll(head, []byte("\n"), []byte("\r\n")), "\r\n\r\n"...)
		answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
		if err != nil {
			return nil, fmt.Errorf("recorded answer: %w", err)
		}
		if err := answer.Body.Close(); err != nil {
			return nil, err
		}
		if answer.StatusCode == http.StatusNoContent {
			body = nil
		}
		if ending == ".raw" {
			answer.Header.Set(strangerHeader, "yes")
		}
		answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return answer, nil
	}
	kind := "application/json"
	if ending == ".sse" {
		kind = "text/event-stream"
	} else if !json.Valid(data) {
		return nil, errors.New("the recorded answer is no JSON")
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{"Content-Type": {kind}},
		Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data)), Request: r,
	}, nil
}

// strangerHeader marks an answer that openapi.yaml knows nothing of.
const strangerHeader = "X-Stranger"

// canned is a transport with one answer.
type canned struct{ answer *http.Response }

func (c canned) RoundTrip(*http.Request) (*http.Response, error) { return c.answer, nil }
