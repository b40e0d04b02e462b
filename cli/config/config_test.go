// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/config"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	file := config.File{Current: "work", Contexts: []config.Context{
		{Name: "work", Server: "http://work", Token: "w", Team: "alpha", Environment: "staging", TemporalUI: "http://ui"},
		{Name: "home", Server: "http://home"},
	}}
	tests := map[string]struct {
		reason string
		file   config.File
		flags  config.Flags
		env    map[string]string
		want   config.Settings
		fails  string
	}{
		"nothing": {
			reason: "without any setting it is the local platform",
			want:   config.Settings{Server: config.DefaultServer, ServerFrom: "the default"},
		},
		"file": {
			reason: "the current context is used", file: file,
			want: config.Settings{Context: "work", Server: "http://work", Token: "w", Team: "alpha", Environment: "staging", TemporalUI: "http://ui", ServerFrom: "context work"},
		},
		"another server": {
			reason: "a Web UI belongs to its context's server", file: file, flags: config.Flags{Server: "http://f"},
			want: config.Settings{Context: "work", Server: "http://f", Token: "w", Team: "alpha", Environment: "staging", ServerFrom: "--server"},
		},
		"web ui": {
			reason: "the variable wins", file: file, env: map[string]string{"NESTOR_TEMPORAL_UI": "http://v"},
			want: config.Settings{Context: "work", Server: "http://work", Token: "w", Team: "alpha", Environment: "staging", TemporalUI: "http://v", ServerFrom: "context work"},
		},
		"variables": {
			reason: "variables win over the file", file: file,
			env:  map[string]string{"NESTOR_SERVER": "http://v", "NESTOR_TOKEN": "v", "NESTOR_TEAM": "beta", "NESTOR_ENVIRONMENT": "qa"},
			want: config.Settings{Context: "work", Server: "http://v", Token: "v", Team: "beta", Environment: "qa", ServerFrom: "NESTOR_SERVER"},
		},
		"flags": {
			reason: "flags win over variables", file: file,
			flags: config.Flags{Context: "home", Server: "http://f", Token: "f", Team: "gamma"},
			env:   map[string]string{"NESTOR_SERVER": "http://v", "NESTOR_TOKEN": "v", "NESTOR_TEAM": "beta", "NESTOR_CONTEXT": "work"},
			want:  config.Settings{Context: "home", Server: "http://f", Token: "f", Team: "gamma", ServerFrom: "--server"},
		},
		"context by variable": {
			reason: "a variable picks the context", file: file, env: map[string]string{"NESTOR_CONTEXT": "home"},
			want: config.Settings{Context: "home", Server: "http://home", ServerFrom: "context home"},
		},
		"unknown": {
			reason: "a context that is not there is no silent default", file: file, flags: config.Flags{Context: "x"},
			fails: `there is no context "x" (asked for by --context)`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Resolve(tt.file, tt.flags, func(name string) string { return tt.env[name] })
			fails := ""
			if err != nil {
				fails = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
			if fails != tt.fails {
				t.Errorf("%s: error %q, want %q", tt.reason, fails, tt.fails)
			}
		})
	}
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "config.yaml")
	want := config.File{Current: "on", Contexts: []config.Context{{Name: "on", Token: "1e3", Team: "no"}, {Name: "b: c", Server: "http://x"}}}
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was read is not what was written (-want +got):\n%s", diff)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file that holds tokens has mode %v", info.Mode().Perm())
	}
}

func TestLoadNamesThePlace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte("contexts:\n  - name: a\n  - name: a\n  - server: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path)
	want := path + `:3:11: contexts[1].name: a second context "a" (rename one of them)` + "\n" + path + ":4:5: contexts[2].name: a context needs a name"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		env    map[string]string
		want   string
	}{
		"own":      {"NESTOR_CONFIG names the file", map[string]string{"NESTOR_CONFIG": "/a/b.yaml", "XDG_CONFIG_HOME": "/x"}, "/a/b.yaml"},
		"xdg":      {"else XDG_CONFIG_HOME has it", map[string]string{"XDG_CONFIG_HOME": "/x"}, "/x/nestor/config.yaml"},
		"relative": {"a relative XDG_CONFIG_HOME is invalid and left out", map[string]string{"XDG_CONFIG_HOME": "x"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Path(func(name string) string { return tt.env[name] })
			if tt.want != "" && (err != nil || got != tt.want) {
				t.Errorf("%s: got %q, %v", tt.reason, got, err)
			}
			if tt.want == "" && got == filepath.Join("x", "nestor", "config.yaml") {
				t.Errorf("%s: got %q", tt.reason, got)
			}
		})
	}
}
