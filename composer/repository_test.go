// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"strings"
	"testing"

	"github.com/HatiCode/nestor/composer"
)

func TestRepositoryAddress(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		address string
		wrong   string // empty: it is kept as it is
		reason  string
	}{
		"none":             {"", "", "a directory without a repository"},
		"https":            {"https://git.example.com/alpha/shop.git", "", "the usual"},
		"port":             {"https://git.example.com:8443/shop", "", "a colon that is no password"},
		"ssh":              {"ssh://git@git.example.com:22/shop.git", "", "git's usual user says nothing"},
		"short ssh":        {"git@git.example.com:alpha/shop.git", "", "the same in git's own form"},
		"short without":    {"git.example.com:alpha/shop.git", "", "as the command line sends it"},
		"name":             {"shop", "", "a name"},
		"path":             {"repositories/shop@2", "", "an at sign in a path is no user"},
		"at in the path":   {"https://git.example.com/@alpha/shop", "", "nor in that of an address"},
		"password":         {"https://ada:hunter2@git.example.com/x", "holds credentials", "a password"},
		"token":            {"https://hunter2@git.example.com/x", "holds credentials", "a token stands where the user does"},
		"token as user":    {"https://hunter2:x-oauth-basic@git.example.com/x", "holds credentials", "the other way around"},
		"git's password":   {"https://git:hunter2@git.example.com/x", "holds credentials", "the usual user with a token"},
		"git's empty one":  {"https://git:@git.example.com/x", "holds credentials", "one spelling"},
		"empty user":       {"https://:hunter2@git.example.com/x", "holds credentials", "no user but a password"},
		"other ssh user":   {"ssh://ada@git.example.com/x", "holds credentials", "only git says nothing"},
		"no scheme":        {"//hunter2@git.example.com/x", "holds credentials", "an address without its scheme"},
		"short token":      {"hunter2@git.example.com:x", "holds credentials", "git's own form"},
		"short password":   {"git:hunter2@git.example.com:x", "holds credentials", "git's own form"},
		"two ats":          {"hunter2@git@git.example.com:x", "holds credentials", "the last one ends the user"},
		"opaque":           {"https:hunter2@git.example.com/x", "holds credentials", "slashes forgotten"},
		"encoded password": {"https://ada:hunter2%zz@git.example.com/x", "cannot be read", "a password that is not escaped"},
		"port of letters":  {"https://ada:hunter2/x@git.example.com/x", "cannot be read", "a password with a slash"},
		"query":            {"https://git.example.com/x?private_token=hunter2", "a query or a fragment", "some hosts take tokens there"},
		"fragment":         {"https://git.example.com/x#hunter2", "a query or a fragment", "it has no use"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := releaseInput(byName(mustParse(t, stack)), claim("web", "stack", "replicas=1"))
			in.Repository = tc.address
			r, err := composer.NewRelease(in)
			if tc.wrong == "" {
				if err != nil || r.Repository != tc.address {
					t.Errorf("%s: got %q, %v", tc.reason, r.Repository, err)
				}
				return
			}
			wantProblem(t, tc.reason, err, "repository: ", tc.wrong, "without credentials")
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: the message repeats it: %v", tc.reason, err)
			}
		})
	}
}
