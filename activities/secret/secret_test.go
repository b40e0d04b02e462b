// SPDX-License-Identifier: Apache-2.0

package secret_test

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/internal/secretref"
)

const canary = "canary-77a0e1"

// vault is a directory of secrets with a file beside it that is none of them.
func vault(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	inside := filepath.Join(dir, "secrets")
	for name, text := range map[string]string{
		"outside":                     canary,
		"secrets/nobody":              canary,
		"secrets/alpha/plain":         "plain-value",
		"secrets/alpha/line":          "one-line\n",
		"secrets/alpha/lines":         "two\nlines\n\n",
		"secrets/alpha/empty":         "",
		"secrets/alpha/app/db":        "nested",
		"secrets/alpha/full":          strings.Repeat(canary, 6000)[:64<<10],
		"secrets/alpha/over":          strings.Repeat(canary, 6000)[:64<<10+1],
		"secrets/alpha/..data/hidden": "kubernetes",
		"secrets/beta/x":              canary,
		"secrets/_platform/aws":       "cloud-file",
		"secrets/..data/gamma/db":     "projected",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"alpha/leak": "../../outside", "alpha/absolute": filepath.Join(dir, "outside"), "alpha/other": "../beta/x",
		"alpha/current": "..data/hidden", "gamma": "..data/gamma", "escape": "..",
	} {
		if err := os.Symlink(target, filepath.Join(inside, filepath.FromSlash(link))); err != nil {
			t.Fatal(err)
		}
	}
	return inside
}

func environment(name string) (string, bool) {
	value, set := map[string]string{
		"NESTOR_SECRET_ALPHA__DB": "from-env", "NESTOR_SECRET_ALPHA__EMPTY": "", "NESTOR_SECRET_ALPHA_X__DB": canary,
		"NESTOR_SECRET_DB": canary, "NESTOR_CREDENTIAL_AWS": "cloud", "NESTOR_TOKEN": canary, "HOME": canary,
	}[name]
	return value, set
}

