// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/HatiCode/nestor/internal/atomicfile"
)

// source is a chart's files. Rendering changes a chart, so each rendering loads
// one of its own.
type source struct {
	files []*loader.BufferedFile
	// digest covers all files, those of dependencies too.
	digest string
	// name is the source in messages.
	name string
}

// chart loads the chart anew.
func (s source) chart() (*chart.Chart, error) {
	ch, err := loader.LoadFiles(s.files)
	if err != nil {
		return nil, invalid("chart %s cannot be read: %s", s.name, shorten(err.Error()))
	}
	return ch, nil
}

// source finds the chart that the definition names.
func (n *node) source(ctx context.Context) (source, error) {
	s, impl := n.settings, n.req.Implementation
	var found source
	var err error
	switch {
	case impl.Module != "" && (s.Chart != "" || s.Repository != ""):
		return source{}, invalid("the definition names a module and settings.chart; a chart comes from one place")
	case impl.Module != "":
		found, err = n.bundled()
	case s.Chart == "":
		return source{}, invalid("the definition names no chart: set module to a chart's directory in the bundle, or settings.chart")
	case s.Version == "":
		return source{}, invalid("settings.version is missing: name the exact version of chart %s", s.Chart)
	default:
		found, err = n.fetched(ctx)
	}
	if err != nil {
		return source{}, err
	}
	return found, found.check()
}

// bundled is a chart's directory in the bundle.
func (n *node) bundled() (source, error) {
	module := n.req.Implementation.Module
	if !filepath.IsLocal(filepath.FromSlash(module)) {
		return source{}, invalid("the definition's module %q is not a directory inside its bundle", module)
	}
	dir := filepath.Join(n.req.Bundle, filepath.FromSlash(module))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return source{}, invalid("the definition's bundle has no chart directory %q", module)
	}
	ch, err := loader.LoadDir(dir) // minds .helmignore
	if err != nil {
		return source{}, invalid("chart %s cannot be read: %s", module, shorten(err.Error()))
	}
	s := source{name: module}
	for _, f := range ch.Raw {
		s.files = append(s.files, &loader.BufferedFile{Name: f.Name, Data: f.Data})
	}
	s.digest = filesDigest(s.files)
	return s, nil
}

// filesDigest covers names and contents.
func filesDigest(files []*loader.BufferedFile) string {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b *loader.BufferedFile) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	for _, f := range sorted {
		_, _ = fmt.Fprintf(h, "%q %d\n", f.Name, len(f.Data))
		_, _ = h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fetched is a chart of an exact version from elsewhere. It is asked for once
// and then kept.
func (n *node) fetched(ctx context.Context) (source, error) {
	s := n.settings
	version, err := semver.StrictNewVersion(strings.TrimPrefix(s.Version, "v"))
	if err != nil {
		return source{}, invalid("settings.version %q is no exact version, such as 1.2.3", s.Version)
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", s.Repository, s.Chart, version))
	kept := filepath.Join(n.engine.charts, hex.EncodeToString(key[:])+".tgz")
	archive, err := os.ReadFile(kept) //nolint:gosec // a digest inside the data directory
	if err == nil {
		return n.unpacked(archive)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return source{}, failed("read a chart that was kept", err)
	}
	fetch := n.fromRepository
	if strings.HasPrefix(s.Chart, "oci://") {
		fetch = n.fromRegistry
	}
	if archive, err = fetch(ctx, version); err != nil {
		if ctx.Err() != nil {
			return source{}, canceled(ctx)
		}
		return source{}, err
	}
	found, err := n.unpacked(archive)
	if err != nil {
		return source{}, err
	}
	ch, err := found.chart()
	if err != nil {
		return source{}, err
	}
	if got, err := semver.NewVersion(ch.Metadata.Version); err != nil || !got.Equal(version) {
		return source{}, invalid("chart %s: version %s was asked for, and %s came", s.Chart, version, ch.Metadata.Version)
	}
	if err := atomicfile.Write(kept, archive); err != nil {
		return source{}, failed("keep chart", err)
	}
	return found, nil
}

// unpacked is a packed chart.
func (n *node) unpacked(archive []byte) (source, error) {
	name := n.settings.Chart + " " + n.settings.Version
	files, err := loader.LoadArchiveFiles(bytes.NewReader(archive))
	if err != nil {
		return source{}, invalid("chart %s cannot be unpacked: %s", name, shorten(err.Error()))
	}
	sum := sha256.Sum256(archive)
	return source{files: files, digest: hex.EncodeToString(sum[:]), name: name}, nil
}

// check refuses charts that cannot be installed as they are.
func (s source) check() error {
	ch, err := s.chart()
	if err != nil {
		return err
	}
	if ch.Metadata.Type == "library" {
		return invalid("chart %s is a library: it has nothing to install", s.name)
	}
	have := map[string]bool{}
	for _, d := range ch.Dependencies() {
		have[d.Name()] = true
	}
	for _, d := range ch.Metadata.Dependencies {
		if !have[d.Name] {
			return invalid("chart %s needs chart %s, which is not in its folder charts; run \"helm dependency build\" and publish it again", s.name, d.Name)
		}
	}
	return nil
}

// shownURL hides what a URL may hold beside its address.
func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an address that is no URL"
	}
	return u.Redacted()
}
