// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/store"
)

const (
	digestScheme = "sha256:"
	// minPrefix is the shortest part of a digest that names a release.
	minPrefix = 12
	// sortableTime orders as text as it does in time.
	sortableTime = "20060102T150405.000000000Z"
)

// ReleaseSummary is a release in a list.
type ReleaseSummary struct {
	Digest       string            `json:"digest"`
	Team         string            `json:"team"`
	Application  string            `json:"application"`
	Repository   string            `json:"repository,omitempty"`
	Commit       string            `json:"commit,omitempty"`
	Claims       int               `json:"claims"`
	Environments []string          `json:"environments"` // that it can go to, sorted
	Unbound      map[string]string `json:"unbound,omitempty"`
	CreatedBy    string            `json:"createdBy"`
	CreatedAt    time.Time         `json:"createdAt"`
}

// ReleasePage is a part of a list, newest first. Next is empty at the end,
// otherwise the cursor of the following page.
type ReleasePage struct {
	Releases []ReleaseSummary `json:"releases"`
	Next     string           `json:"next,omitempty"`
}

// releasePlace is where the releases of an application are: in full by digest,
// and in short by time.
type releasePlace struct {
	partition string
	byDigest  string
	byTime    string
}

func placeOf(team, application string) (releasePlace, error) {
	partition, err := teamPartition(team)
	if err != nil {
		return releasePlace{}, err
	}
	if err := catalog.CheckName("application", application); err != nil {
		return releasePlace{}, fmt.Errorf("composer registry: %w", err)
	}
	return releasePlace{
		partition: partition,
		byDigest:  "release/" + application + "/",
		byTime:    "release-time/" + application + "/",
	}, nil
}

// PutRelease stores a release under its digest, which is checked. A release
// that is there already stays as it is and created is false; what is returned
// then has the stored creator and time, but the Unbound of the given one, which
// is no part of the content. CreatedBy becomes the principal, CreatedAt the
// present time if it is zero.
func (r *Registry) PutRelease(ctx context.Context, principal store.Principal, release composer.Release) (stored composer.Release, created bool, err error) {
	place, err := placeOf(release.Team, release.Application)
	if err != nil {
		return composer.Release{}, false, err
	}
	digest, err := composer.ReleaseDigest(release)
	if err != nil {
		return composer.Release{}, false, fmt.Errorf("put release: %w", err)
	}
	if digest != release.Digest {
		return composer.Release{}, false, fmt.Errorf("put release: %w: its digest is %s, its content has %s", store.ErrInvalid, clip(release.Digest), digest)
	}
	key := store.Key{Partition: place.partition, Sort: place.byDigest + digest}
	if d, exists, err := r.find(ctx, key); err != nil || exists {
		return r.storedRelease(ctx, d, release, err)
	}
	release.CreatedBy = string(principal)
	if release.CreatedAt.IsZero() {
		release.CreatedAt = time.Now()
	}
	release.CreatedAt = release.CreatedAt.UTC().Round(0)
	ops, err := r.releaseOps(ctx, place, key, release)
	if err != nil {
		return composer.Release{}, false, err
	}
	_, err = r.store.Write(ctx, store.Batch{Principal: principal, Ops: ops})
	if errors.Is(err, store.ErrConflict) {
		// Somebody stored the same release in between.
		d, err := r.store.Get(ctx, key)
		return r.storedRelease(ctx, d, release, err)
	}
	if err != nil {
		return composer.Release{}, false, fmt.Errorf("put release %s: %w", digest, err)
	}
	return release, true, nil
}

func (r *Registry) storedRelease(ctx context.Context, d store.Document, given composer.Release, err error) (composer.Release, bool, error) {
	if err != nil {
		return composer.Release{}, false, fmt.Errorf("put release %s: %w", given.Digest, err)
	}
	var stored composer.Release
	if err := r.open(ctx, d, &stored); err != nil {
		return composer.Release{}, false, err
	}
	stored.Unbound = given.Unbound
	return stored, false, nil
}

