// SPDX-License-Identifier: Apache-2.0

package project_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/cli/project"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	const named = "application: shop\nteam: alpha\n"
	tests := map[string]struct {
		reason string
		files  map[string]string
		from   string
		root   string
		named  bool
	}{
		"here":          {"nestor.yaml in the directory", map[string]string{"a/nestor.yaml": named}, "a", "a", true},
		"above":         {"nestor.yaml above it", map[string]string{"a/nestor.yaml": named, "a/b/c/x": ""}, "a/b/c", "a", true},
		"other project": {"not the one of another repository around", map[string]string{"nestor.yaml": named, "a/.git/HEAD": "", "a/b/x": ""}, "a/b", "a", false},
		"generated":     {"else the application file", map[string]string{"a/.nestor/application.yaml": "", "a/b/x": ""}, "a/b", "a", false},
		"nothing":       {"else the directory itself", map[string]string{"a/.git/HEAD": "", "b/x": ""}, "b", "b", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, tt.files)
			p, err := project.Find(filepath.Join(dir, tt.from))
			if err != nil {
				t.Fatal(err)
			}
			if p.Root != filepath.Join(dir, tt.root) || p.Named != tt.named {
				t.Errorf("%s: got %+v", tt.reason, p)
			}
		})
	}
}

func TestApplicationIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := (project.Project{Root: t.TempDir()}).Application(); !errors.Is(err, project.ErrNoApplication) {
		t.Errorf("got %v, want %v", err, project.ErrNoApplication)
	}
}

func TestGit(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	type want struct{ Repository, Commit string }
	remote := func(url string) string {
		return "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = " + url + "\n\tfetch = x\n"
	}
	tests := map[string]struct {
		reason string
		files  map[string]string
		from   string
		want   want
	}{
		"branch": {
			"a branch's commit, and no credentials",
			map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": commit + "\n", ".git/config": remote("https://ada:secret@git.example.com/shop.git?token=x")},
			".",
			want{"https://git.example.com/shop.git", commit},
		},
		"packed": {
			"packed references",
			map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": "# pack-refs\n" + commit + " refs/heads/main\n"},
			".",
			want{"", commit},
		},
		"detached": {"a commit without a branch", map[string]string{".git/HEAD": commit + "\n"}, ".", want{"", commit}},
		"ssh": {
			"the short form of ssh loses the user",
			map[string]string{".git/HEAD": commit, ".git/config": remote("git@git.example.com:alpha/shop.git")},
			".",
			want{"git.example.com:alpha/shop.git", commit},
		},
		"local": {
			"a directory of this machine keeps its name alone",
			map[string]string{".git/HEAD": commit, ".git/config": remote("/home/ada/repositories/shop")},
			".",
			want{"shop", commit},
		},
		"worktree": {
			"a worktree has a file for .git",
			map[string]string{"w/.git": "gitdir: ../m/.git/worktrees/w\n", "m/.git/worktrees/w/HEAD": "ref: refs/heads/b\n", "m/.git/worktrees/w/commondir": "../..\n", "m/.git/refs/heads/b": commit, "m/.git/config": remote("https://x.example.com/y")},
			"w",
			want{"https://x.example.com/y", commit},
		},
		"hostile": {"a reference that leads elsewhere", map[string]string{".git/HEAD": "ref: ../../etc/passwd\n"}, ".", want{}},
		"none":    {"no repository", map[string]string{"x": ""}, ".", want{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, tt.files)
			repository, commit := project.Project{Root: filepath.Join(dir, tt.from)}.Git()
			if diff := cmp.Diff(tt.want, want{repository, commit}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func TestGitSendsNoCredentials(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ url, want, reason string }{
		"password":       {"https://ada:hunter2@git.example.com/shop.git", "https://git.example.com/shop.git", "a password"},
		"token":          {"https://hunter2@git.example.com/shop.git", "https://git.example.com/shop.git", "a token stands where the user does"},
		"query":          {"https://git.example.com/shop.git?private_token=hunter2#hunter2", "https://git.example.com/shop.git", "some hosts take tokens there"},
		"ssh":            {"ssh://git@git.example.com:22/shop.git", "ssh://git.example.com:22/shop.git", "a user says nothing of the repository"},
		"no scheme":      {"//hunter2@git.example.com/shop", "//git.example.com/shop", "an address without its scheme"},
		"not escaped":    {"https://ada:hunter2%zz@git.example.com/shop", "", "it cannot be told where the password ends"},
		"slash in it":    {"https://ada:hunter2/x@git.example.com/shop", "", "it cannot be told where the password ends"},
		"short":          {"hunter2@git.example.com:alpha/shop.git", "git.example.com:alpha/shop.git", "git's own form"},
		"short password": {"ada:hunter2@git.example.com:alpha/shop@2", "git.example.com:alpha/shop@2", "git's own form with what it does not have"},
		"opaque":         {"https:hunter2@git.example.com/shop", "shop", "slashes forgotten"},
		"file":           {"file:///home/ada/shop.git", "shop.git", "a directory of this machine keeps its name alone"},
		"at in a name":   {"/home/ada/shop@2", "shop-2", "nothing that looks like a user"},
		"root":           {"/", "", "no name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/config": "[remote \"origin\"]\n\turl = " + tt.url + "\n"})
			if got, _ := (project.Project{Root: dir}).Git(); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.reason, got, tt.want)
			}
		})
	}
}

func TestNameIsAlwaysAName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := project.Name(rapid.String().Draw(t, "text"))
		if wrong := project.CheckName(name); wrong != "" {
			t.Fatalf("%q: %s", name, wrong)
		}
	})
}
