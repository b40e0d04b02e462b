// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// sse reads a stream line by line.
type sse struct {
	t        *testing.T
	h        *harness
	schema   string
	response *http.Response
	lines    *bufio.Scanner
	cancel   context.CancelFunc
}

// follow opens a stream whose documents are of a schema.
func (h *harness) follow(token, path, schema string, headers ...header) *sse {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	response := h.send(ctx, token, http.MethodGet, path, nil, headers...) //nolint:bodyclose // sse.close does
	s := &sse{t: h.t, h: h, schema: schema, response: response, lines: bufio.NewScanner(response.Body), cancel: cancel}
	h.t.Cleanup(s.close)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("%s: %s with %q, want a stream", path, response.Status, response.Header.Get("Content-Type"))
	}
	return s
}

func (s *sse) close() {
	s.cancel()
	_ = s.response.Body.Close()
}

// line is the next line; false at the stream's clean end.
func (s *sse) line() (string, bool) {
	s.t.Helper()
	if s.lines.Scan() {
		return s.lines.Text(), true
	}
	if err := s.lines.Err(); err != nil {
		s.t.Fatalf("the stream broke: %v", err)
	}
	return "", false
}

// next is the id and data of the next event, whose document is checked; 0 at
// the end.
func (s *sse) next() (id int64, data string) {
	s.t.Helper()
	for {
		line, more := s.line()
		switch {
		case !more:
			return 0, ""
		case strings.HasPrefix(line, "id: "):
			n, err := strconv.ParseInt(line[4:], 10, 64)
			check(s.t, err)
			id = n
		case strings.HasPrefix(line, "data: "):
			data = line[6:]
		case line == "" && data != "":
			check(s.t, s.h.contract.CheckDocument(s.schema, []byte(data)))
			return id, data
		}
	}
}

// rest is the ids of all events up to the end.
func (s *sse) rest() []int64 {
	s.t.Helper()
	var ids []int64
	for id, _ := s.next(); id != 0; id, _ = s.next() {
		ids = append(ids, id)
	}
	return ids
}

