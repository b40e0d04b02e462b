// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/activities/engine/terraform"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
)

const patience = 60 * time.Second

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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// killInUpdate kills the program while it updates the thing, which leaves nothing
// in doubt but the lock.
func killInUpdate(t *testing.T, program, dir string, req engine.Request) {
	t.Helper()
	world := filepath.Join(dir, "world")
	hold := filepath.Join(world, "hold-set")
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := open(dir, lookup(program))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		p, err := e.Preview(t.Context(), req)
		if err == nil {
			_, err = e.Apply(t.Context(), req, p)
		}
		done <- err
	}()
	until(t, "the update", func() bool {
		text, err := os.ReadFile(filepath.Join(world, "ledger"))
		return err == nil && strings.Contains(string(text), "set alpha 5\n")
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
}

// buffer is a log.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// small is a node with a module of its own text.
type small struct {
	engine engine.Engine
	req    engine.Request
	log    *buffer
	dir    string
}

func newSmall(t *testing.T, program, module string, inputs map[string]any, outputs ...engine.OutputSpec) *small {
	t.Helper()
	dir := t.TempDir()
	e, err := open(dir, lookup(program))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bundle", "m")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "main.tf"), []byte(module), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &small{engine: e, log: &buffer{}, dir: dir}
	s.req = engine.Request{
		Address: "t/app/env/node", Node: "node", Workspace: filepath.Join(dir, "work"), Bundle: filepath.Join(dir, "bundle"),
		Implementation: catalog.Implementation{Module: "m"}, Inputs: maps.Clone(inputs), Outputs: outputs, Log: s.log,
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", s.log)
		}
	})
	return s
}

func (s *small) apply(t *testing.T) (engine.Preview, engine.Result, error) {
	t.Helper()
	p, err := s.engine.Preview(t.Context(), s.req)
	if err != nil {
		return p, engine.Result{}, err
	}
	r, err := s.engine.Apply(t.Context(), s.req, p)
	return p, r, err
}

// each runs a test with each program that is there.
func each(t *testing.T, run func(t *testing.T, program string)) {
	t.Helper()
	for name := range programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, name)
		})
	}
}

func TestOutputOnlyChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newSmall(t, program, `
variable "greeting" { type = string }
resource "terraform_data" "one" {}
output "greeting" { value = var.greeting }
`, map[string]any{"greeting": "hello"}, engine.OutputSpec{Name: "greeting", Type: "string"})
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		s.req.Inputs["greeting"] = "good bye"
		p, r, err := s.apply(t)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Empty() {
			t.Errorf("an output is shown as a resource: %+v", p.Changes)
		}
		seen, err := s.engine.Observe(t.Context(), s.req)
		if err != nil || r.Outputs["greeting"] != "good bye" || seen.Outputs["greeting"] != "good bye" {
			t.Errorf("applied %v, observed %v, %v", r.Outputs, seen.Outputs, err)
		}
	})
}

