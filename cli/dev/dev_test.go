// SPDX-License-Identifier: Apache-2.0

package dev_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/cli/config"
	"github.com/HatiCode/nestor/cli/dev"
	"github.com/HatiCode/nestor/internal/parts"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

func noContext() context.Context { return context.Background() }

// platform is a dev.Run under test.
type platform struct {
	options    dev.Options
	interrupts chan os.Signal
	output     *lines
	ended      chan error
}

// lines is a writer that several goroutines may use.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// run starts a platform; the end of the test stops it.
func run(t *testing.T, change func(*dev.Options)) *platform {
	t.Helper()
	p := &platform{interrupts: make(chan os.Signal, 2), output: &lines{}, ended: make(chan error, 1)}
	p.options = dev.Options{
		DataDir:    filepath.Join(t.TempDir(), "data"),
		Version:    "1.2.3",
		ConfigPath: filepath.Join(t.TempDir(), "config.yaml"),
		Search:     dev.Search{Dirs: []string{programDir(t)}, LookPath: exec.LookPath},
		Environ:    os.Environ(),
		Interrupts: p.interrupts,
	}
	if change != nil {
		change(&p.options)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		p.ended <- dev.Run(ctx, p.options, p.output)
		close(over)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return p
}

// until waits for a condition.
func (p *platform) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s; output so far:\n%s", what, patience, p.output)
		}
	}
}

func (p *platform) ready(t *testing.T) dev.Endpoints {
	t.Helper()
	p.until(t, "ready", func() bool { return strings.Contains(p.output.String(), "Ctrl-C stops") || len(p.ended) > 0 })
	if len(p.ended) > 0 {
		t.Fatalf("ended before it was ready: %v; output:\n%s", <-p.ended, p.output)
	}
	content, err := os.ReadFile(filepath.Join(p.options.DataDir, "endpoints.json"))
	if err != nil {
		t.Fatalf("%v; output:\n%s", err, p.output)
	}
	var endpoints dev.Endpoints
	if err := json.Unmarshal(content, &endpoints); err != nil {
		t.Fatal(err)
	}
	return endpoints
}

func (p *platform) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		t.Fatalf("still runs after %s; output so far:\n%s", patience, p.output)
		return nil
	}
}

func environ(entries ...string) func(*dev.Options) {
	return func(o *dev.Options) { o.Environ = append(o.Environ, entries...) }
}

