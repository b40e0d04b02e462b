// SPDX-License-Identifier: Apache-2.0

package pulumi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/enginetest"
	"github.com/HatiCode/nestor/activities/engine/pulumi"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/testkube"
)

// pluginsVariable tells worker processes of the suite where the test provider
// is, which is built once for a test binary.
const pluginsVariable = "NESTOR_TEST_PULUMI_PLUGINS"

// TestMain makes this binary a supervisor and a worker to be killed as well.
func TestMain(m *testing.M) {
	if supervise.Main() {
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if _, worker := os.LookupEnv(pluginsVariable); worker {
		return enginetest.Main(m, harness())
	}
	dir, err := buildPlugins()
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	if err == nil {
		err = shareGoCaches()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return testkube.Main(m)
}

// buildPlugins builds the provider of the thing, and a language host for Go where
// there is none, and names their directory in the environment.
func buildPlugins() (string, error) {
	dir, err := os.MkdirTemp("", "pulumi-plugins-")
	if err != nil {
		return "", err
	}
	args := []string{"build", "-ldflags=-s -w", "-o", dir, "./pulumi-resource-thing"}
	if !installed("pulumi-language-go") {
		args = append(args, "./pulumi-language-go")
	}
	build := exec.Command("go", args...) //nolint:noctx // before any test
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return dir, fmt.Errorf("build the test plugins: %w", err)
	}
	return dir, os.Setenv(pluginsVariable, dir)
}

// shareGoCaches names this user's caches in the environment: programs in Go run
// with another home, and would fetch and build everything anew.
func shareGoCaches() error {
	for _, name := range []string{"GOMODCACHE", "GOCACHE"} {
		value, err := exec.Command("go", "env", name).Output() //nolint:noctx // before any test
		if err != nil {
			return fmt.Errorf("go env %s: %w", name, err)
		}
		if err := os.Setenv(name, strings.TrimSpace(string(value))); err != nil {
			return err
		}
	}
	return nil
}

// TestConformance runs the suite with the real program.
func TestConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, harness())
}

// bin is where "make tools" puts programs.
func bin() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "bin")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// find a program of this name, from "make tools" or in PATH.
func find(name string) (path string, found bool) {
	for _, dir := range append([]string{bin()}, filepath.SplitList(os.Getenv("PATH"))...) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, true
		}
	}
	return "", false
}

func installed(name string) bool {
	_, found := find(name)
	return found
}

// program is the real one, from "make tools" or from PATH; so is its host for
// Pulumi YAML, and the one for Go where there is one.
func program() string {
	if path, found := find("pulumi"); found {
		return path
	}
	return "pulumi" // whose absence the engine tells
}

func config(dir, path string) pulumi.Config {
	return pulumi.Config{
		Program: path, SearchPath: []string{os.Getenv(pluginsVariable)},
		DataDir: filepath.Join(dir, "data"), Grace: 30 * time.Second,
	}
}

func open(dir, path string) (engine.Engine, error) { return pulumi.New(config(dir, path)) }

const module = "programs/thing"

// prepare writes the thing's bundle.
func prepare(dir string, req *engine.Request) error {
	text, err := os.ReadFile(filepath.Join("testdata", "thing", "Pulumi.yaml"))
	if err != nil {
		return err
	}
	return bundle(dir, req, string(text))
}

// bundle writes a program and makes it the request's.
func bundle(dir string, req *engine.Request, text string) error {
	req.Bundle = filepath.Join(dir, "bundle")
	req.Implementation = catalog.Implementation{Module: module, Inputs: map[string]string{"text": "note"}}
	directory := filepath.Join(req.Bundle, filepath.FromSlash(module))
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, "Pulumi.yaml"), []byte(text), 0o600)
}

// thing is the address of the resource.
const thing = "thing:index:Thing::thing"

// found is the only file that a pattern below the state directory finds.
func found(t *testing.T, dir, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "data", "pulumi-state", ".pulumi", pattern))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%s finds %v, %v; want one file", pattern, paths, err)
	}
	return paths[0]
}

func checkpoint(t *testing.T, dir string) string {
	t.Helper()
	return found(t, dir, "stacks/shop/*.json")
}