func TestClasses(t *testing.T) {
	t.Parallel()
	const plain = "resource \"terraform_data\" \"one\" {}\n"
	cases := map[string]struct {
		reason string
		module string
		change func(*engine.Request)
		want   engine.Class
		says   string
	}{
		"syntax": {
			reason: "a module that cannot be parsed is the definition's fault",
			module: plain + "resource {", want: engine.Invalid, says: "m/main.tf:2",
		},
		"provider's host is down": {
			reason: "what the network keeps away may come with another try",
			module: "terraform {\n required_providers {\n  p = { source = \"localhost:9/nestor/none\" }\n }\n}\nresource \"p_x\" \"y\" {}\n",
			want:   engine.Transient, says: "localhost:9/nestor/none",
		},
		"identity of a secret": {
			reason: "an ID is written to logs and files",
			module: plain + `variable "key" { type = string }`, want: engine.Invalid, says: "sensitive",
			change: func(r *engine.Request) {
				r.Inputs, r.Sensitive = map[string]any{"key": "x"}, map[string]bool{"key": true}
				r.Implementation.Identity = map[string]string{"terraform_data.one": "id-${inputs.key}"}
			},
		},
		"identity of an output": {
			reason: "what is looked up is known before it is made",
			module: plain, want: engine.Invalid, says: "is no input",
			change: func(r *engine.Request) {
				r.Implementation.Identity = map[string]string{"terraform_data.one": "${outputs.id}"}
			},
		},
		"unknown argument": {
			reason: "an input that the module does not take is named in the definition's terms",
			module: plain, want: engine.Invalid, says: `does not take: "extra"`,
			change: func(r *engine.Request) { r.Inputs = map[string]any{"extra": "x"} },
		},
		"provisioner": {
			reason: "what its command said comes before a text that may be cut off",
			module: "resource \"terraform_data\" \"one\" {\n provisioner \"local-exec\" {\n command = \"echo no room for it; exit 3\"\n }\n}\n",
			want:   engine.Rejected, says: "provisioner error: no room for it (exit status 3)",
		},
		"silent provisioner": {
			reason: "nor is there a label without a text behind it",
			module: "resource \"terraform_data\" \"one\" {\n provisioner \"local-exec\" {\n command = \"exit 4\"\n }\n}\n",
			want:   engine.Rejected, says: "provisioner error: the command failed and said nothing (exit status 4)",
		},
		"missing argument": {
			reason: "a variable without a value is named",
			module: plain + `variable "needed" { type = string }`, want: engine.Invalid, says: `needs "needed"`,
		},
		"wrong type": {
			reason: "a value that does not fit the module's type is invalid",
			module: plain + `variable "n" { type = number }`, want: engine.Invalid, says: "number",
			change: func(r *engine.Request) { r.Inputs = map[string]any{"n": "many"} },
		},
		"missing provider": {
			reason: "a provider that is nowhere to be had is unavailable",
			module: "terraform {\n required_providers {\n  p = { source = \"providers.test/nestor/none\" }\n }\n}\nresource \"p_x\" \"y\" {}\n",
			want:   engine.Unavailable, says: "providers.test/nestor/none",
		},
		"undeclared sensitive output": {
			reason: "a secret must not become an ordinary output",
			module: plain + "output \"o\" {\n value = \"x\"\n sensitive = true\n}\n", want: engine.Invalid, says: "sensitive",
			change: func(r *engine.Request) { r.Outputs = []engine.OutputSpec{{Name: "o", Type: "string"}} },
		},
		"reserved name": {
			reason: "an input cannot become the module block's own argument",
			module: plain, want: engine.Invalid, says: `"source"`,
			change: func(r *engine.Request) { r.Inputs = map[string]any{"source": "./elsewhere"} },
		},
		"name with a template": {
			reason: "names never reach the configuration unchecked",
			module: plain, want: engine.Invalid, says: "cannot be a module's variable",
			change: func(r *engine.Request) { r.Inputs = map[string]any{"a${file(\"x\")}": "x"} },
		},
		"address outside": {
			reason: "an address cannot leave the state directory",
			module: plain, want: engine.Invalid, says: "plain names",
			change: func(r *engine.Request) { r.Address = "t/../../x" },
		},
		"module outside": {
			reason: "a module is inside its bundle",
			module: plain, want: engine.Invalid, says: "inside its bundle",
			change: func(r *engine.Request) { r.Implementation.Module = "../m" },
		},
		"prohibited variable": {
			reason: "credentials cannot smuggle inputs or arguments in",
			module: plain, want: engine.Invalid, says: "TF_CLI_ARGS_apply",
			change: func(r *engine.Request) { r.Env = map[string]string{"TF_CLI_ARGS_apply": "-target=x"} },
		},
		"backend template": {
			reason: "the two programs read a template in a backend differently",
			module: plain, want: engine.Invalid, says: "template",
			change: func(r *engine.Request) { r.Backend.Config = map[string]any{"path": "${path.root}"} },
		},
		"local backend setting": {
			reason: "an unknown setting of the local backend is named",
			module: plain, want: engine.Invalid, says: "workspace_dir",
			change: func(r *engine.Request) { r.Backend.Config = map[string]any{"workspace_dir": "x"} },
		},
	}
	each(t, func(t *testing.T, program string) {
		t.Helper()
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSmall(t, program, c.module, nil)
				if c.change != nil {
					c.change(&s.req)
				}
				_, _, err := s.apply(t)
				e, ok := engine.AsError(err)
				if !ok || e.Class != c.want || !strings.Contains(e.Message, c.says) {
					t.Errorf("%s: got %v; want class %s and %q", c.reason, err, c.want, c.says)
				}
			})
		}
	})
}

