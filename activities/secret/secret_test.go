// SPDX-License-Identifier: Apache-2.0

package secret_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/activities/secret"
)

const canary = "canary-77a0e1"

// vault is a directory of secrets with a file beside it that is none of them.
func vault(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	inside := filepath.Join(dir, "secrets")
	for name, text := range map[string]string{
		"outside":               canary,
		"secrets/plain":         "plain-value",
		"secrets/line":          "one-line\n",
		"secrets/lines":         "two\nlines\n\n",
		"secrets/empty":         "",
		"secrets/team/db":       "nested",
		"secrets/full":          strings.Repeat(canary, 6000)[:64<<10],
		"secrets/over":          strings.Repeat(canary, 6000)[:64<<10+1],
		"secrets/..data/hidden": "kubernetes",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"leak": "../outside", "absolute": filepath.Join(dir, "outside"), "current": "..data/hidden"} {
		if err := os.Symlink(target, filepath.Join(inside, link)); err != nil {
			t.Fatal(err)
		}
	}
	return inside
}

func environment(name string) (string, bool) {
	value, set := map[string]string{
		"NESTOR_SECRET_DB": "from-env", "NESTOR_SECRET_EMPTY": "", "NESTOR_TOKEN": canary, "HOME": canary,
	}[name]
	return value, set
}

func TestResolve(t *testing.T) {
	t.Parallel()
	r := secret.New(environment, vault(t))
	for ref, want := range map[string]string{
		"secret://env/NESTOR_SECRET_DB":    "from-env",
		"secret://env/NESTOR_SECRET_EMPTY": "",
		"secret://file/plain":              "plain-value",
		"secret://file/line":               "one-line",
		"secret://file/lines":              "two\nlines\n",
		"secret://file/empty":              "",
		"secret://file/team/db":            "nested",
		"secret://file/current":            "kubernetes", // links inside, as Kubernetes makes them
		"secret://file/full":               strings.Repeat(canary, 6000)[:64<<10],
	} {
		t.Run(ref, func(t *testing.T) {
			t.Parallel()
			got, err := r.Resolve(t.Context(), ref)
			if err != nil || got != want {
				t.Errorf("got %d bytes, want %d: %v", len(got), len(want), err)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	dir := vault(t)
	for name, tc := range map[string]struct {
		ref    string
		noDir  bool
		want   error // nil: any
		text   string
		reason string
	}{
		"empty":          {ref: "", want: secret.ErrReference, reason: "nothing"},
		"scheme":         {ref: "env/NESTOR_SECRET_DB", want: secret.ErrReference, reason: "no scheme"},
		"other scheme":   {ref: "https://env/NESTOR_SECRET_DB", want: secret.ErrReference, reason: "another scheme"},
		"no path":        {ref: "secret://env", want: secret.ErrReference, reason: "no path"},
		"empty path":     {ref: "secret://file/", want: secret.ErrReference, reason: "no path"},
		"source":         {ref: "secret://vault/x", want: secret.ErrReference, text: `source "vault" is unknown`, reason: "another source"},
		"prefix":         {ref: "secret://env/NESTOR_TOKEN", want: secret.ErrReference, text: "begin with NESTOR_SECRET_", reason: "the worker's own settings are no secrets of teams"},
		"home":           {ref: "secret://env/HOME", want: secret.ErrReference, reason: "the worker's own settings are no secrets of teams"},
		"lower case":     {ref: "secret://env/nestor_secret_db", want: secret.ErrReference, reason: "names are exact"},
		"unset":          {ref: "secret://env/NESTOR_SECRET_NONE", want: secret.ErrMissing, text: "NESTOR_SECRET_NONE", reason: "it is not set"},
		"no file":        {ref: "secret://file/none", want: secret.ErrMissing, text: "no such file", reason: "it is not there"},
		"no directory":   {ref: "secret://file/plain", noDir: true, want: secret.ErrMissing, text: "NESTOR_SECRETS_DIR", reason: "the worker has none"},
		"up":             {ref: "secret://file/../outside", reason: "out of the directory"},
		"up by and by":   {ref: "secret://file/team/../../outside", reason: "out of the directory"},
		"absolute":       {ref: "secret://file//etc/hostname", reason: "an absolute path"},
		"link":           {ref: "secret://file/leak", reason: "a link out of the directory"},
		"absolute link":  {ref: "secret://file/absolute", reason: "a link out of the directory"},
		"a directory":    {ref: "secret://file/team", reason: "no file"},
		"itself":         {ref: "secret://file/.", reason: "no file"},
		"above the size": {ref: "secret://file/over", want: secret.ErrReference, text: "larger than 65536 bytes", reason: "no secret is so large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := dir
			if tc.noDir {
				from = ""
			}
			got, err := secret.New(environment, from).Resolve(t.Context(), tc.ref)
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