func harness() enginetest.Harness {
	return enginetest.Harness{
		Name:    "pulumi",
		Open:    func(dir string) (engine.Engine, error) { return open(dir, program()) },
		Prepare: prepare,
		Corrupt: func(t *testing.T, dir string, _ engine.Request) {
			t.Helper()
			// What a disk that ran full leaves: half a state.
			text, err := os.ReadFile(checkpoint(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			write(t, checkpoint(t, dir), string(text[:len(text)/2]))
		},
		Drift: func(t *testing.T, dir string, _ engine.Request) {
			t.Helper()
			path := filepath.Join(dir, "world", "thing-alpha")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, string(bytes.Replace(text, []byte(`"Text":"plain"`), []byte(`"Text":""`), 1)))
		},
		LockForeign: lockForeign,
		LockDead:    lockDead,
		Program: func(workspace string) (int, error) {
			holder, err := supervise.ReadHolder(workspace)
			return holder.Engine, err
		},
		Supervisor: func(workspace string) (int, error) {
			holder, err := supervise.ReadHolder(workspace)
			return holder.PID, err
		},
		Identity: func(_ string, req *engine.Request) error {
			req.Implementation.Identity = map[string]string{thing: "${inputs.world}/thing-${inputs.name}"}
			return nil
		},
		Adopt:   adopted,
		Missing: func(dir string) (engine.Engine, error) { return open(dir, filepath.Join(dir, "nowhere", "pulumi")) },
		TooOld: func(dir string) (engine.Engine, error) {
			old := filepath.Join(dir, "pulumi")
			if err := os.WriteFile(old, []byte("#!/bin/sh\necho v3.100.0\n"), 0o700); err != nil {
				return nil, err
			}
			return open(dir, old)
		},
		Found: "pulumi 3.100.0",
	}
}

// lockForeign locks the node's stack as Pulumi on another host would.
func lockForeign(t *testing.T, dir string, req *engine.Request) (release func()) {
	t.Helper()
	e, err := open(dir, program())
	if err != nil {
		t.Fatal(err)
	}
	seen, err := e.Observe(t.Context(), *req)
	if err != nil {
		t.Fatal(err)
	}
	locks := filepath.Join(dir, "data", "pulumi-state", ".pulumi", "locks", "organization", filepath.FromSlash(seen.StateRef))
	if err := os.MkdirAll(locks, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"pid": os.Getpid(), "username": "grace", "hostname": "another-host", "timestamp": time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(locks, "11111111-2222-3333-4444-555555555555.json")
	write(t, lock, string(text))
	return func() {
		if err := os.Remove(lock); err != nil {
			t.Error(err)
		}
	}
}

// lockDead kills the program while it updates the thing.
func lockDead(t *testing.T, dir string, req *engine.Request) {
	t.Helper()
	world := filepath.Join(dir, "world")
	hold := filepath.Join(world, "hold-set")
	write(t, hold, "")
	e, err := open(dir, program())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		p, err := e.Preview(t.Context(), *req)
		if err == nil {
			_, err = e.Apply(t.Context(), *req, p)
		}
		done <- err
	}()
	until(t, "the update", func() bool {
		text, err := os.ReadFile(enginetest.Ledger(dir))
		return err == nil && strings.Contains(string(text), "set alpha 5")
	})
	holder, err := supervise.ReadHolder(req.Workspace)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(holder.Engine, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err = <-done:
	case <-time.After(patience):
		t.Fatal("the killed apply did not end")
	}
	if got := engine.ClassOf(err); got != engine.Transient {
		t.Fatalf("class of a killed update is %q (%v); want transient", got, err)
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	found(t, dir, "locks/organization/shop/*/*.json")
}

// outside runs Pulumi as a person would, on a stack of their own.
func outside(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(), append(args, "--non-interactive")...)
	cmd.Dir = filepath.Join(dir, "outside")
	cmd.Env = []string{
		"HOME=" + dir, "PULUMI_HOME=" + filepath.Join(dir, "outside-home"), "PULUMI_SKIP_UPDATE_CHECK=true",
		"PULUMI_CONFIG_PASSPHRASE=of-a-person", "PULUMI_BACKEND_URL=file://" + filepath.Join(dir, "outside-state"),
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true",
		"PATH=" + strings.Join([]string{os.Getenv(pluginsVariable), bin(), os.Getenv("PATH")}, string(os.PathListSeparator)),
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pulumi %v: %v\n%s%s", args, err, out, said.String())
	}
	return string(out)
}

// adopted makes the request's thing outside Nestor, in a stack and a project of
// other names.
func adopted(t *testing.T, dir string, req engine.Request) engine.Source {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "thing", "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"outside", "outside-state"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	named := strings.Replace(string(text), "name: shop", "name: by-hand", 1)
	named = strings.ReplaceAll(strings.Replace(named, "\n  thing:\n", "\n  theirs:\n", 1), "${thing.", "${theirs.")
	write(t, filepath.Join(dir, "outside", "Pulumi.yaml"), named)
	values := map[string]any{}
	for name, value := range req.Inputs {
		if name == "text" {
			name = "note"
		}
		values["by-hand:"+name] = value
	}
	settings, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	outside(t, dir, "stack", "init", "theirs")
	stack := filepath.Join(dir, "outside", "Pulumi.theirs.yaml")
	salt, err := os.ReadFile(stack)
	if err != nil {
		t.Fatal(err)
	}
	write(t, stack, strings.TrimSpace(string(salt))+"\nconfig: "+string(settings)+"\n")
	outside(t, dir, "up", "--yes", "--skip-preview", "--stack", "theirs")
	return engine.Source{
		State: []byte(outside(t, dir, "stack", "export", "--show-secrets", "--stack", "theirs")),
		Moves: map[string]string{"thing:index:Thing::theirs": thing},
	}
}

const patience = 2 * time.Minute

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

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