func TestRunStartsServesAndStopsInReverse(t *testing.T) {
	t.Parallel()
	p := run(t, func(o *dev.Options) {
		// What an earlier release has left for others to read.
		if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.DataDir, "temporal.db-wal"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	})
	endpoints := p.ready(t)

	for _, url := range []string{endpoints.API + "/readyz", endpoints.TemporalUI + "/"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s answers %s", url, response.Status)
		}
		if !strings.Contains(p.output.String(), strings.TrimSuffix(strings.TrimSuffix(url, "/readyz"), "/")) {
			t.Errorf("%s is not in the output:\n%s", url, p.output)
		}
	}

	file, err := config.Load(p.options.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	found, _ := file.Context(dev.ContextName)
	if file.Current != dev.ContextName || found.Server != endpoints.API || found.TemporalUI != endpoints.TemporalUI || len(found.Token) < 32 {
		t.Errorf("context %q of %+v, want the current one with %s and a token", file.Current, file, endpoints.API)
	}
	if strings.Contains(p.output.String(), found.Token) {
		t.Errorf("the token is in the output:\n%s", p.output)
	}
	for name, want := range map[string]os.FileMode{
		".": 0o700, "tokens.yaml": 0o600, "endpoints.json": 0o600, "temporal.db": 0o600, "temporal.db-wal": 0o600,
	} {
		info, err := os.Stat(filepath.Join(p.options.DataDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}

	p.interrupts <- os.Interrupt
	if err := p.end(t); err != nil {
		t.Fatal(err)
	}
	told := readJournal(t, p.options.DataDir)
	if diff := cmp.Diff([]string{"stop worker", "stop api", "stop temporal"}, told[len(told)-3:]); diff != "" {
		t.Errorf("order of the stop (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(p.options.DataDir, "endpoints.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("endpoints.json is still there: %v", err)
	}
}

func TestRunKeepsTokenAndOtherContexts(t *testing.T) {
	t.Parallel()
	p := run(t, func(o *dev.Options) {
		file := config.File{Current: "work", Contexts: []config.Context{
			{Name: "work", Server: "https://nestor.example"},
			{Name: dev.ContextName, Server: "http://127.0.0.1:1", Team: "alpha"},
		}}
		if err := file.Save(o.ConfigPath); err != nil {
			t.Fatal(err)
		}
	})
	first := p.ready(t)
	tokens, err := os.ReadFile(first.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	p.interrupts <- os.Interrupt
	if err := p.end(t); err != nil {
		t.Fatal(err)
	}

	again := run(t, func(o *dev.Options) { o.DataDir, o.ConfigPath = p.options.DataDir, p.options.ConfigPath })
	second := again.ready(t)
	after, err := os.ReadFile(second.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(tokens), string(after)); diff != "" {
		t.Errorf("a second start changed the tokens (-before +after):\n%s", diff)
	}
	file, err := config.Load(p.options.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	found, _ := file.Context(dev.ContextName)
	if file.Current != "work" || found.Team != "alpha" || found.Server != second.API {
		t.Errorf("got %+v, want work still current, and dev with its team and the new server", file)
	}
}

func TestRunRestartsWhatDies(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"worker", "api", "temporal"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, nil)
			p.ready(t)
			victim := pids(t, p.options.DataDir)[name][0]
			if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			p.until(t, "a new "+name, func() bool { return len(pids(t, p.options.DataDir)[name]) == 2 })
			if !strings.Contains(p.output.String(), "signal: killed") {
				t.Errorf("the death is not told:\n%s", p.output)
			}
			p.interrupts <- os.Interrupt
			if err := p.end(t); err != nil {
				t.Error(err)
			}
			noneLeft(t, p)
		})
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	taken := func(t *testing.T) int {
		t.Helper()
		var listen net.ListenConfig
		listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		return listener.Addr().(*net.TCPAddr).Port
	}
	tests := map[string]struct {
		reason string
		change func(t *testing.T, o *dev.Options)
		want   []string
	}{
		"program fails": {
			"what the program said is shown, and nothing is left running",
			func(_ *testing.T, o *dev.Options) { environ(failAtStart + "=api")(o) },
			[]string{"api (pid ", "exit status 3", "no licence"},
		},
		"program missing": {
			"the message says what is missing, where it was looked for, and the cure",
			func(t *testing.T, o *dev.Options) {
				t.Helper()
				dir := t.TempDir()
				o.Search.Dirs = []string{dir}
				o.Search.LookPath = func(string) (string, error) { return "", exec.ErrNotFound }
			},
			[]string{"nestor-worker is missing", "make build", "make tools"},
		},
		"port taken": {
			"the message names the port and the flag",
			func(t *testing.T, o *dev.Options) { t.Helper(); o.Ports.UI = taken(t) },
			[]string{"the Temporal Web UI", "--ui-port", "in use"},
		},
		"tokens unreadable": {
			"a damaged tokens file is not replaced",
			func(t *testing.T, o *dev.Options) {
				t.Helper()
				if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(o.DataDir, "tokens.yaml"), []byte("token: x"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			[]string{"tokens.yaml", "no list of tokens"},
		},
		"too slow": {
			"a platform that is not ready in time stops and says what was missing",
			func(_ *testing.T, o *dev.Options) {
				environ(neverReady + "=worker")(o)
				o.StartTimeout = time.Second
			},
			[]string{"worker", "not ready after 1s"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, func(o *dev.Options) { test.change(t, o) })
			err := p.end(t)
			if err == nil {
				t.Fatalf("%s: no error", test.reason)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q does not name %q", test.reason, err, want)
				}
			}
			noneLeft(t, p)
		})
	}
}

func TestRunRefusesSecondOnDataDir(t *testing.T) {
	t.Parallel()
	p := run(t, nil)
	p.ready(t)
	second := run(t, func(o *dev.Options) { o.DataDir = p.options.DataDir })
	var used *dev.InUseError
	if err := second.end(t); !errors.As(err, &used) || used.PID != os.Getpid() {
		t.Errorf("got %v, want the refusal with pid %d", err, os.Getpid())
	}
	p.ready(t) // the first still has its endpoints
}

func TestRunKillsWhatDoesNotStop(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		grace  time.Duration
		twice  bool
	}{
		"after the grace period": {"a child may not hold up the stop for ever", 100 * time.Millisecond, false},
		"at a second interrupt":  {"a second Ctrl-C does not wait for the grace period", time.Hour, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, func(o *dev.Options) {
				environ(ignoreStop + "=worker")(o)
				o.Grace = test.grace
			})
			p.ready(t)
			p.interrupts <- os.Interrupt
			if test.twice {
				p.until(t, "the worker was asked to stop", func() bool {
					return slices.Contains(readJournal(t, p.options.DataDir), "ignore worker")
				})
				p.interrupts <- os.Interrupt
			}
			if err := p.end(t); err != nil {
				t.Errorf("%s: %v", test.reason, err)
			}
			if !strings.Contains(p.output.String(), "was killed") {
				t.Errorf("%s: the kill is not told:\n%s", test.reason, p.output)
			}
			noneLeft(t, p)
		})
	}
}

