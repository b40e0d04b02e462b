// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"

	"github.com/HatiCode/nestor/activities/engine"
)

// saved is a preview as an apply carries it out. It holds secrets: its file is
// this user's alone, and goes when it is applied.
type saved struct {
	Mode     mode   `json:"mode"`
	Revision int    `json:"revision"`
	Install  bool   `json:"install"`
	To       int    `json:"to,omitempty"`
	Digest   string `json:"digest"`
	// Base is the release's last secret and its version, which must not have
	// changed.
	Base        string `json:"base"`
	BaseVersion string `json:"baseVersion"`
	// Release with the rendered manifest and hooks, as Helm records it.
	Release string `json:"release,omitempty"`
	Steps   []step `json:"steps"`
}

// Saved previews live in the workspace for a while: two attempts may each have
// made one.
const (
	savedPrefix = "plan-"
	savedSuffix = ".json"
	keepSaved   = 4
)

// save writes a preview down and returns its token: the file's name.
func (n *node) save(h history, g goal, steps []step) (string, error) {
	s := saved{Mode: g.mode, Revision: g.revision, Install: g.install, To: g.to, Digest: g.digest, Steps: steps}
	if last := h.last(); last != nil {
		s.Base, s.BaseVersion = last.secret, last.resourceVersion
	}
	if g.mode != nothing {
		encoded, err := encodeRelease(&release.Release{
			Name: n.release, Namespace: n.namespace, Version: g.revision,
			Info: &release.Info{Notes: g.notes}, Chart: g.chart, Config: g.values, Manifest: g.manifest, Hooks: g.hooks,
		})
		if err != nil {
			return "", failed("encode release", err)
		}
		s.Release = encoded
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "", failed("encode preview", err)
	}
	if err := n.pruneSaved(); err != nil {
		return "", failed("remove old previews", err)
	}
	f, err := os.CreateTemp(n.req.Workspace, savedPrefix+"*"+savedSuffix)
	if err != nil {
		return "", failed("save preview", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", failed("save preview", err)
	}
	return filepath.Base(f.Name()), nil
}

// load reads a preview back. A token is a file's name in this workspace, nothing
// else.
func (n *node) load(token string, h history) (saved, *release.Release, error) {
	var s saved
	if filepath.Base(token) != token || !strings.HasPrefix(token, savedPrefix) || !strings.HasSuffix(token, savedSuffix) {
		return s, nil, invalid("preview token %q is none of this engine", token)
	}
	text, err := os.ReadFile(n.path(token))
	if err != nil {
		return s, nil, &engine.Error{
			Class: engine.Transient, Engine: Name, Message: "what was previewed is gone; preview again", Err: err,
		}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, nil, again("what was previewed cannot be read: %v", err)
	}
	var base, version string
	if last := h.last(); last != nil {
		base, version = last.secret, last.resourceVersion
	}
	if s.Base != base || s.BaseVersion != version {
		return s, nil, again("release %s has changed since it was previewed", n.ref())
	}
	if s.Mode == nothing {
		return s, nil, nil
	}
	r, err := decodeRelease([]byte(s.Release))
	if err != nil {
		return s, nil, again("what was previewed cannot be read: %v", err)
	}
	return s, r, nil
}

// drop removes a preview that was used, or not.
func (n *node) drop(token string) {
	if err := os.Remove(n.path(token)); err != nil && !errors.Is(err, os.ErrNotExist) {
		n.say("remove preview: %v", err)
	}
}

// pruneSaved keeps the newest few.
func (n *node) pruneSaved() error {
	files, err := filepath.Glob(n.path(savedPrefix + "*" + savedSuffix))
	if err != nil {
		return err
	}
	age := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	slices.SortFunc(files, func(a, b string) int { return int(min(max(age(b)-age(a), -1), 1)) })
	for _, path := range files[min(len(files), keepSaved-1):] {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
