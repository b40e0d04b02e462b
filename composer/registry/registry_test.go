// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/sqlite"
)

const ada = store.Principal("user:ada")

func open(t *testing.T) *registry.Registry {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "nestor.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := blob.OpenDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return registry.New(s, b)
}

func composition(team, name, description string) composer.Composition {
	return composer.Composition{
		APIVersion: composer.APIVersion, Kind: composer.KindComposition,
		Metadata: composer.CompositionMetadata{Name: name, Team: team},
		Spec: composer.CompositionSpec{
			Description: description,
			Params:      []catalog.Field{{Name: "n", Type: catalog.TypeInteger, Default: int64(3)}},
			Resources:   []composer.Resource{{Name: "db", CatalogRef: "mysql"}},
		},
	}
}

func release(t *testing.T, team, commit string) composer.Release {
	t.Helper()
	r := composer.Release{
		SchemaVersion: composer.ReleaseSchema, Team: team, Application: "shop", Commit: commit,
		Claims: []composer.ResolvedClaim{},
		Bindings: map[string]map[string]composer.Binding{
			"staging": {"web.db": {Definition: "mysql", Version: "1.0.0", Provider: "aws", Parameters: map[string]any{"s": "x"}}},
		},
	}
	var err error
	if r.Digest, err = composer.ReleaseDigest(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCompositions(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	first := composition("alpha", "web-app", "one")
	stored, changed, err := r.PutComposition(ctx, ada, first, 0)
	if err != nil || !changed || stored.Revision != 1 || stored.UpdatedBy != string(ada) || stored.UpdatedAt.IsZero() {
		t.Fatalf("created: %+v, %t, %v", stored, changed, err)
	}
	if diff := cmp.Diff(first, stored.Composition); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	again, changed, err := r.PutComposition(ctx, "user:bob", first, registry.AnyRevision)
	if err != nil || changed {
		t.Fatalf("the same again: changed %t, %v", changed, err)
	}
	if diff := cmp.Diff(stored, again); diff != "" {
		t.Errorf("the same again (-want +got):\n%s", diff)
	}
	second := composition("alpha", "web-app", "two")
	updated, changed, err := r.PutComposition(ctx, ada, second, 1)
	if err != nil || !changed || updated.Revision != 2 {
		t.Fatalf("updated: %+v, %t, %v", updated, changed, err)
	}
	for reason, revision := range map[string]int64{"an old revision": 1, "creating what is there": 0, "one from the future": 3} {
		if _, _, err := r.PutComposition(ctx, ada, first, revision); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: got error %v, want a conflict", reason, err)
		}
	}
	old, err := r.CompositionByDigest(ctx, stored.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, old); diff != "" {
		t.Errorf("the old content (-want +got):\n%s", diff)
	}
	if err := r.DeleteComposition(ctx, ada, "alpha", "web-app", 1); !errors.Is(err, store.ErrConflict) {
		t.Errorf("deleting an old revision: got error %v, want a conflict", err)
	}
	if err := r.DeleteComposition(ctx, ada, "alpha", "web-app", 2); err != nil {
		t.Fatal(err)
	}
	if _, err := r.GetComposition(ctx, "alpha", "web-app"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after deletion: %v", err)
	}
	if err := r.DeleteComposition(ctx, ada, "alpha", "web-app", registry.AnyRevision); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleting twice: %v", err)
	}
	if _, err := r.CompositionByDigest(ctx, updated.Digest); err != nil {
		t.Errorf("the content of a deleted composition: %v", err)
	}
}

