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
		"kubernetes":        {"alpha", "secret://kubernetes/alpha/db.v1/tls.key", secretref.Reference{Source: secretref.Kubernetes, Owner: "alpha", Path: "db.v1/tls.key"}, "a key of a Secret"},
		"secrets manager":   {"alpha", "secret://aws-secretsmanager/alpha/prod/db", secretref.Reference{Source: secretref.SecretsManager, Owner: "alpha", Path: "prod/db"}, "a whole secret"},
		"json key":          {"alpha", "secret://aws-secretsmanager/alpha/prod/db#password", secretref.Reference{Source: secretref.SecretsManager, Owner: "alpha", Path: "prod/db", Key: "password"}, "a key of the JSON inside"},
		"ssm":               {"alpha", "secret://aws-ssm/alpha/prod/db", secretref.Reference{Source: secretref.SSM, Owner: "alpha", Path: "prod/db"}, "a parameter"},
		"vault":             {"alpha", "secret://vault/alpha/prod/db#password", secretref.Reference{Source: secretref.Vault, Owner: "alpha", Path: "prod/db", Key: "password"}, "a key of a secret"},
		"platform's vault":  {platform, "secret://vault/_platform/aws#key", secretref.Reference{Source: secretref.Vault, Owner: platform, Path: "aws", Key: "key"}, "the platform's"},
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
		"source":              {"alpha", "secret://gopher/alpha/x", "source of the reference to a secret is unknown", alpha, "no such source"},
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
		"no Secret":           {"alpha", "secret://kubernetes/alpha/db", "names no key of a Secret", "write secret://kubernetes/alpha/<name>/<key>", "a Secret has several values"},
		"another namespace":   {"alpha", "secret://kubernetes/kube-system/admin/token", other, "write secret://kubernetes/alpha/<name>/<key>", "the namespace is the worker's to choose"},
		"too deep":            {"alpha", "secret://kubernetes/alpha/db/x/y", "names no key of a Secret", "write secret://kubernetes/alpha/<name>/<key>", "a Secret has no paths"},
		"other in vault":      {"alpha", "secret://vault/beta/db#x", other, "write secret://vault/alpha/<path>#<key>", "another team's"},
		"platform in vault":   {"alpha", "secret://vault/_platform/db#x", other, "write secret://vault/alpha/<path>#<key>", "the platform's"},
		"no key":              {"alpha", "secret://vault/alpha/db", "names no key", "write secret://vault/alpha/<path>#<key>", "a secret in Vault has several values"},
		"empty key":           {"alpha", "secret://aws-secretsmanager/alpha/db#", "names no secret of AWS", "write secret://aws-secretsmanager/alpha/<name>[#<key>]", "a key was forgotten"},
		"two keys":            {"alpha", "secret://vault/alpha/db#a#b", "names no key", "write secret://vault/alpha/<path>#<key>", "one secret at a time"},
		"up in vault":         {"alpha", "secret://vault/alpha/../beta/db#x", upwards, alpha, "out of the team's prefix"},
		"ARN":                 {"alpha", "secret://aws-secretsmanager/alpha/arn:aws:secretsmanager:x", "names no secret of AWS", "write secret://aws-secretsmanager/alpha/<name>[#<key>]", "an ARN names anybody's"},
		"version of ssm":      {"alpha", "secret://aws-ssm/alpha/db:1", "names no parameter", "write secret://aws-ssm/alpha/<path>", "a selector is no part of a name"},
		"key of ssm":          {"alpha", "secret://aws-ssm/alpha/db#x", none, alpha, "a parameter has one value"},
		"wildcard":            {"alpha", "secret://vault/alpha/*#x", "names no key", "write secret://vault/alpha/<path>#<key>", "no patterns"},
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
			"secret://vault/" + one + "/" + rapid.StringMatching(`[ab./-]{1,6}#k`).Draw(t, "vault"),
			"secret://kubernetes/" + one + "/" + rapid.StringMatching(`[ab./-]{1,6}`).Draw(t, "kubernetes"),
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
