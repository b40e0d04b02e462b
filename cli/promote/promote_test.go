// SPDX-License-Identifier: Apache-2.0

package promote_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/promote"
)

func TestSpellings(t *testing.T) {
	t.Parallel()
	type want struct{ From, To, Error string }
	way := want{From: "staging", To: "production"}
	const redirected = "the shell took the > of an unquoted -> for a redirection, so the target was not passed on; nothing was promoted"
	tests := map[string]struct {
		reason string
		args   []string
		want   want
	}{
		"arrow":            {"as in the contract", []string{"staging", "→", "production"}, way},
		"names":            {"the arrow may be left out", []string{"staging", "production"}, way},
		"quoted ascii":     {"quoted, with spaces", []string{"staging -> production"}, way},
		"quoted arrow":     {"quoted, with spaces", []string{"staging → production"}, way},
		"quoted tight":     {"quoted, without spaces", []string{"staging->production"}, way},
		"tight arrow":      {"an arrow needs no quotes and no spaces", []string{"staging→production"}, way},
		"half quoted":      {"an arrow sticking to one name", []string{"staging→", "production"}, way},
		"dashes in names":  {"names may have dashes", []string{"pre-prod", "eu-prod-1"}, want{From: "pre-prod", To: "eu-prod-1"}},
		"unquoted":         {"what a shell leaves of ->", []string{"staging", "-"}, want{Error: redirected}},
		"unquoted, tight":  {"what a shell leaves of staging->production", []string{"staging-"}, want{Error: redirected}},
		"unquoted, alone":  {"nothing but a dash", []string{"-"}, want{Error: redirected}},
		"nothing":          {"no environments", []string{}, want{Error: "a promotion needs two environments: where from, and where to"}},
		"one":              {"one environment", []string{"staging"}, want{Error: "a promotion needs two environments: where from, and where to"}},
		"one and an arrow": {"one environment and an arrow", []string{"staging", "→"}, want{Error: "a promotion needs two environments: where from, and where to"}},
		"three":            {"three environments", []string{"dev", "staging", "production"}, want{Error: `a promotion goes from one environment to one other, not "dev staging production"`}},
		"chain":            {"two arrows", []string{"dev→staging→production"}, want{Error: `a promotion goes from one environment to one other, not "dev→staging→production"`}},
		"misplaced arrow":  {"an arrow in front", []string{"→", "staging", "production"}, want{Error: `the arrow stands between the two environments, not around "→ staging production"`}},
		"to itself":        {"from and to are the same", []string{"staging", "staging"}, want{Error: "staging cannot be promoted to itself"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clitest.NewCommand(t, nil, t.TempDir(), false, "")
			var got want
			cmd := promote.NewCmdPromote(c.Factory, func(_ context.Context, o *promote.Options) error {
				got = want{From: o.From, To: o.To}
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
