// SPDX-License-Identifier: Apache-2.0

package secretref_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/internal/secretref"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const platform = secretref.Platform
	for name, tc := range map[string]struct {
		owner, ref string
		want       secretref.Reference
		reason     string
	}{
		"variable":          {"alpha", "secret://env/NESTOR_SECRET_ALPHA__DB", secretref.Reference{Source: secretref.Env, Owner: "alpha", Path: "NESTOR_SECRET_ALPHA__DB"}, "a team's own"},
		"dash":              {"alpha-x", "secret://env/NESTOR_SECRET_ALPHA_X__DB_PASSWORD_2", secretref.Reference{Source: secretref.Env, Owner: "alpha-x", Path: "NESTOR_SECRET_ALPHA_X__DB_PASSWORD_2"}, "a dash becomes an underscore"},
		"two dashes":        {"alpha--x", "secret://env/NESTOR_SECRET_ALPHA__X__DB", secretref.Reference{Source: secretref.Env, Owner: "alpha--x", Path: "NESTOR_SECRET_ALPHA__X__DB"}, "a label may have two dashes"},
		"file":              {"alpha", "secret://file/alpha/db", secretref.Reference{Source: secretref.File, Owner: "alpha", Path: "db"}, "a team's own"},
		"nested file":       {"alpha", "secret://file/alpha/prod/db.key", secretref.Reference{Source: secretref.File, Owner: "alpha", Path: "prod/db.key"}, "directories below"},
		"platform variable": {platform, "secret://env/NESTOR_CREDENTIAL_AWS_KEY", secretref.Reference{Source: secretref.Env, Owner: platform, Path: "NESTOR_CREDENTIAL_AWS_KEY"}, "the platform's"},
		"platform file":     {platform, "secret://file/_platform/aws", secretref.Reference{Source: secretref.File, Owner: platform, Path: "aws"}, "the platform's"},
		"team platform":     {"platform", "secret://file/platform/aws", secretref.Reference{Source: secretref.File, Owner: "platform", Path: "aws"}, "a team may be called platform"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := secretref.Parse(tc.owner, tc.ref)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const (
		alpha   = "write secret://env/NESTOR_SECRET_ALPHA__<NAME> or secret://file/alpha/<path>"
		cloud   = "write secret://env/NESTOR_CREDENTIAL_<NAME> or secret://file/_platform/<path>"
		none    = "no reference to a secret"
		upwards = "leads upwards"
		other   = "is not team alpha's"
	)
	for name, tc := range map[string]struct{ owner, ref, want, hint, reason string }{
		"nothing":             {"alpha", "", none, alpha, "empty"},
		"clear":               {"alpha", "hunter2", none, alpha, "a pasted secret"},
		"scheme":              {"alpha", "https://env/NESTOR_SECRET_ALPHA__DB", none, alpha, "another scheme"},
		"in text":             {"alpha", "x secret://env/NESTOR_SECRET_ALPHA__DB", none, alpha, "a reference is a whole value"},
		"no path":             {"alpha", "secret://env", none, alpha, "a path is needed"},
		"encoded":             {"alpha", "secret://file/alpha/%2e%2e/beta/x", none, alpha, "no second spelling"},
		"backslash":           {"alpha", `secret://file/alpha/..\beta\x`, none, alpha, "no other separator"},
		"line":                {"alpha", "secret://file/alpha/x\n", none, alpha, "nothing after it"},
		"source":              {"alpha", "secret://vault/alpha/x", "source of the reference to a secret is unknown", alpha, "no such source"},
		"traversal":           {"alpha", "secret://file/alpha/../beta/x", upwards, alpha, "out of the team's directory"},
		"up":                  {"alpha", "secret://file/../alpha/x", upwards, alpha, "out of the directory"},
		"dot":                 {"alpha", "secret://file/./alpha/x", upwards, alpha, "one spelling"},
		"empty step":          {"alpha", "secret://file//alpha/x", upwards, alpha, "an absolute path"},
		"trailing slash":      {"alpha", "secret://file/alpha/", upwards, alpha, "a directory is no secret"},
		"directory":           {"alpha", "secret://file/alpha", other, alpha, "the directory itself"},
		"other file":          {"alpha", "secret://file/beta/x", other, alpha, "another team's"},
		"prefix of file":      {"alpha", "secret://file/alpha-x/db", other, alpha, "another team whose name goes on"},
		"capitals":            {"alpha", "secret://file/ALPHA/db", other, alpha, "names are exact"},
		"platform file":       {"alpha", "secret://file/_platform/aws", other, alpha, "the platform's"},
		"unscoped":            {"alpha", "secret://env/NESTOR_SECRET_DB", other, alpha, "nobody's"},
		"other variable":      {"alpha", "secret://env/NESTOR_SECRET_BETA__DB", other, alpha, "another team's"},
		"longer team":         {"alpha", "secret://env/NESTOR_SECRET_ALPHA_X__DB", other, alpha, "that is alpha-x's"},
		"two dashes":          {"alpha", "secret://env/NESTOR_SECRET_ALPHA__X__DB", other, alpha, "that is alpha--x's"},
		"three underscores":   {"alpha", "secret://env/NESTOR_SECRET_ALPHA___DB", other, alpha, "it does not say where the team ends"},
		"no name":             {"alpha", "secret://env/NESTOR_SECRET_ALPHA__", other, alpha, "a name is needed"},
		"lower case":          {"alpha", "secret://env/nestor_secret_alpha__DB", other, alpha, "names are exact"},
		"step":                {"alpha", "secret://env/NESTOR_SECRET_ALPHA__DB/x", other, alpha, "a variable has no path"},
		"setting":             {"alpha", "secret://env/NESTOR_TOKEN", other, alpha, "the worker's own"},
		"platform variable":   {"alpha", "secret://env/NESTOR_CREDENTIAL_AWS", other, alpha, "the platform's"},
		"platform's team":     {secretref.Platform, "secret://env/NESTOR_SECRET_ALPHA__DB", "is not the platform's", cloud, "a team's"},
		"platform's team dir": {secretref.Platform, "secret://file/platform/x", "is not the platform's", cloud, "the team that is called so"},
		"no owner":            {"", "secret://env/NESTOR_SECRET___DB", "not known whose", "name a team", "without an owner there is nothing"},
		"owner no label":      {"..", "secret://file/../x", "not known whose", "name a team", "an owner is a directory's name"},
		"owner with capitals": {"Alpha", "secret://file/Alpha/x", "not known whose", "name a team", "two spellings would be one variable"},
		"owner underscore":    {"alpha_", "secret://env/NESTOR_SECRET_ALPHA___DB", "not known whose", "name a team", "two spellings would be one variable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := secretref.Parse(tc.owner, tc.ref)
			var wrong *secretref.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("%s: got %v, want an *Error", tc.reason, err)
			}
			if !strings.Contains(wrong.Message, tc.want) || wrong.Hint != tc.hint {
				t.Errorf("%s: got %q, want %q with the hint %q", tc.reason, wrong, tc.want, tc.hint)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the message repeats a secret")
			}
		})
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	want := "secret://env/NESTOR_SECRET_<TEAM>__<NAME> or secret://file/<team>/<path>"
	if got := secretref.Forms(""); got != want {
		t.Errorf("for any team: got %q, want %q", got, want)
	}
}

// TestNoSecretHasTwoOwners draws pairs of teams whose names are alike.
func TestNoSecretHasTwoOwners(t *testing.T) {
	t.Parallel()
	team := rapid.StringMatching(`[ab](-{0,3}[ab]){0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		one, two := team.Draw(t, "one"), team.Draw(t, "two")
		variable := strings.ToUpper(strings.ReplaceAll(one, "-", "_")) + "__" + rapid.StringMatching(`[AB_]{1,6}`).Draw(t, "variable")
		refs := []string{
			"secret://env/NESTOR_SECRET_" + variable,
			"secret://file/" + one + "/" + rapid.StringMatching(`[ab./-]{1,6}`).Draw(t, "path"),
		}
		for _, ref := range refs {
			_, first := secretref.Parse(one, ref)
			_, second := secretref.Parse(two, ref)
			if first == nil && second == nil && one != two {
				t.Fatalf("%s is of both %s and %s", ref, one, two)
			}
		}
	})
}
