// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// Backends by the type that an environment gives them.
const (
	localBackend = "local"
	fileBackend  = "file"
)

const placeholder = "{address}"

// backend is where stacks are kept.
type backend struct {
	url string
	// dir is the directory of a backend of files; empty for others.
	dir string
	// local says that it is the worker's own, of which no environment need know.
	local bool
}

// backendOf reads a request's backend: "local" (or "file") has "path", a
// directory (default "pulumi-state" in the worker's data directory); "s3", "gs"
// and "azblob" have "url", as Pulumi takes it.
func (e *Engine) backendOf(req engine.Request) (backend, error) {
	kind := req.Backend.Type
	if kind == "" {
		kind = localBackend
	}
	setting := map[string]string{localBackend: "path", fileBackend: "path", "s3": "url", "gs": "url", "azblob": "url"}[kind]
	if setting == "" {
		return backend{}, invalid("state backend %q is unknown; local, file, s3, gs and azblob can be used", kind)
	}
	value := ""
	for name, v := range req.Backend.Config {
		text, isText := v.(string)
		if name != setting || !isText || text == "" {
			return backend{}, invalid("the %s backend has one setting, %q; found %q", kind, setting, name)
		}
		value = strings.ReplaceAll(text, placeholder, req.Address)
	}
	if setting == "path" {
		return e.directory(value), nil
	}
	parsed, err := url.Parse(value)
	if err != nil || parsed.Scheme != kind || parsed.Host == "" {
		return backend{}, invalid("the %s backend needs config.url, such as \"%s://bucket\"; found %q", kind, kind, redactURL(value))
	}
	if parsed.User != nil {
		return backend{}, invalid("the %s backend's url holds a user; give credentials in the environment", kind)
	}
	return backend{url: value}, nil
}

// directory is a backend of files. A file:// in front of a path is allowed.
func (e *Engine) directory(path string) backend {
	path = strings.TrimPrefix(path, "file://")
	switch {
	case path == "":
		path = filepath.Join(e.config.DataDir, "pulumi-state")
	case !filepath.IsAbs(path):
		path = filepath.Join(e.config.DataDir, path)
	}
	path = filepath.Clean(path)
	return backend{url: "file://" + filepath.ToSlash(path), dir: path, local: true}
}

// redactURL keeps a URL's user and query out of a message.
func redactURL(text string) string {
	text, _, _ = strings.Cut(text, "?")
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = rest[at+1:]
		}
		return scheme + "://" + rest
	}
	return text
}

// file of a stack's checkpoint in a backend of files.
func (b backend) file(s stack) string {
	return filepath.Join(b.dir, ".pulumi", "stacks", s.project, s.name+".json")
}

// locks is the directory of a stack's locks in a backend of files.
func (b backend) locks(s stack) string {
	return filepath.Join(b.dir, ".pulumi", "locks", organization, s.project, s.name)
}

// elsewhere finds stacks of the same name in other projects of a backend of
// files: a definition whose project was renamed has left its node's there.
func (b backend) elsewhere(s stack) ([]stack, error) {
	paths, err := filepath.Glob(filepath.Join(b.dir, ".pulumi", "stacks", "*", s.name+".json"))
	if err != nil {
		return nil, err
	}
	var found []stack
	for _, path := range paths {
		if project := filepath.Base(filepath.Dir(path)); project != s.project {
			found = append(found, stack{project, s.name})
		}
	}
	slices.SortFunc(found, func(a, b stack) int { return strings.Compare(a.project, b.project) })
	return found, nil
}

// scratch is a backend of the workspace's own with the stack in it, in which
// nothing has happened yet: made as Pulumi makes it, without running it.
func (n *node) scratch() (backendURL string, err error) {
	dir := n.path("scratch")
	b := n.engine.directory(dir)
	checkpoint, err := json.Marshal(map[string]any{
		"version": checkpointVersion, "checkpoint": map[string]any{"stack": n.stack.qualified(), "latest": nil},
	})
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(b.file(n.stack)), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, ".pulumi", "meta.yaml"), []byte("version: 1\n"), 0o600)
	}
	if err == nil {
		err = os.WriteFile(b.file(n.stack), checkpoint, 0o600)
	}
	if err != nil {
		return "", failed("create a backend for the preview", err)
	}
	return b.url, nil
}
