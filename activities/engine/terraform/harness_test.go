// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/enginetest"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/activities/engine/terraform"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestMain makes this binary a supervisor, a provider and a worker to be killed
// as well.
func TestMain(m *testing.M) {
	if serveProvider() || supervise.Main() {
		return
	}
	os.Exit(enginetest.Main(m, harness("tofu"), harness("terraform")))
}

// TestConformance runs the suite with each program that is there.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name := range programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enginetest.Run(t, harness(name))
		})
	}
}

// programs are the real ones; at least one must be there.
func programs(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range []string{"tofu", "terraform"} {
		if path := lookup(name); path != "" {
			found[name] = path
		}
	}
	if len(found) == 0 {
		t.Fatal("neither tofu nor terraform is there; run \"make tools\"")
	}
	return found
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

func lookup(name string) string {
	for _, dir := range append([]string{bin()}, filepath.SplitList(os.Getenv("PATH"))...) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	return ""
}

const providerVersion = "1.4.0"

// mirror makes a provider mirror of the local provider in bin and the provider
// of this test binary.
func mirror(dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	local := filepath.Join(bin(), "terraform-provider-local")
	if _, err := os.Stat(local); err != nil {
		return "", fmt.Errorf("the local provider is missing; run \"make tools\": %w", err)
	}
	root := filepath.Join(dir, "mirror")
	for name, program := range map[string]string{"local": local, "world": self} {
		platform := filepath.Join(root, "providers.test", "nestor", name, providerVersion, runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(platform, 0o700); err != nil {
			return "", err
		}
		err := os.Symlink(program, filepath.Join(platform, "terraform-provider-"+name+"_v"+providerVersion))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
	}
	return root, nil
}

func open(dir, program string) (engine.Engine, error) {
	mirrorDir, err := mirror(dir)
	if err != nil {
		return nil, err
	}
	return terraform.New(terraform.Config{
		Program: program, MirrorDir: mirrorDir, DataDir: filepath.Join(dir, "data"), Grace: 20 * time.Second,
	})
}

// prepare writes the thing's bundle.
func prepare(dir string, req *engine.Request) error {
	req.Bundle = filepath.Join(dir, "bundle")
	req.Implementation = catalog.Implementation{Module: "modules/thing", Inputs: map[string]string{"text": "note"}}
	module := filepath.Join(req.Bundle, "modules", "thing")
	if err := os.MkdirAll(module, 0o700); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join("testdata", "thing.tf"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(module, "main.tf"), text, 0o600)
}

func stateFile(dir string, req engine.Request) string {
	return filepath.Join(dir, "data", "state", filepath.FromSlash(req.Address)+".tfstate")
}

func harness(name string) enginetest.Harness {
	return enginetest.Harness{
		Name:    name,
		Open:    func(dir string) (engine.Engine, error) { return open(dir, lookup(name)) },
		Prepare: prepare,
		Corrupt: func(t *testing.T, dir string, req engine.Request) {
			t.Helper()
			// What a disk that ran full leaves: half a state.
			text, err := os.ReadFile(stateFile(dir, req))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(stateFile(dir, req), text[:len(text)/2], 0o600); err != nil {
				t.Fatal(err)
			}
		},
		Drift: func(t *testing.T, dir string, _ engine.Request) {
			t.Helper()
			path := filepath.Join(dir, "world", "thing-alpha")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text = bytes.Replace(text, []byte(`"text":"plain"`), []byte(`"text":""`), 1)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		LockForeign: func(t *testing.T, _ string, req *engine.Request) func() {
			t.Helper()
			server := serveState(t)
			req.Backend = server.backend()
			server.lock(map[string]any{
				"ID": "11111111-2222-3333-4444-555555555555", "Operation": "OperationTypeApply",
				"Who": "grace@another-host", "Version": "1.6.0", "Created": time.Now().UTC(), "Path": "",
			})
			return server.unlock
		},
		LockDead: func(t *testing.T, dir string, req *engine.Request) {
			t.Helper()
			lockDead(t, name, dir, req)
		},
		Program: func(workspace string) (int, error) {
			holder, err := supervise.ReadHolder(workspace)
			return holder.Engine, err
		},
		Supervisor: func(workspace string) (int, error) {
			holder, err := supervise.ReadHolder(workspace)
			return holder.PID, err
		},
		Identity: func(_ string, req *engine.Request) error {
			req.Implementation.Identity = map[string]string{"world_thing.thing": "${inputs.world}/${inputs.name}"}
			return nil
		},
		Adopt: func(t *testing.T, dir string, req engine.Request) engine.Source {
			t.Helper()
			return engine.Source{State: makeOutside(t, name, dir, req)}
		},
		Missing: func(dir string) (engine.Engine, error) { return open(dir, filepath.Join(dir, "nowhere", name)) },
		TooOld: func(dir string) (engine.Engine, error) {
			old := filepath.Join(dir, name)
			script := "#!/bin/sh\necho 'Terraform v1.4.7'\n"
			if err := os.WriteFile(old, []byte(script), 0o700); err != nil {
				return nil, err
			}
			return open(dir, old)
		},
		Found: "terraform 1.4.7",
	}
}

// makeOutside makes the thing with the bare program and returns its state.
func makeOutside(t *testing.T, program, dir string, req engine.Request) []byte {
	t.Helper()
	outside := t.TempDir()
	text, err := os.ReadFile(filepath.Join(req.Bundle, "modules", "thing", "main.tf"))
	if err != nil {
		t.Fatal(err)
	}
	inputs := maps.Clone(req.Inputs)
	inputs["note"] = inputs["text"]
	delete(inputs, "text")
	values, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"main.tf": text, "terraform.tfvars.json": values} {
		if err := os.WriteFile(filepath.Join(outside, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bare(t, program, dir, outside, "init", "-input=false")
	bare(t, program, dir, outside, "apply", "-input=false", "-auto-approve")
	state, err := os.ReadFile(filepath.Join(outside, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// bare runs the program without Nestor.
func bare(t *testing.T, program, dir, in string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), lookup(program), args...)
	cmd.Dir = in
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "data", "terraform", "cli.tfrc"), "CHECKPOINT_DISABLE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}

// lockDead kills a program in an update that is under way. OpenTofu does it in a
// backend whose locks outlive their holders; of such a lock Terraform does not
// say who holds it (see TestLockWithoutHolder), so it uses the local backend.
func lockDead(t *testing.T, program, dir string, req *engine.Request) {
	t.Helper()
	left := func() bool {
		return exists(filepath.Join(filepath.Dir(stateFile(dir, *req)), "."+filepath.Base(stateFile(dir, *req))+".lock.info"))
	}
	if program == "tofu" {
		text, err := os.ReadFile(stateFile(dir, *req))
		if err != nil {
			t.Fatal(err)
		}
		server := serveState(t)
		server.put(text)
		req.Backend = server.backend()
		left = server.locked
	}
	killInUpdate(t, program, dir, *req)
	if !left() {
		t.Fatal("the killed program left no lock")
	}
}

// backend is the server as a state backend.
func (s *stateServer) backend() orchestrator.Backend {
	return orchestrator.Backend{Type: "http", Config: map[string]any{
		"address": s.url + "/{address}", "lock_address": s.url + "/{address}", "unlock_address": s.url + "/{address}",
		"retry_max": 0,
	}}
}

func decode(text []byte) map[string]any {
	var v map[string]any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	return v
}

// lines of a text that hold a word.
func lines(text, word string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, word) {
			out = append(out, line)
		}
	}
	return out
}