func TestTeamsAreSeparate(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	for _, team := range []string{"alpha", "alpha-2", "beta"} {
		for _, name := range []string{"web-app", "worker", "a"} {
			if _, _, err := r.PutComposition(ctx, ada, composition(team, name, team), 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := r.PutRelease(ctx, ada, release(t, team, team)); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for cursor := ""; ; {
		page, err := r.ListCompositions(ctx, "alpha", cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Compositions {
			names = append(names, c.Composition.Metadata.Team+"/"+c.Composition.Metadata.Name)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"alpha/a", "alpha/web-app", "alpha/worker"}, names); diff != "" {
		t.Errorf("one team's list (-want +got):\n%s", diff)
	}
	page, err := r.ListReleases(ctx, "alpha", "shop", "", 0)
	if err != nil || len(page.Releases) != 1 || page.Releases[0].Team != "alpha" {
		t.Errorf("one team's releases: %+v, %v", page, err)
	}
	foreign := release(t, "beta", "beta").Digest
	if _, err := r.GetRelease(ctx, "alpha", "shop", foreign); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another team's release by digest: %v", err)
	}
	for _, team := range []string{"", "alpha/../beta", "alpha#", "Alpha"} {
		if _, err := r.ListCompositions(ctx, team, "", 0); err == nil {
			t.Errorf("team %q was accepted", team)
		}
	}
	if _, err := r.ListCompositions(ctx, "alpha", "\x00", 0); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a cursor that no page gave: %v", err)
	}
}

func TestPutCompositionChecks(t *testing.T) {
	t.Parallel()
	r := open(t)
	bad := composition("alpha", "web-app", "")
	bad.Spec.Dependencies = []string{"db → db"}
	var problems manifest.Problems
	if _, _, err := r.PutComposition(t.Context(), ada, bad, registry.AnyRevision); !errors.As(err, &problems) {
		t.Errorf("got error %v, want manifest.Problems", err)
	}
	if _, _, err := r.PutComposition(t.Context(), "", composition("alpha", "web-app", ""), registry.AnyRevision); !errors.Is(err, store.ErrNoPrincipal) {
		t.Errorf("got error %v, want ErrNoPrincipal", err)
	}
	if _, err := r.GetComposition(t.Context(), "alpha", "web-app"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a refused write left something: %v", err)
	}
}

func TestConcurrentPuts(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wait.Go(func() {
			_, _, errs[i] = r.PutComposition(ctx, ada, composition("alpha", "web-app", strconv.Itoa(i)), registry.AnyRevision)
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	got, err := r.GetComposition(ctx, "alpha", "web-app")
	if err != nil || got.Revision != int64(len(errs)) {
		t.Errorf("revision %d after %d writes, %v", got.Revision, len(errs), err)
	}
}

func TestReleases(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	start := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	var digests []string
	for i := range 5 {
		given := release(t, "alpha", strconv.Itoa(i))
		given.CreatedAt = start.Add(time.Duration(i) * time.Minute)
		stored, created, err := r.PutRelease(ctx, ada, given)
		if err != nil || !created || stored.CreatedBy != string(ada) {
			t.Fatalf("put: %+v, %t, %v", stored, created, err)
		}
		digests = append([]string{stored.Digest}, digests...)
		got, err := r.GetRelease(ctx, "alpha", "shop", stored.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stored, got); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
	}
	var listed []string
	for cursor := ""; ; {
		page, err := r.ListReleases(ctx, "alpha", "shop", cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Releases {
			listed = append(listed, s.Digest)
			if diff := cmp.Diff([]string{"staging"}, s.Environments); diff != "" {
				t.Errorf("environments (-want +got):\n%s", diff)
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if diff := cmp.Diff(digests, listed); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}
	for reason, digest := range map[string]string{"twelve digits": digests[0][7:19], "with the scheme": digests[0][:30], "all of it": digests[0]} {
		if got, err := r.GetRelease(ctx, "alpha", "shop", digest); err != nil || got.Digest != digests[0] {
			t.Errorf("%s: %s, %v", reason, got.Digest, err)
		}
	}
	for reason, digest := range map[string]string{"too short": digests[0][7:18], "none such": strings.Repeat("0", 64), "no digits": "sha256:../../alpha", "too long": digests[0] + "0", "empty": ""} {
		if _, err := r.GetRelease(ctx, "alpha", "shop", digest); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: got error %v, want ErrNotFound", reason, err)
		}
	}
}

func TestPutReleaseAgain(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	given := release(t, "alpha", "x")
	first, _, err := r.PutRelease(ctx, ada, given)
	if err != nil {
		t.Fatal(err)
	}
	given.Unbound = map[string]string{"production": "no definition"}
	second, created, err := r.PutRelease(ctx, "user:bob", given)
	if err != nil || created {
		t.Fatalf("created %t, %v", created, err)
	}
	first.Unbound = given.Unbound
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("a release is made once (-want +got):\n%s", diff)
	}
	given.Commit = "forged"
	if _, _, err := r.PutRelease(ctx, ada, given); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a digest of other content: got error %v, want ErrInvalid", err)
	}
}

// TestLargeRecords: what is above a document's size lies in the blob store and
// reads like any other.
func TestLargeRecords(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	large := release(t, "alpha", "x")
	for i := range 5000 {
		large.Bindings["staging"][fmt.Sprintf("web.r%d", i)] = composer.Binding{Definition: strings.Repeat("d", 60), Version: "1.0.0", Provider: "aws", Parameters: map[string]any{"s": "<&>"}}
	}
	var err error
	if large.Digest, err = composer.ReleaseDigest(large); err != nil {
		t.Fatal(err)
	}
	stored, created, err := r.PutRelease(ctx, ada, large)
	if err != nil || !created {
		t.Fatalf("created %t, %v", created, err)
	}
	got, err := r.GetRelease(ctx, "alpha", "shop", large.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	c := composition("alpha", "web-app", strings.Repeat("text ", 100_000))
	if _, _, err := r.PutComposition(ctx, ada, c, 0); err != nil {
		t.Fatal(err)
	}
	page, err := r.ListCompositions(ctx, "alpha", "", 0)
	if err != nil || len(page.Compositions) != 1 {
		t.Fatalf("%d compositions, %v", len(page.Compositions), err)
	}
	if diff := cmp.Diff(c, page.Compositions[0].Composition); diff != "" {
		t.Errorf("a large composition (-want +got):\n%s", diff)
	}
}
