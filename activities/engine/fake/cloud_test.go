// SPDX-License-Identifier: Apache-2.0

package fake_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/enginetest"
	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
)

// worldsVariable tells worker processes where this test binary serves worlds.
const worldsVariable = "NESTOR_FAKE_TEST_WORLDS"

// worlds serves a world for each directory of a test, under its name.
type worlds struct {
	mu  sync.Mutex
	all map[string]*cloud.World
}

func (w *worlds) of(dir string) *cloud.World {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all[dir] == nil {
		w.all[dir] = cloud.New(nil)
	}
	return w.all[dir]
}

func (w *worlds) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	dir, call, _ := strings.Cut(strings.TrimPrefix(request.URL.EscapedPath(), "/"), "/")
	name, err := url.PathUnescape(dir)
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	request.URL.Path, request.URL.RawPath = "/"+call, ""
	cloud.NewServer(w.of(name), 0).ServeHTTP(response, request)
}

// serveWorlds starts the server once in the test's own process; its workers
// find it in the environment.
func serveWorlds() (*worlds, func()) {
	w := &worlds{all: map[string]*cloud.World{}}
	if os.Getenv(worldsVariable) != "" {
		return w, func() {}
	}
	server := httptest.NewServer(w)
	if err := os.Setenv(worldsVariable, server.URL); err != nil {
		panic(err)
	}
	return w, server.Close
}

func TestConformanceInACloud(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, inCloud(harness(), served))
}

func TestForgetfulConformanceInACloud(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, inCloud(forgetful(), served))
}

// inCloud is a harness whose resources are in another process.
func inCloud(h enginetest.Harness, w *worlds) enginetest.Harness {
	h.Name += " in a cloud"
	h.Open = func(dir string) (engine.Engine, error) { return fake.New(config(dir)) }
	h.World = func(dir string) ([]string, error) {
		var lines []string
		for _, entry := range w.of(dir).Ledger(0) {
			lines = append(lines, entry.Text)
		}
		return lines, nil
	}
	h.Drift = func(t *testing.T, dir string, _ engine.Request) {
		t.Helper()
		for _, r := range w.of(dir).Resources() {
			r.Attributes["text"] = "tampered"
			if err := w.of(dir).Update(r.Key, r.Identity, r.Attributes, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.Adopt = func(t *testing.T, dir string, req engine.Request) engine.Source {
		t.Helper()
		e, err := fake.New(config(dir))
		if err != nil {
			t.Fatal(err)
		}
		req.Address = "somebody/else/" + req.Node
		if _, err := apply(t.Context(), e, req); err != nil {
			t.Fatal(err)
		}
		return engine.Source{Ref: req.Address}
	}
	if h.Clear != nil {
		h.Clear = func(workspace string) error {
			there := w.of(filepath.Dir(workspace))
			for _, r := range there.Resources() {
				there.Move(r.Key, "nobody")
			}
			return nil
		}
	}
	return h
}

func config(dir string) fake.Config {
	return fake.Config{Dir: world(dir), World: os.Getenv(worldsVariable) + "/" + url.PathEscape(dir)}
}

// TestLostAnswer: what was made is found again, though nobody said so.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for name, forgetful := range map[string]bool{"known by its identity": false, "forgotten": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := cloud.New(nil)
			server := httptest.NewServer(cloud.NewServer(w, 0))
			t.Cleanup(server.Close)
			dir := t.TempDir()
			e, err := fake.New(fake.Config{Dir: dir, World: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			_, req, _ := start(t, map[string]any{"outputs": map[string]any{"endpoint": "x"}, "forgetful": forgetful})
			req.Address = name
			client, err := cloud.Dial(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Drop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := apply(t.Context(), e, req); engine.ClassOf(err) != engine.Transient {
				t.Fatalf("got %v; want class transient", err)
			}
			_, err = apply(t.Context(), e, req)
			if forgetful && engine.ClassOf(err) != engine.Uncertain || !forgetful && err != nil {
				t.Errorf("the next try ends with %v", err)
			}
			if made := w.Resources(); len(made) != 1 {
				t.Errorf("%d resources exist, want one", len(made))
			}
		})
	}
	if _, err := cloud.Dial("nowhere"); err == nil {
		t.Error("an address without a host is taken")
	}
}

func TestSlowWorld(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(cloud.NewServer(cloud.New(nil), 0))
	t.Cleanup(server.Close)
	world, err := cloud.Dial(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	const slow = 50 * time.Millisecond
	began := time.Now()
	if err := world.Slow(t.Context(), slow); err != nil {
		t.Fatal(err)
	}
	if _, err := world.Create(t.Context(), cloud.Resource{Key: "a", Identity: "one"}, "r", "create a"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < slow {
		t.Errorf("an effect comes after %s while the world is slow for %s", took, slow)
	}
}