func TestStateServerInTrouble(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newSmall(t, program, "resource \"terraform_data\" \"one\" {}\n", nil)
		server := serveState(t)
		s.req.Backend = server.backend()
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		seen, err := s.engine.Observe(t.Context(), s.req)
		if err != nil || !seen.Exists || seen.Lineage == "" {
			t.Fatalf("observed %+v, %v", seen, err)
		}
		server.fail(503)
		_, err = s.engine.Observe(t.Context(), s.req)
		if got := engine.ClassOf(err); got != engine.Transient {
			t.Errorf("class with a backend that answers 503 is %q (%v); want transient", got, err)
		}
		server.fail(0)
		server.put([]byte(`{"version": 4, "serial"`))
		for verb, err := range map[string]error{
			"observe": second(s.engine.Observe(t.Context(), s.req)),
			"preview": second(s.engine.Preview(t.Context(), s.req)),
			"destroy": s.engine.Destroy(t.Context(), s.req),
		} {
			if got := engine.ClassOf(err); got != engine.Unreadable {
				t.Errorf("%s: class with half a state is %q (%v); want unreadable", verb, got, err)
			}
		}
	})
}

// TestStateServerRefuses meets a backend whose credentials have expired, and one
// that is not there.
func TestStateServerRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		status int // 0 means that nobody listens
		want   engine.Class
		says   string
	}{
		"no credentials":      {"nothing is known of a state that may not be read", http.StatusUnauthorized, engine.Unreadable, "credentials"},
		"expired credentials": {"nothing is known of a state that may not be read", http.StatusForbidden, engine.Unreadable, "credentials"},
		"out of order":        {"the server may come to itself", http.StatusInternalServerError, engine.Transient, "giving up"},
		"unreachable":         {"the network may come back", 0, engine.Transient, "connection refused"},
	}
	each(t, func(t *testing.T, program string) {
		t.Helper()
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSmall(t, program, "resource \"terraform_data\" \"one\" {}\n", nil)
				server := serveState(t)
				s.req.Backend = server.backend()
				if _, _, err := s.apply(t); err != nil {
					t.Fatal(err)
				}
				if c.status == 0 {
					server.close()
				} else {
					server.fail(c.status)
				}
				fresh := s.req
				fresh.Workspace = filepath.Join(s.dir, "elsewhere") // to be initialised
				for verb, err := range map[string]error{
					"observe":    second(s.engine.Observe(t.Context(), s.req)),
					"preview":    second(s.engine.Preview(t.Context(), s.req)),
					"initialise": second(s.engine.Observe(t.Context(), fresh)),
					"destroy":    s.engine.Destroy(t.Context(), s.req),
				} {
					if got := engine.ClassOf(err); got != c.want || !strings.Contains(err.Error(), c.says) {
						t.Errorf("%s: %s: got %v; want class %s and %q", c.reason, verb, err, c.want, c.says)
					}
				}
			})
		}
	})
}

func TestClassify(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		phase, text string
		want        engine.Class
	}{
		"bucket's token expired":   {"init", "Error: Failed to get existing workspaces: operation error S3: ListObjectsV2, api error ExpiredToken: the token has expired", engine.Unreadable},
		"provider's token expired": {"plan", "reading bucket: api error ExpiredToken: the token has expired", engine.Rejected},
		"bucket's host is unknown": {"init", "Unable to list objects: dial tcp: lookup s3.test: no such host", engine.Transient},
		"registry is unknown":      {"init", "Failed to resolve provider packages: could not connect to x.test: no such host", engine.Unavailable},
		"registry is throttling":   {"init", "Failed to install provider: 429 Too Many Requests", engine.Transient},
		"provider is nowhere":      {"init", "Failed to query available provider packages: provider registry x.test does not have a provider named x", engine.Unavailable},
		"quota":                    {"apply", "creating bucket: quota exceeded", engine.Rejected},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := terraform.Classify(c.phase, c.text); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// TestEmptyStateFile tells a state file that was emptied from one that a first
// apply made and never wrote.
func TestEmptyStateFile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newSmall(t, program, "resource \"terraform_data\" \"one\" {}\n", nil)
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(stateFile(s.dir, s.req), 0); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.apply(t)
		if got := engine.ClassOf(err); got != engine.Unreadable {
			t.Errorf("class is %q (%v); want unreadable", got, err)
		}
	})
}

