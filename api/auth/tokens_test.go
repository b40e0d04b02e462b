// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/auth"
)

const secret = "a-secret-of-enough-letters"

func TestParse(t *testing.T) {
	t.Parallel()
	tokens, err := auth.Parse([]byte(`
- {token: ` + secret + `, principal: "user:ada", teams: [alpha], roles: [team]}
- {token: ` + secret + `-2, principal: "token:ci", teams: ["*"], roles: [platform]}
`))
	if err != nil {
		t.Fatal(err)
	}
	ada, ok := tokens.Authenticate(secret)
	want := auth.Principal{Name: "user:ada", Teams: []string{"alpha"}, Roles: []auth.Role{auth.RoleTeam}}
	if diff := cmp.Diff(want, ada); !ok || diff != "" {
		t.Errorf("ok %t, principal (-want +got):\n%s", ok, diff)
	}
	if !ada.InTeam("alpha") || ada.InTeam("beta") || ada.Has(auth.RolePlatform) {
		t.Error("ada has the wrong rights")
	}
	ci, _ := tokens.Authenticate(secret + "-2")
	if !ci.InTeam("beta") || !ci.Has(auth.RolePlatform) {
		t.Error("ci has the wrong rights")
	}
	if _, only := ci.OnlyTeam(); only {
		t.Error("every team is not the only one")
	}
	for _, wrong := range []string{"", secret[:len(secret)-1], secret + "x", strings.ToUpper(secret)} {
		if _, ok := tokens.Authenticate(wrong); ok {
			t.Errorf("%q is let in", wrong)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ reason, yaml, message string }{
		"empty":         {"it would let nobody in", "", "no token"},
		"no list":       {"another shape", "token: " + secret, "tokens file"},
		"malformed":     {"cannot be read", "- {token: " + secret, "tokens file"},
		"unknown field": {"a misspelt field must not be ignored", "- {token: " + secret + ", principal: p, team: [a]}", "team"},
		"short token":   {"can be guessed", "- {token: " + secret[:10] + ", principal: p}", "entry 1: token: shorter"},
		"no principal":  {"every write has one", "- {token: " + secret + "}", "entry 1: principal"},
		"bad team":      {"teams are DNS labels", "- {token: " + secret + ", principal: p, teams: [A/b]}", "entry 1: teams"},
		"bad role":      {"only what is known", "- {token: " + secret + ", principal: p, roles: [admin]}", "entry 1: roles"},
		"twice":         {"whose is it", "- {token: " + secret + ", principal: p}\n- {token: " + secret + ", principal: q}", "entry 2: the same token as entry 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.Parse([]byte(test.yaml))
			if err == nil || !strings.Contains(err.Error(), test.message) {
				t.Fatalf("%s: error %v, want one about %q", test.reason, err, test.message)
			}
			if strings.Contains(err.Error(), secret[:10]) {
				t.Errorf("the error tells a token: %v", err)
			}
		})
	}
}

func TestFromIsNobodyByDefault(t *testing.T) {
	t.Parallel()
	if p := auth.From(t.Context()); p.Name != "" || p.InTeam("alpha") || p.Has(auth.RolePlatform) {
		t.Errorf("principal %+v of a request that was not authenticated", p)
	}
}