// TestRunOnRealTemporal proves that the real server takes every argument it is
// given, is found ready, and comes back on its file after a kill.
func TestRunOnRealTemporal(t *testing.T) {
	t.Parallel()
	p := run(t, func(o *dev.Options) {
		dir := o.Search.Dirs[0]
		if err := os.Remove(filepath.Join(dir, "temporal")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(parts.Temporal(t), filepath.Join(dir, "temporal")); err != nil {
			t.Fatal(err)
		}
		environ(realTemporal + "=yes")(o)
	})
	endpoints := p.ready(t)
	c, err := client.Dial(client.Options{HostPort: endpoints.TemporalAddress})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	options := client.StartWorkflowOptions{
		ID: "kept", TaskQueue: "nobody",
		// The search attributes of Nestor are registered.
		SearchAttributes: map[string]any{"NestorTeam": "alpha", "NestorStatus": "running"}, //nolint:staticcheck // the typed form needs no registration to be checked
	}
	if _, err := c.ExecuteWorkflow(t.Context(), options, "Anything"); err != nil {
		t.Fatal(err)
	}

	killTemporal(t, p)
	p.until(t, "the workflow after a restart", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.DescribeWorkflowExecution(ctx, "kept", "")
		return err == nil
	})
	p.interrupts <- os.Interrupt
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

// killTemporal kills the real server, which is found by its data file.
func killTemporal(t *testing.T, p *platform) {
	t.Helper()
	pid := 0
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(entry)
		if err == nil && strings.Contains(string(content), filepath.Join(p.options.DataDir, "temporal.db")) {
			pid = atoi(t, filepath.Base(filepath.Dir(entry)))
		}
	}
	if pid == 0 {
		t.Fatal("the server was not found")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.until(t, "the server runs again", func() bool { return strings.Contains(p.output.String(), "temporal runs again") })
}

// noneLeft checks that no played program of the platform still runs.
func noneLeft(t *testing.T, p *platform) {
	t.Helper()
	if readJournal(t, p.options.DataDir) == nil {
		return
	}
	for name, all := range pids(t, p.options.DataDir) {
		for _, pid := range all {
			if running(pid) {
				t.Errorf("%s (pid %d) still runs", name, pid)
			}
		}
	}
}
