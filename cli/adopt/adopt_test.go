// SPDX-License-Identifier: Apache-2.0

package adopt_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/adopt"
	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/root"
	"github.com/HatiCode/nestor/orchestrator"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	type want struct {
		Node, Environment, Application, From, Release string
		Moves                                         []string
		AllowChanges, Detach                          bool
		Error                                         string
	}
	for name, tt := range map[string]struct {
		reason string
		args   []string
		want   want
	}{
		"state": {
			"an address may hold a comma, so that moves are not split at one",
			[]string{"web.db", "-e", "staging", "--from=-", "--move", `a["x,y"]=b`, "--move=c=d", "--allow-changes"},
			want{Node: "web.db", Environment: "staging", From: "-", Moves: []string{`a["x,y"]=b`, "c=d"}, AllowChanges: true},
		},
		"release": {
			"every flag arrives",
			[]string{"--release=shop/db", "--app=shop", "--detach", "web.db"},
			want{Node: "web.db", Application: "shop", Release: "shop/db", Detach: true},
		},
		"no node":   {"which one is meant", []string{"--from=x"}, want{Error: "accepts 1 arg(s), received 0"}},
		"two nodes": {"one at a time", []string{"a", "b"}, want{Error: "accepts 1 arg(s), received 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clitest.NewCommand(t, nil, t.TempDir(), false, "")
			var got want
			cmd := adopt.NewCmdAdopt(c.Factory, func(_ context.Context, o *adopt.Options) error {
				got = want{
					Node: o.Node, Environment: o.Target.Environment, Application: o.Target.Application, From: o.From,
					Release: o.Release, Moves: o.Moves, AllowChanges: o.AllowChanges, Detach: o.Detach,
				}
				return nil
			})
			cmd.SetArgs(tt.args)
			cmd.SetOut(c.Out)
			cmd.SetErr(c.Err)
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				got.Error = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

// A state is bounded, and what is in it is in no message.
func TestStates(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for name, tt := range map[string]struct {
		reason  string
		content string
		want    string
	}{
		"too large": {"it is kept in memory", `{"a":"` + strings.Repeat("x", orchestrator.MaxAdoptedState) + `"}`, "state.json has more than the 8 MiB that can be adopted"},
		"empty":     {"a program that failed has written nothing", " \n", "state.json is empty"},
		"broken":    {"a part of a file", `{"password":"` + secret, "state.json holds no JSON object"},
		"a list":    {"no state is one", `["` + secret + `"]`, "state.json holds no JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			c := clitest.NewCommand(t, nil, dir, false, "")
			code := root.Run(t.Context(), c.Factory, []string{"adopt", "web.db", "--env=staging", "--from=state.json"})
			if said := c.Err.String(); code != cli.CodeError || !strings.Contains(said, tt.want) || strings.Contains(said, secret) {
				t.Errorf("%s: exit %d, said %q, want %q", tt.reason, code, said, tt.want)
			}
		})
	}
}
