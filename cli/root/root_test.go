// SPDX-License-Identifier: Apache-2.0

package root_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/root"
)

// TestEveryCommandExplainsItself holds all commands to the same help.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	c := clitest.NewCommand(t, nil, t.TempDir(), false, "")
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		name := cmd.CommandPath()
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s: Short, Long or Example is missing", name)
		}
		if strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 60 {
			t.Errorf("%s: Short is no short title: %q", name, cmd.Short)
		}
		if cmd.HasParent() && !cmd.Parent().HasParent() && cmd.GroupID == "" {
			t.Errorf("%s: it is in no group", name)
		}
		for _, text := range []string{cmd.Long, cmd.Example} {
			for line := range strings.SplitSeq(text, "\n") {
				if len([]rune(line)) > 80 {
					t.Errorf("%s: a line of more than 80 columns: %s", name, line)
				}
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root.New(c.Factory))
}

func TestHelp(t *testing.T) {
	t.Parallel()
	c := clitest.NewCommand(t, nil, t.TempDir(), false, "")
	if code := root.Run(t.Context(), c.Factory, []string{"--help"}); code != cli.CodeOK {
		t.Fatalf("exit %d: %s", code, c.Err)
	}
	clitest.Golden(t, "help.golden", c.Out.String())
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	player, err := clitest.NewPlayer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join("..", "..", "cmd", "nestor", "testdata", "api")
	tests := map[string]struct {
		reason string
		plan   string // another answer to GET plans/P1
		args   []string
		want   int
	}{
		"changes":    {"a plan with changes is 2", "", []string{"plan"}, cli.CodeChanges},
		"no changes": {"a plan without changes is 0", "ready", []string{"plan"}, cli.CodeOK},
		"failed":     {"a plan that failed is 1", "failed", []string{"plan"}, cli.CodeError},
		"json":       {"the code does not depend on the format", "", []string{"plan", "-o", "json"}, cli.CodeChanges},
		"usage":      {"a wrong flag is 1", "", []string{"plan", "--nonsense"}, cli.CodeError},
		"timeout":    {"the end of --timeout is 1", "running", []string{"plan", "--timeout", "100ms"}, cli.CodeError},
		"help":       {"help is 0", "", []string{"plan", "--help"}, cli.CodeOK},
		"no command": {"no command is a question for help", "", []string{}, cli.CodeOK},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, own := t.TempDir(), t.TempDir()
			write(t, filepath.Join(dir, "nestor.yaml"), "application: shop\nteam: alpha\n")
			write(t, filepath.Join(dir, "main.go"), "//nestor:web-app size=small\npackage main\n")
			if tt.plan != "" {
				write(t, filepath.Join(own, "GET/api/v1/plans/P1.json"), `{"id":"P1","team":"alpha","application":"shop","environment":"staging","kind":"apply",
					"basis":0,"principal":"ada","status":"`+tt.plan+`","createdAt":"2026-01-02T15:00:00Z","summary":{"create":0,"update":0,"replace":0,"delete":0}}`)
			}
			server := player.Start(own, shared)
			defer server.Close()
			c := clitest.NewCommand(t, server, dir, false, "")
			if code := root.Run(t.Context(), c.Factory, []string{"generate", "--offline"}); code != cli.CodeOK {
				t.Fatal(c.Err)
			}
			if got := root.Run(t.Context(), c.Factory, tt.args); got != tt.want {
				t.Errorf("%s: exit %d, want %d: %s", tt.reason, got, tt.want, c.Err)
			}
			for _, violation := range server.Violations() {
				t.Error(violation)
			}
		})
	}
}

// An interrupt before anything was started is 130, whatever cause it comes
// with.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupt signal received"))
	c := clitest.NewCommand(t, nil, t.TempDir(), false, "")
	if code := root.Run(ctx, c.Factory, []string{"environment", "list"}); code != cli.CodeInterrupted {
		t.Errorf("exit %d, want %d", code, cli.CodeInterrupted)
	}
	if got, want := c.Err.String(), "Error: interrupted\n"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// A result that cannot be written is no success.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	c := clitest.NewCommand(t, nil, t.TempDir(), false, "")
	c.IO.SetOut(full{})
	if code := root.Run(t.Context(), c.Factory, []string{"version", "--client"}); code != cli.CodeError {
		t.Errorf("exit %d, want %d", code, cli.CodeError)
	}
	if !strings.Contains(c.Err.String(), "write the output") {
		t.Errorf("it says %q", c.Err)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