// TestNothingSecretStays looks for a secret in every file that a finished apply
// leaves in the workspace.
func TestNothingSecretStays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		const secret = "tell-nobody-4711"
		s := newSmall(t, program, `
variable "key" {
  type      = string
  sensitive = true
}
resource "terraform_data" "one" {
  input = var.key
  provisioner "local-exec" {
    command     = "env"
    environment = { KEY = nonsensitive(var.key) }
  }
}
`, map[string]any{"key": secret})
		s.req.Sensitive = map[string]bool{"key": true}
		s.req.Env = map[string]string{"CLOUD_TOKEN": "token-of-the-cloud"}
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		log := s.log.String()
		if strings.Contains(log, secret) || strings.Contains(log, "token-of-the-cloud") || !strings.Contains(log, "KEY=(sensitive)") {
			t.Errorf("the log holds the secret or not the masked line: %q", lines(log, "KEY"))
		}
		for _, unwanted := range []string{"NESTOR_SUPERVISE", "TF_CLI_CONFIG_FILE=" + os.Getenv("TF_CLI_CONFIG_FILE") + "\n"} {
			if strings.Contains(log, unwanted) && unwanted != "TF_CLI_CONFIG_FILE=\n" {
				t.Errorf("the program saw %s", unwanted)
			}
		}
		err := filepath.WalkDir(s.req.Workspace, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Type()&fs.ModeSymlink != 0 {
				return err
			}
			text, err := os.ReadFile(path)
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds the secret", path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
}

// TestInitialisedOnce counts the runs of init by what they log.
func TestInitialisedOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newSmall(t, program, "variable \"n\" { type = number }\nresource \"terraform_data\" \"one\" { input = var.n }\n",
			map[string]any{"n": 1})
		inits := func() int { return len(lines(s.log.String(), "successfully initialized!")) }
		for i := range 2 {
			s.req.Inputs["n"] = i
			if _, _, err := s.apply(t); err != nil {
				t.Fatal(err)
			}
		}
		if n := inits(); n != 1 {
			t.Errorf("%d runs of init for one definition; want 1", n)
		}
		// Another bundle is another matter.
		path := filepath.Join(s.dir, "bundle", "m", "more.tf")
		if err := os.WriteFile(path, []byte("resource \"terraform_data\" \"two\" {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		if n := inits(); n != 2 {
			t.Errorf("%d runs of init after the bundle changed; want 2", n)
		}
	})
}

// TestLockWithoutHolder names the right lock where the program tells its id
// alone, and leaves it where it is.
func TestLockWithoutHolder(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newSmall(t, program, "resource \"terraform_data\" \"one\" {}\n", nil)
		server := serveState(t)
		s.req.Backend = server.backend()
		server.lock(map[string]any{"ID": "the-lock-in-the-way", "Who": "grace@another-host", "Created": time.Now().UTC()})
		_, _, err := s.apply(t)
		e, ok := engine.AsError(err)
		if !ok || e.Class != engine.Locked || !strings.Contains(e.Message, "force-unlock the-lock-in-the-way") {
			t.Errorf("got %v; want class locked and the way to unlock", err)
		}
		if !server.locked() {
			t.Error("the lock was broken")
		}
	})
}