func TestDeploymentEvents(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	release := h.deployed()

	live := h.follow(alphaToken, shopPath+"/events", "Event")
	if id, data := live.next(); id != 1 || !strings.Contains(data, string(orchestrator.EventQueued)) {
		t.Fatalf("first event %d %s, want the queued one", id, data)
	}
	h.run(release)
	if id, _ := live.next(); id != 2 {
		t.Fatalf("event %d, want 2 while the deployment runs", id)
	}
	h.finish(orchestrator.StatusSucceeded)
	rest := live.rest()
	last := rest[len(rest)-1]
	var all []int64
	for id := int64(1); id <= last; id++ {
		all = append(all, id)
	}
	if diff := cmp.Diff(all, append([]int64{1, 2}, rest...)); diff != "" {
		t.Errorf("the live stream has gaps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(all, h.follow(alphaToken, shopPath+"/events", "Event").rest()); diff != "" {
		t.Errorf("the replay is another (-want +got):\n%s", diff)
	}
	resumed := h.follow(alphaToken, shopPath+"/events", "Event", header{"Last-Event-ID", "3"}).rest()
	if diff := cmp.Diff(all[3:], resumed); diff != "" {
		t.Errorf("resumed after 3 (-want +got):\n%s", diff)
	}
	h.get(alphaToken, shopPath+"/events", header{"Last-Event-ID", strconv.FormatInt(last, 10)}).want(http.StatusNoContent)
	h.get(alphaToken, shopPath+"/events", header{"Last-Event-ID", "x"}).problem(http.StatusBadRequest, problem.TypeBadRequest)
	h.get(alphaToken, "/api/v1/deployments/alpha/shop/staging/9/events").problem(http.StatusNotFound, problem.TypeNotFound)
}

func TestLogs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	release := h.deployed()
	h.run(release)
	write := func(name, text string) {
		check(t, h.records.AppendLog(t.Context(), "w", "alpha/shop/staging/1", registry.LogChunk{Node: name, Attempt: 1, Text: text}))
	}
	// Logs of nodes that are in no graph can be there, but not be asked for.
	write("web-app.cache", "another node\n")

	live := h.follow(alphaToken, shopPath+"/logs?follow=true&node="+node, "LogChunk")
	if id, data := live.next(); id != 1 || !strings.Contains(data, "created") {
		t.Fatalf("first chunk %d %s", id, data)
	}
	write(node, "line with \"quotes\"\nand a second\n")
	if id, data := live.next(); id != 3 || !strings.Contains(data, `\"quotes\"\nand`) {
		t.Fatalf("second chunk %d %s, want the node's own next one", id, data)
	}
	write(node, "last words\n")
	h.finish(orchestrator.StatusSucceeded)
	if diff := cmp.Diff([]int64{4}, live.rest()); diff != "" {
		t.Errorf("what came before the end (-want +got):\n%s", diff)
	}
	tests := map[string]struct {
		query string
		want  []int64
	}{
		"all":   {"", []int64{1, 2, 3, 4}},
		"node":  {"?node=" + node, []int64{1, 3, 4}},
		"after": {"?after=2", []int64{3, 4}},
		"none":  {"?after=4", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []int64
			for _, chunk := range decode[gen.LogChunkList](h.in(t).get(alphaToken, shopPath+"/logs"+test.query).want(http.StatusOK)).Items {
				got = append(got, chunk.Sequence)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("chunks (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff([]int64{3, 4}, h.follow(alphaToken, shopPath+"/logs?follow=true", "LogChunk", header{"Last-Event-ID", "2"}).rest()); diff != "" {
		t.Errorf("followed after the end (-want +got):\n%s", diff)
	}
	h.get(alphaToken, shopPath+"/logs?follow=true", header{"Last-Event-ID", "4"}).want(http.StatusNoContent)
	for _, query := range []string{"?node=web-app.databse", "?node=web-app.databse&follow=true"} {
		p := h.get(alphaToken, shopPath+"/logs"+query).problem(http.StatusNotFound, problem.TypeNotFound)
		if !strings.Contains(p.Detail, `has no resource "web-app.databse"; did you mean "web-app.database"?`) {
			t.Errorf("%s: %s", query, p.Detail)
		}
	}
}

func TestCatalogEvents(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, api.Config{Poll: 5 * time.Millisecond, Heartbeat: 5 * time.Millisecond}, tokensYAML)
	h.publish(mysqlYAML).want(http.StatusCreated)
	live := h.follow(betaToken, "/api/v1/events", "CatalogEvent")
	if id, data := live.next(); id != 1 || !strings.Contains(data, `"published"`) {
		t.Fatalf("first event %d %s, want the publication", id, data)
	}
	for {
		line, more := live.line()
		if !more {
			t.Fatal("the stream ended")
		}
		if line == ": alive" {
			break
		}
	}
	h.post(platformToken, "/api/v1/resources/aws-rds-mysql/versions/1.0.0/deprecation", map[string]string{"message": "old"}).want(http.StatusOK)
	if id, data := live.next(); id != 2 || !strings.Contains(data, `"deprecated"`) {
		t.Fatalf("second event %d %s, want the deprecation", id, data)
	}
	resumed := h.follow(betaToken, "/api/v1/events", "CatalogEvent", header{"Last-Event-ID", "1"})
	if id, _ := resumed.next(); id != 2 {
		t.Errorf("resumed at %d, want 2", id)
	}
	h.server.StopStreams()
	for _, s := range []*sse{live, resumed} {
		if ids := s.rest(); len(ids) != 0 {
			t.Errorf("events %v after the stop", ids)
		}
	}
}

func TestGraceful(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	release := h.deployed()
	_ = release
	ctx, stop := context.WithCancel(t.Context())
	listener, err := api.Listen(ctx, "127.0.0.1:0", true)
	check(t, err)
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(ctx, listener) }()
	other := h.in(t)
	other.url = "http://" + listener.Addr().String()
	live := other.follow(alphaToken, shopPath+"/events", "Event")
	if id, _ := live.next(); id != 1 {
		t.Fatalf("event %d, want 1", id)
	}
	stop()
	if ids := live.rest(); len(ids) != 0 {
		t.Errorf("events %v after the stop", ids)
	}
	select {
	case err := <-served:
		check(t, err)
	case <-time.After(patience):
		t.Fatal("the server did not stop")
	}
}
