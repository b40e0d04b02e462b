// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
)

// patience bounds every wait of the suite.
const patience = 2 * time.Minute

// password is a secret that must show up nowhere.
const password = "correct-horse-battery"

// inputs of an ordinary thing.
func inputs(dir string) map[string]any {
	return map[string]any{
		"world": worldOf(dir), "name": "alpha", "size": int64(3), "text": "plain", "password": password,
		"ratio": 0.5, "enabled": true, "zones": []any{"a", "b"}, "labels": map[string]any{"owner": "ada"}, "mode": "",
	}
}

// outputs that an ordinary thing declares.
func outputs() []engine.OutputSpec {
	return []engine.OutputSpec{
		{Name: "id", Type: "string"},
		{Name: "name", Type: "string"},
		{Name: "size", Type: "integer"},
		{Name: "text", Type: "string"},
		{Name: "password", Type: "string", Sensitive: true},
		{Name: "ratio", Type: "number"},
		{Name: "enabled", Type: "boolean"},
		{Name: "zones", Type: "list"},
		{Name: "labels", Type: "map"},
	}
}

// request for a thing in a test's directory.
func request(dir string, in map[string]any, log io.Writer) engine.Request {
	return engine.Request{
		Address: "alpha/shop/staging/web." + Thing, Node: "web." + Thing,
		Workspace: filepath.Join(dir, "work"),
		Inputs:    maps.Clone(in), Sensitive: map[string]bool{"password": true},
		Outputs: outputs(), Log: log,
	}
}

// subject is one thing under test.
type subject struct {
	h      Harness
	dir    string
	engine engine.Engine
	log    *logBuffer
}

func begin(t *testing.T, h Harness) *subject {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(worldOf(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	e, err := h.Open(dir)
	if err != nil {
		t.Fatalf("open engine: %v", err)
	}
	s := &subject{h: h, dir: dir, engine: e, log: &logBuffer{}}
	t.Cleanup(func() {
		if strings.Contains(s.log.String(), password) {
			t.Errorf("the log holds the password:\n%s", s.log)
		}
		if t.Failed() {
			t.Logf("log:\n%s\nledger:\n%s", s.log, strings.Join(s.ledger(t), "\n"))
		}
	})
	return s
}

// request with some inputs changed.
func (s *subject) request(t *testing.T, change map[string]any) engine.Request {
	t.Helper()
	in := inputs(s.dir)
	maps.Copy(in, change)
	req := request(s.dir, in, s.log)
	if err := s.h.Prepare(s.dir, &req); err != nil {
		t.Fatalf("prepare the thing: %v", err)
	}
	return req
}

// identified is a request that declares the thing's identity.
func (s *subject) identified(t *testing.T, change map[string]any) engine.Request {
	t.Helper()
	req := s.request(t, change)
	if err := s.h.Identity(s.dir, &req); err != nil {
		t.Fatalf("declare the thing's identity: %v", err)
	}
	return req
}

// apply previews and applies.
func (s *subject) apply(ctx context.Context, req engine.Request) (engine.Preview, engine.Result, error) {
	p, err := s.engine.Preview(ctx, req)
	if err != nil {
		return p, engine.Result{}, err
	}
	r, err := s.engine.Apply(ctx, req, p)
	return p, r, err
}

// up applies and must succeed.
func (s *subject) up(t *testing.T, change map[string]any) (engine.Preview, engine.Result) {
	t.Helper()
	p, r, err := s.apply(t.Context(), s.request(t, change))
	if err != nil {
		t.Fatalf("apply %v: %v", change, err)
	}
	return p, r
}

// ledger is every side effect so far.
func (s *subject) ledger(t *testing.T) []string {
	t.Helper()
	if s.h.World != nil {
		lines, err := s.h.World(s.dir)
		if err != nil {
			t.Fatalf("read the ledger: %v", err)
		}
		return lines
	}
	text, err := os.ReadFile(Ledger(s.dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func (s *subject) wantLedger(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.ledger(t)); diff != "" {
		t.Errorf("side effects (-want +got):\n%s", diff)
	}
}

// count of one kind of side effect.
func (s *subject) count(t *testing.T, prefix string) int {
	t.Helper()
	n := 0
	for _, line := range s.ledger(t) {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// wantClass checks an error's class and that it keeps the secret.
func wantClass(t *testing.T, err error, want ...engine.Class) engine.Error {
	t.Helper()
	e, ok := engine.AsError(err)
	if !ok {
		t.Fatalf("error is %v; want an *engine.Error of class %v", err, want)
	}
	if !slices.Contains(want, e.Class) {
		t.Fatalf("class is %s (%v); want %v", e.Class, err, want)
	}
	if strings.Contains(err.Error(), password) {
		t.Errorf("the message holds the password: %v", err)
	}
	if e.Message == "" || e.Engine == "" {
		t.Errorf("the error says nothing: %+v", e)
	}
	return *e
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %s for: %s", patience, what)
		case <-tick.C:
		}
	}
}

// The files that hold a thing up; see Thing. The first needs the mode "hold".
const (
	holdCreated = "hold"
	holdCreate  = "hold-create"
	holdSet     = "hold-set"
	holdDestroy = "hold-destroy"
	creating    = "creating" // made by a thing that holdCreate holds up
)

// hold makes things wait.
func (s *subject) hold(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(worldOf(s.dir), file), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.letGo(t) })
}

// letGo ends every hold.
func (s *subject) letGo(t *testing.T) {
	t.Helper()
	for _, file := range []string{holdCreated, holdCreate, holdSet, holdDestroy} {
		if err := os.Remove(filepath.Join(worldOf(s.dir), file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
}

// outcome of an apply in the background.
type outcome struct {
	preview engine.Preview
	result  engine.Result
	err     error
}

func (s *subject) start(ctx context.Context, req engine.Request) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		p, r, err := s.apply(ctx, req)
		done <- outcome{p, r, err}
	}()
	return done
}

func await(t *testing.T, done <-chan outcome) outcome {
	t.Helper()
	select {
	case o := <-done:
		return o
	case <-time.After(patience):
		t.Fatalf("the apply did not end within %s", patience)
		return outcome{}
	}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
