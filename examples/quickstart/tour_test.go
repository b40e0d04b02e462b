// SPDX-License-Identifier: Apache-2.0

// Package quickstart_test runs the tour of the README as it is written.
package quickstart_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/HatiCode/nestor/internal/parts"
)

const (
	// site is the directory that the example names as its clusters' place.
	site = "/tmp/nestor-quickstart"
	// readyWithin bounds the start of a platform on a busy machine.
	readyWithin = 2 * time.Minute
)

// TestTour starts a platform as the README says (on free ports and in a
// directory of its own) and runs every block of commands that follows, in one
// shell that stops at the first failure.
func TestTour(t *testing.T) {
	t.Parallel()
	root, work := parts.Root(t), t.TempDir()
	if err := os.CopyFS(filepath.Join(work, "examples", "quickstart"), os.DirFS(filepath.Join(root, "examples", "quickstart"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(parts.Bin(t), filepath.Join(work, "bin")); err != nil {
		t.Fatal(err)
	}
	environments, err := filepath.Glob(filepath.Join(work, "examples", "quickstart", "environments", "*.yaml"))
	if err != nil || len(environments) < 2 {
		t.Fatalf("environments: %v, %v", environments, err)
	}
	for _, file := range environments {
		rewrite(t, file, filepath.Join(work, "site"))
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(blocks(string(readme)), site, filepath.Join(work, "site"))
	env := environ(work)
	startPlatform(t, work, env)

	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Env = work, env
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("the tour ended with %v:\n%s", err, output)
	}
	for _, want := range []string{
		"gcp-cloudsql-mysql", // the catalog was searched, production got it
		".us-west-2.rds.example:3306",
		`"environment":"staging"`, // a replica's file
		"(sensitive)",
	} {
		if !bytes.Contains(output, []byte(want)) {
			t.Errorf("the tour shows no %q:\n%s", want, output)
		}
	}
	left, err := filepath.Glob(filepath.Join(work, "site", "*", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("destroy left %v", left)
	}
}

// blocks are the commands of the README's ```bash blocks, each line shown before
// it runs.
func blocks(readme string) string {
	var script strings.Builder
	inside := false
	for line := range strings.Lines(readme) {
		switch strings.TrimSpace(line) {
		case "```bash":
			inside = true
		case "```":
			inside = false
		default:
			if inside {
				script.WriteString("echo '$' " + quote(strings.TrimSpace(line)) + "\n" + line)
			}
		}
	}
	return script.String()
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func rewrite(t *testing.T, file, to string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.ReplaceAll(content, []byte(site), []byte(to))
	if bytes.Equal(changed, content) {
		t.Fatalf("%s does not name %s", file, site)
	}
	if err := os.WriteFile(file, changed, 0o600); err != nil {
		t.Fatal(err)
	}
}

// environ is this process's environment without a platform of its user's.
func environ(work string) []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "NESTOR_") {
			env = append(env, entry)
		}
	}
	return append(env, "NESTOR_CONFIG="+filepath.Join(work, "config.yaml"))
}

// startPlatform runs `nestor dev` until the test ends.
func startPlatform(t *testing.T, work string, env []string) {
	t.Helper()
	data := filepath.Join(work, "data")
	output, err := os.Create(filepath.Join(work, "dev.log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), parts.Program(t, "nestor"), "dev",
		"--data-dir", data, "--api-port", "0", "--temporal-port", "0", "--ui-port", "0")
	command.Dir, command.Env, command.Stdout, command.Stderr = work, env, output, output
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = time.Minute
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		<-ended // the end of the test's context has asked it to stop
		if err := output.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			said, err := os.ReadFile(output.Name())
			t.Logf("the platform said (%v):\n%s", err, said)
		}
	})
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(data, "endpoints.json")); err == nil {
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the platform ended with %v before it was ready", err)
		case <-deadline.C:
			t.Fatalf("the platform is not ready after %s", readyWithin)
		case <-tick.C:
		}
	}
}