func (r *Registry) releaseOps(ctx context.Context, place releasePlace, key store.Key, release composer.Release) ([]store.Op, error) {
	data, err := r.seal(ctx, release)
	if err != nil {
		return nil, fmt.Errorf("release %s: %w", release.Digest, err)
	}
	summary, err := r.seal(ctx, ReleaseSummary{
		Digest: release.Digest, Team: release.Team, Application: release.Application,
		Repository: release.Repository, Commit: release.Commit, Claims: len(release.Claims),
		Environments: slices.Sorted(maps.Keys(release.Bindings)), Unbound: release.Unbound,
		CreatedBy: release.CreatedBy, CreatedAt: release.CreatedAt,
	})
	if err != nil {
		return nil, fmt.Errorf("release %s: %w", release.Digest, err)
	}
	when := store.Key{Partition: place.partition, Sort: place.byTime + release.CreatedAt.Format(sortableTime) + "/" + release.Digest}
	return []store.Op{store.Create(key, data), store.Put(when, summary)}, nil
}

// GetRelease returns a release of an application by its digest, or by a part of
// at least 12 hexadecimal digits from its beginning, with or without "sha256:".
// None is store.ErrNotFound; a part that several begin with is
// *AmbiguousError.
func (r *Registry) GetRelease(ctx context.Context, team, application, digest string) (composer.Release, error) {
	place, err := placeOf(team, application)
	if err != nil {
		return composer.Release{}, err
	}
	hexadecimal := strings.TrimPrefix(digest, digestScheme)
	if len(hexadecimal) < minPrefix || len(hexadecimal) > 64 || strings.Trim(hexadecimal, "0123456789abcdef") != "" {
		return composer.Release{}, store.Missing(fmt.Sprintf(
			"release %q of %s/%s; give its digest, or at least its first %d hexadecimal digits", clip(digest), team, application, minPrefix))
	}
	page, err := r.store.Query(ctx, store.Query{Partition: place.partition, Prefix: place.byDigest + digestScheme + hexadecimal, Limit: 2})
	if err != nil {
		return composer.Release{}, fmt.Errorf("release %s of %s/%s: %w", hexadecimal, team, application, err)
	}
	switch {
	case len(page.Documents) == 0:
		return composer.Release{}, store.Missing(fmt.Sprintf("release %s of %s/%s", hexadecimal, team, application))
	case len(page.Documents) > 1 || page.Next != "" && len(hexadecimal) < 64:
		return composer.Release{}, &AmbiguousError{Prefix: hexadecimal}
	}
	var release composer.Release
	err = r.open(ctx, page.Documents[0], &release)
	return release, err
}

// AmbiguousError says that several releases begin with the same digits.
type AmbiguousError struct {
	Prefix string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("several releases begin with %s; give more digits", e.Prefix)
}

// ListReleases lists the releases of an application, newest first. cursor is
// empty at the beginning, then the Next of the page before; limit 0 means the
// store's default.
func (r *Registry) ListReleases(ctx context.Context, team, application, cursor string, limit int) (ReleasePage, error) {
	place, err := placeOf(team, application)
	if err != nil {
		return ReleasePage{}, err
	}
	after, err := cursorIn(place.byTime, cursor)
	if err != nil {
		return ReleasePage{}, err
	}
	page, err := r.store.Query(ctx, store.Query{Partition: place.partition, Prefix: place.byTime, After: after, Reverse: true, Limit: limit})
	if err != nil {
		return ReleasePage{}, fmt.Errorf("list releases of %s/%s: %w", team, application, err)
	}
	out := ReleasePage{Releases: make([]ReleaseSummary, 0, len(page.Documents)), Next: strings.TrimPrefix(page.Next, place.byTime)}
	for _, d := range page.Documents {
		var summary ReleaseSummary
		if err := r.open(ctx, d, &summary); err != nil {
			return ReleasePage{}, err
		}
		out.Releases = append(out.Releases, summary)
	}
	return out, nil
}
