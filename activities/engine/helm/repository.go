// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/repo"
	"sigs.k8s.io/yaml"

	"github.com/HatiCode/nestor/activities/engine"
)

// Bounds of what a repository may send.
const (
	maxIndex = 64 << 20
	maxChart = 32 << 20
)

// fromRepository fetches a packed chart from a chart repository.
func (n *node) fromRepository(ctx context.Context, version *semver.Version) ([]byte, error) {
	s := n.settings
	base, err := url.Parse(strings.TrimSuffix(s.Repository, "/") + "/")
	if s.Repository == "" || err != nil || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, invalid("settings.repository %q is no URL of a chart repository; a chart of a registry is written oci://host/path/name", shownURL(s.Repository))
	}
	text, err := n.download(ctx, base, base.JoinPath("index.yaml"), maxIndex)
	if err != nil {
		return nil, err
	}
	var index repo.IndexFile
	if err := yaml.Unmarshal(text, &index); err != nil {
		return nil, invalid("the index of repository %s cannot be read: %s", base.Redacted(), shorten(err.Error()))
	}
	entry, err := pick(index.Entries[s.Chart], version)
	if err != nil {
		return nil, invalid("repository %s: chart %s: %v", base.Redacted(), s.Chart, err)
	}
	at, err := base.Parse(entry.URLs[0])
	if err != nil || (at.Scheme != "https" && at.Scheme != "http") {
		return nil, invalid("repository %s gives no address for chart %s %s that charts can be fetched from", base.Redacted(), s.Chart, version)
	}
	archive, err := n.download(ctx, base, at, maxChart)
	if err != nil {
		return nil, err
	}
	return archive, n.verify(archive, entry.Digest)
}

// pick finds a version, or says which ones there are.
func pick(entries repo.ChartVersions, version *semver.Version) (*repo.ChartVersion, error) {
	if len(entries) == 0 {
		return nil, errors.New("it has none of this name")
	}
	var have []*semver.Version
	for _, e := range entries {
		if e == nil || e.Metadata == nil {
			continue
		}
		v, err := semver.NewVersion(e.Version)
		if err != nil {
			continue
		}
		if v.Equal(version) && v.Metadata() == version.Metadata() && len(e.URLs) > 0 {
			return e, nil
		}
		have = append(have, v)
	}
	return nil, fmt.Errorf("it has no version %s; it has %s", version, newest(have))
}

// newest lists the latest few versions.
func newest(versions []*semver.Version) string {
	slices.SortFunc(versions, func(a, b *semver.Version) int { return b.Compare(a) })
	const few = 5
	var out []string
	for _, v := range versions[:min(len(versions), few)] {
		out = append(out, v.String())
	}
	if len(versions) > few {
		out = append(out, "…")
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// verify compares what came with the digest that was announced.
func (n *node) verify(archive []byte, digest string) error {
	sum := sha256.Sum256(archive)
	got := hex.EncodeToString(sum[:])
	want := strings.TrimPrefix(digest, "sha256:")
	if want != "" && want != got {
		return &engine.Error{
			Class: engine.Rejected, Engine: Name, Resource: n.settings.Chart,
			Message: fmt.Sprintf("what came as version %s has digest sha256:%s, and sha256:%s was announced; somebody changed the one or the other", n.settings.Version, got, want),
		}
	}
	return nil
}

// account for chart sources.
func (n *node) account() (username, password string) {
	return n.req.Env[usernameVariable], n.req.Env[passwordVariable]
}

// download gets one file. The account is shown to the repository's own host
// alone.
func (n *node) download(ctx context.Context, base, at *url.URL, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, invalid("%s: %v", at.Redacted(), err)
	}
	if username, password := n.account(); username != "" && at.Scheme == base.Scheme && at.Host == base.Host {
		req.SetBasicAuth(username, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, failed("fetch "+at.Redacted(), unwrapURL(err))
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, n.refused(at.Redacted(), resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, failed("fetch "+at.Redacted(), err)
	}
	if int64(len(text)) > limit {
		return nil, invalid("%s is larger than %d MiB", at.Redacted(), limit>>20)
	}
	return text, nil
}

// refused is the answer of a chart source that sent nothing.
func (n *node) refused(at string, code int) error {
	switch {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return rejected(at, "the credentials are missing, wrong or expired (%d %s); set %s and %s in the credentials of the environment",
			code, http.StatusText(code), usernameVariable, passwordVariable)
	case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError:
		return failed("fetch "+at, fmt.Errorf("the server answers %d %s", code, http.StatusText(code)))
	default:
		return invalid("%s: the server answers %d %s", at, code, http.StatusText(code))
	}
}

// unwrapURL drops the URL from an error of an HTTP client: it is named already,
// without what it may hold.
func unwrapURL(err error) error {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // what the client returns itself
		return e.Err
	}
	return err
}
