// SPDX-License-Identifier: Apache-2.0

package project

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Git returns the URL of the remote "origin" without credentials and the
// commit that is checked out, each empty where it cannot be told. It reads
// git's files and starts no program.
func (p Project) Git() (repository, commit string) {
	root, ok, err := above(p.Root, gitName)
	if err != nil || !ok {
		return "", ""
	}
	dir := gitDir(filepath.Join(root, gitName))
	shared := dir
	if common := line(filepath.Join(dir, "commondir")); common != "" {
		shared = join(dir, common)
	}
	return origin(filepath.Join(shared, "config")), head(dir, shared)
}

// gitDir follows the file that a worktree or a submodule has for .git.
func gitDir(dotGit string) string {
	if target, ok := strings.CutPrefix(line(dotGit), "gitdir: "); ok {
		return join(filepath.Dir(dotGit), target)
	}
	return dotGit
}

func join(base, target string) string {
	if filepath.IsAbs(target) {
		return target
	}
	return filepath.Join(base, target)
}

func line(file string) string {
	data, err := os.ReadFile(file) //nolint:gosec // git's own files of the user's repository
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(first)
}

func head(dir, shared string) string {
	ref, symbolic := strings.CutPrefix(line(filepath.Join(dir, "HEAD")), "ref: ")
	if !symbolic {
		return hash(ref)
	}
	if !filepath.IsLocal(filepath.FromSlash(ref)) {
		return ""
	}
	if commit := hash(line(filepath.Join(shared, filepath.FromSlash(ref)))); commit != "" {
		return commit
	}
	data, err := os.ReadFile(filepath.Join(shared, "packed-refs")) //nolint:gosec // as above
	if err != nil {
		return ""
	}
	for entry := range strings.Lines(string(data)) {
		if commit, name, ok := strings.Cut(strings.TrimSpace(entry), " "); ok && name == ref {
			return hash(commit)
		}
	}
	return ""
}

func hash(s string) string {
	if len(s) != 40 && len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return s
}

func origin(config string) string {
	data, err := os.ReadFile(config) //nolint:gosec // as above
	if err != nil {
		return ""
	}
	inside := false
	for entry := range strings.Lines(string(data)) {
		entry = strings.TrimSpace(entry)
		if strings.HasPrefix(entry, "[") {
			inside = entry == `[remote "origin"]`
			continue
		}
		if key, value, ok := strings.Cut(entry, "="); inside && ok && strings.TrimSpace(key) == "url" {
			return harmless(strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return ""
}

// harmless drops credentials, and the path of a repository on this machine but
// for its name. It is empty for an address that cannot be read, since nobody
// can tell where in it credentials are.
func harmless(remote string) string {
	u, err := url.Parse(remote)
	if err == nil && u.Host != "" {
		u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
		return u.String()
	}
	if strings.Contains(remote, "://") {
		if err != nil {
			return ""
		}
		remote = u.Path // file:///…
	}
	// What is left is git's own form, user@host:path, or a path.
	end := len(remote)
	if slash := strings.IndexByte(remote, '/'); slash >= 0 {
		end = slash
	}
	address := remote[strings.LastIndexByte(remote[:end], '@')+1:]
	const drive = 1 // the letter in C:\…
	if host, _, ok := strings.Cut(address, ":"); ok && len(host) > drive && !strings.Contains(host, "/") {
		return address
	}
	name := path.Base(filepath.ToSlash(strings.TrimSuffix(remote, "/")))
	if name == "." {
		return ""
	}
	return strings.ReplaceAll(name, "@", "-") // before an @ stands a user
}