func TestResolve(t *testing.T) {
	t.Parallel()
	r := secret.New(environment, vault(t))
	for name, tc := range map[string]struct{ owner, ref, want, reason string }{
		"variable":          {"alpha", "secret://env/NESTOR_SECRET_ALPHA__DB", "from-env", "a team's own"},
		"empty variable":    {"alpha", "secret://env/NESTOR_SECRET_ALPHA__EMPTY", "", "empty is not missing"},
		"platform variable": {secretref.Platform, "secret://env/NESTOR_CREDENTIAL_AWS", "cloud", "an environment's credential"},
		"file":              {"alpha", "secret://file/alpha/plain", "plain-value", "a team's own"},
		"line":              {"alpha", "secret://file/alpha/line", "one-line", "editors end files with a line"},
		"lines":             {"alpha", "secret://file/alpha/lines", "two\nlines\n", "one line's end is dropped"},
		"empty file":        {"alpha", "secret://file/alpha/empty", "", "empty is not missing"},
		"nested":            {"alpha", "secret://file/alpha/app/db", "nested", "directories below"},
		"link inside":       {"alpha", "secret://file/alpha/current", "kubernetes", "as Kubernetes mounts a team's volume"},
		"linked directory":  {"gamma", "secret://file/gamma/db", "projected", "as Kubernetes mounts one volume with a path for each team"},
		"full":              {"alpha", "secret://file/alpha/full", strings.Repeat(canary, 6000)[:64<<10], "the largest"},
		"platform file":     {secretref.Platform, "secret://file/_platform/aws", "cloud-file", "an environment's credential"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := r.Resolve(t.Context(), tc.owner, tc.ref)
			if err != nil || got != tc.want {
				t.Errorf("%s: got %d bytes, want %d: %v", tc.reason, len(got), len(tc.want), err)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	dir := vault(t)
	for name, tc := range map[string]struct {
		owner  string // default: alpha
		ref    string
		noDir  bool
		want   error // nil: any
		text   string
		reason string
	}{
		"empty":             {ref: "", want: secret.ErrReference, reason: "nothing"},
		"other scheme":      {ref: "https://env/NESTOR_SECRET_ALPHA__DB", want: secret.ErrReference, reason: "another scheme"},
		"source":            {ref: "secret://gopher/x", want: secret.ErrReference, text: "unknown", reason: "another source"},
		"not offered":       {ref: "secret://vault/alpha/x#y", want: secret.ErrReference, text: "NESTOR_SECRETS_SOURCES", reason: "the worker does not offer it"},
		"setting":           {ref: "secret://env/NESTOR_TOKEN", want: secret.ErrReference, text: "NESTOR_SECRET_ALPHA__<NAME>", reason: "the worker's own settings are no secrets of teams"},
		"home":              {ref: "secret://env/HOME", want: secret.ErrReference, reason: "the worker's own settings are no secrets of teams"},
		"nobody's variable": {ref: "secret://env/NESTOR_SECRET_DB", want: secret.ErrReference, reason: "it names no team"},
		"other variable":    {ref: "secret://env/NESTOR_SECRET_ALPHA_X__DB", want: secret.ErrReference, text: "not team alpha's", reason: "it is alpha-x's"},
		"other's other":     {owner: "beta", ref: "secret://env/NESTOR_SECRET_ALPHA__DB", want: secret.ErrReference, text: "not team beta's", reason: "it is alpha's"},
		"credential":        {ref: "secret://env/NESTOR_CREDENTIAL_AWS", want: secret.ErrReference, reason: "it is the platform's"},
		"platform's team":   {owner: secretref.Platform, ref: "secret://env/NESTOR_SECRET_ALPHA__DB", want: secret.ErrReference, text: "not the platform's", reason: "it is a team's"},
		"no owner":          {owner: "-", ref: "secret://env/NESTOR_SECRET_ALPHA__DB", want: secret.ErrReference, reason: "nobody may use it"},
		"unset":             {ref: "secret://env/NESTOR_SECRET_ALPHA__NONE", want: secret.ErrMissing, text: "has no NESTOR_SECRET_ALPHA__NONE", reason: "it is not set"},
		"no file":           {ref: "secret://file/alpha/none", want: secret.ErrMissing, text: "no such file", reason: "it is not there"},
		"no team":           {owner: "delta", ref: "secret://file/delta/db", want: secret.ErrMissing, text: "has no delta", reason: "the team has no directory"},
		"no directory":      {ref: "secret://file/alpha/plain", noDir: true, want: secret.ErrMissing, text: "NESTOR_SECRETS_DIR", reason: "the worker has none"},
		"nobody's file":     {ref: "secret://file/nobody", want: secret.ErrReference, reason: "it is in no team's directory"},
		"other file":        {ref: "secret://file/beta/x", want: secret.ErrReference, text: "not team alpha's", reason: "it is beta's"},
		"traversal":         {ref: "secret://file/alpha/../beta/x", want: secret.ErrReference, text: "leads upwards", reason: "it is beta's"},
		"up":                {ref: "secret://file/../outside", want: secret.ErrReference, reason: "out of the directory"},
		"absolute":          {ref: "secret://file//etc/hostname", want: secret.ErrReference, reason: "an absolute path"},
		"link":              {ref: "secret://file/alpha/leak", reason: "a link out of the directory"},
		"absolute link":     {ref: "secret://file/alpha/absolute", reason: "a link out of the directory"},
		"link to other":     {ref: "secret://file/alpha/other", reason: "a link to another team's"},
		"linked away":       {owner: "escape", ref: "secret://file/escape/outside", reason: "a team's directory that is a link out of the directory"},
		"a directory":       {ref: "secret://file/alpha/app", reason: "no file"},
		"above the size":    {ref: "secret://file/alpha/over", want: secret.ErrReference, text: "larger than 65536 bytes", reason: "no secret is so large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := dir
			if tc.noDir {
				from = ""
			}
			got, err := secret.New(environment, from).Resolve(t.Context(), cmp.Or(tc.owner, "alpha"), tc.ref)
			if err == nil || got != "" {
				t.Fatalf("%s: got %d bytes, %v", tc.reason, len(got), err)
			}
			if tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
			}
			if !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), tc.ref) {
				t.Errorf("%s: %q does not hold %q and the reference", tc.reason, err, tc.text)
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("the message holds a secret")
			}
		})
	}
}
