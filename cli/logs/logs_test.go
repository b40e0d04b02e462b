// SPDX-License-Identifier: Apache-2.0

package logs_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/logs"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	type want struct {
		Deployment, Environment, Node string
		Follow                        bool
		Error                         string
	}
	tests := map[string]struct {
		reason string
		args   []string
		want   want
	}{
		"none":   {"without an id it is the latest deployment", []string{}, want{}},
		"short":  {"-f is short for --follow", []string{"-f", "3", "-e", "staging"}, want{Deployment: "3", Environment: "staging", Follow: true}},
		"node":   {"one resource alone", []string{"--node", "web-app.database"}, want{Node: "web-app.database"}},
		"second": {"one deployment at a time", []string{"1", "2"}, want{Error: "accepts at most 1 arg(s), received 2"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clitest.NewCommand(t, nil, t.TempDir(), false, "")
			var got want
			cmd := logs.NewCmdLogs(c.Factory, func(_ context.Context, o *logs.Options) error {
				got = want{Deployment: o.Deployment, Environment: o.Target.Environment, Node: o.Node, Follow: o.Follow}
				return nil
			})
			cmd.SetArgs(tt.args)
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				got = want{Error: err.Error()}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}
