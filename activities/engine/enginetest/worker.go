// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
)

// childVariable names the file that tells a re-executed test binary what to do.
const childVariable = "NESTOR_ENGINETEST_CHILD"

// child is a worker process of its own, to be killed: it applies or destroys.
type child struct {
	Harness  string         `json:"harness"`
	Dir      string         `json:"dir"`
	Inputs   map[string]any `json:"inputs"`
	Identity bool           `json:"identity"`
	Destroy  bool           `json:"destroy"`
}

// Main is the body of TestMain: it is either the tests or, executed again by
// one of them, a worker that applies the thing.
func Main(m *testing.M, harnesses ...Harness) int {
	path, ok := os.LookupEnv(childVariable)
	if !ok {
		return m.Run()
	}
	if err := runChild(path, harnesses); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runChild(path string, harnesses []Harness) error {
	text, err := os.ReadFile(path) //nolint:gosec // written by the test that started this process
	if err != nil {
		return err
	}
	var c child
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&c); err != nil {
		return err
	}
	for _, h := range harnesses {
		if h.Name == c.Harness {
			return c.run(context.Background(), h)
		}
	}
	return fmt.Errorf("no harness %q", c.Harness)
}

func (c child) run(ctx context.Context, h Harness) error {
	e, err := h.Open(c.Dir)
	if err != nil {
		return err
	}
	req := request(c.Dir, plain(c.Inputs).(map[string]any), os.Stderr) //nolint:forcetypeassert // a map stays one
	if err := h.Prepare(c.Dir, &req); err != nil {
		return err
	}
	if c.Identity {
		if err := h.Identity(c.Dir, &req); err != nil {
			return err
		}
	}
	if c.Destroy {
		return e.Destroy(ctx, req)
	}
	return persist(func() error {
		p, err := e.Preview(ctx, req)
		if err == nil {
			_, err = e.Apply(ctx, req, p)
		}
		return err
	})
}

// tries bounds how often something transient is tried again.
const tries = 5

// persist tries again while the error is transient, as a worker does: a preview
// that another one's apply has overtaken is made anew.
func persist(try func() error) error {
	var err error
	for range tries {
		if err = try(); engine.ClassOf(err) != engine.Transient {
			return err
		}
	}
	return fmt.Errorf("after %d tries: %w", tries, err)
}

// plain turns the numbers of decoded JSON into int64 or float64.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil && !strings.ContainsAny(v.String(), ".eE") {
			return i
		}
		f, _ := v.Float64() // it was written by this package
		return f
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	default:
		return v
	}
}

// worker starts a process that does as c says with the thing, some inputs
// changed.
func (s *subject) worker(t *testing.T, c child, change map[string]any) *exec.Cmd {
	t.Helper()
	c.Harness, c.Dir, c.Inputs = s.h.Name, s.dir, inputs(s.dir)
	maps.Copy(c.Inputs, change)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(s.dir, "child-*.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Name(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self) //nolint:gosec // this test binary
	cmd.Env = append(os.Environ(), childVariable+"="+filepath.Clean(f.Name()))
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}