// TestLockOfTheDead breaks the lock that the attempt before took on another
// host and left there, once that is proven to be dead, and no other.
func TestLockOfTheDead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newSmall(t, program, "resource \"terraform_data\" \"one\" {}\n", nil)
		server := serveState(t)
		s.req.Backend = server.backend()
		now := time.Now().UTC()
		server.lock(map[string]any{"ID": "left-behind", "Who": "grace@another-host", "Created": now})
		for reason, other := range map[string]engine.DeadHolder{
			"another host's": {Host: "a-third-host", From: now.Add(-time.Minute), Until: now.Add(time.Minute)},
			"a later one":    {Host: "another-host", From: now.Add(-time.Minute), Until: now.Add(-time.Second)},
			"an earlier one": {Host: "another-host", From: now.Add(time.Second), Until: now.Add(time.Minute)},
		} {
			s.req.Dead = []engine.DeadHolder{other}
			if _, _, err := s.apply(t); engine.ClassOf(err) != engine.Locked || !server.locked() {
				t.Errorf("%s lock was broken: %v", reason, err)
			}
		}
		s.req.Dead = []engine.DeadHolder{ // an attempt after it died, too
			{Host: "another-host", From: now.Add(-time.Minute), Until: now.Add(time.Minute)},
			{Host: "a-third-host", From: now.Add(time.Minute), Until: now.Add(time.Hour)},
		}
		_, _, err := s.apply(t)
		if program == "terraform" { // it does not tell who has a lock of this backend
			if engine.ClassOf(err) != engine.Locked {
				t.Errorf("a lock of whom nobody knows was broken: %v", err)
			}
			return
		}
		if err != nil || server.locked() {
			t.Errorf("the lock of the dead is in the way: %v", err)
		}
	})
}

// TestLivingLock meets the local backend's lock in the hands of a living
// process of another workspace.
func TestLivingLock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		dir := t.TempDir()
		release := filepath.Join(dir, "hold")
		if err := os.WriteFile(release, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSmall(t, program, `
variable "hold" { type = string }
resource "terraform_data" "one" {
  provisioner "local-exec" {
    command     = "touch \"$HOLD.taken\"; while [ -e \"$HOLD\" ]; do sleep 0.05; done"
    environment = { HOLD = var.hold }
  }
}
`, map[string]any{"hold": release})
		done := make(chan error, 1)
		go func() {
			_, _, err := s.apply(t)
			done <- err
		}()
		until(t, "the lock", func() bool { return exists(release + ".taken") })
		other := *s
		other.req.Workspace = filepath.Join(s.dir, "elsewhere")
		_, _, err := other.apply(t)
		if e, ok := engine.AsError(err); !ok || e.Class != engine.Transient || !strings.Contains(e.Message, "locked by a living process") {
			t.Errorf("got %v; want class transient", err)
		}
		if err := os.Remove(release); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("the holder: %v", err)
		}
	})
}

// TestKilledSupervisor kills the supervisor alone: its program goes on to its
// end, and the attempt waits for that.
func TestKilledSupervisor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		dir := t.TempDir()
		release := filepath.Join(dir, "hold")
		if err := os.WriteFile(release, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSmall(t, program, `
variable "hold" { type = string }
resource "terraform_data" "one" {
  provisioner "local-exec" {
    command     = "touch \"$HOLD.taken\"; while [ -e \"$HOLD\" ]; do sleep 0.05; done"
    environment = { HOLD = var.hold }
  }
}
`, map[string]any{"hold": release})
		var told []*orchestrator.Occupant // while the attempt waits; read when it is over
		s.req.Waiting = func(o *orchestrator.Occupant) { told = append(told, o) }
		done := make(chan error, 1)
		go func() {
			_, _, err := s.apply(t)
			done <- err
		}()
		until(t, "the creation", func() bool { return exists(release + ".taken") })
		holder, err := supervise.ReadHolder(s.req.Workspace)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(holder.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "the attempt to wait", func() bool { return strings.Contains(s.log.String(), "waiting for") })
		if err := os.Remove(release); err != nil {
			t.Fatal(err)
		}
		if err := <-done; engine.ClassOf(err) != engine.Transient {
			t.Fatalf("got %v; want class transient", err)
		}
		s.req.Waiting = nil
		waited := slices.ContainsFunc(told, func(o *orchestrator.Occupant) bool {
			return o != nil && o.PID == holder.Engine && o.Host == holder.Host
		})
		if !waited || told[len(told)-1] != nil {
			t.Errorf("told to wait for %v; want process %d, and then for nothing", told, holder.Engine)
		}
		seen, err := s.engine.Observe(t.Context(), s.req)
		if err != nil || !seen.Exists || len(seen.Uncertain) > 0 {
			t.Errorf("observed %+v, %v; want the begun resource, recorded", seen, err)
		}
		if p, _, err := s.apply(t); err != nil || !p.Empty() {
			t.Errorf("the next attempt: %+v, %v", p.Changes, err)
		}
	})
}
