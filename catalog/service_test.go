// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/sqlite"
)

const ada store.Principal = "user:ada"

type backend struct {
	store store.Store
	blobs blob.Store
}

func newBackend(t *testing.T) backend {
	t.Helper()
	dir := t.TempDir()
	st, err := sqlite.Open(t.Context(), filepath.Join(dir, "nestor.db"))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.OpenDirectory(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(st.Close(), blobs.Close()); err != nil {
			t.Error(err)
		}
	})
	return backend{store: st, blobs: blobs}
}

func newService(t *testing.T) *catalog.Service {
	t.Helper()
	b := newBackend(t)
	return catalog.NewService(b.store, b.blobs)
}

func definition(name, version, provider string) catalog.Definition {
	return catalog.Definition{
		APIVersion: catalog.APIVersion, Kind: catalog.Kind,
		Metadata: catalog.Metadata{Name: name, Version: version},
		Spec: catalog.Spec{
			Provider: provider, Category: "database", ResourceType: "mysql", Engines: []string{"terraform", "fake"},
			Inputs: []catalog.Field{{Name: "size", Type: catalog.TypeInteger, Default: int64(20)}},
		},
	}
}

func withModule(t *testing.T, d catalog.Definition, content string) (catalog.Definition, bundle.Bundle) {
	t.Helper()
	d.Spec.Implementations = map[string]catalog.Implementation{"terraform": {Module: "modules/db"}}
	b, err := bundle.New([]bundle.File{{Path: "modules/db/main.tf", Data: []byte(content)}})
	if err != nil {
		t.Fatal(err)
	}
	return d, b
}

func publish(t *testing.T, s *catalog.Service, d catalog.Definition) catalog.Published {
	t.Helper()
	p, created, err := s.Publish(t.Context(), ada, d, bundle.Bundle{})
	if err != nil || !created {
		t.Fatalf("publish %s: created %t, %v", d.Ref(), created, err)
	}
	return p
}

func events(t *testing.T, s *catalog.Service) []string {
	t.Helper()
	list, err := s.Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%d %s %s@%s by %s", e.Sequence, e.Type, e.Name, e.Version, e.Principal))
	}
	return out
}

func TestPublish(t *testing.T) {
	t.Parallel()
	s := newService(t)
	d, b := withModule(t, definition("db", "1.0.0", "aws"), "resource")
	p, created, err := s.Publish(t.Context(), ada, d, b)
	if err != nil || !created {
		t.Fatalf("created %t, %v", created, err)
	}
	if p.PublishedBy != "user:ada" || time.Since(p.PublishedAt) > time.Minute || p.BundleDigest != b.Digest() {
		t.Errorf("published %+v", p)
	}
	if want, err := catalog.Digest(d, b.Digest()); err != nil || p.Digest != want {
		t.Errorf("digest %s, want %s, %v", p.Digest, want, err)
	}
	got, err := s.Get(t.Context(), "db", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	byDigest, err := s.GetByDigest(t.Context(), p.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, byDigest); diff != "" {
		t.Errorf("read by digest (-want +got):\n%s", diff)
	}
	archive, err := s.Bundle(t.Context(), p.BundleDigest)
	if err != nil {
		t.Fatal(err)
	}
	read, err := bundle.Read(archive)
	if err := errors.Join(err, archive.Close()); err != nil || !read.Equal(b) {
		t.Errorf("the bundle came back changed: %v", err)
	}
	again, created, err := s.Publish(t.Context(), "user:bob", d, b)
	if err != nil || created {
		t.Errorf("the same content again: created %t, %v", created, err)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Errorf("the same content again (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1 published db@1.0.0 by user:ada"}, events(t, s)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestPublishIsImmutable(t *testing.T) {
	t.Parallel()
	s := newService(t)
	d, b := withModule(t, definition("db", "1.0.0", "aws"), "one")
	first, _, err := s.Publish(t.Context(), ada, d, b)
	if err != nil {
		t.Fatal(err)
	}
	_, otherFiles := withModule(t, d, "two")
	otherText := d
	otherText.Spec.Description = "changed"
	for name, attempt := range map[string]func() error{
		"files":      func() error { _, _, err := s.Publish(t.Context(), ada, d, otherFiles); return err },
		"definition": func() error { _, _, err := s.Publish(t.Context(), ada, otherText, b); return err },
	} {
		err := attempt()
		var immutable *catalog.ImmutableError
		if !errors.As(err, &immutable) {
			t.Fatalf("other %s: got %v", name, err)
		}
		for _, part := range []string{"db@1.0.0", first.Digest, immutable.Other, "publish a new version"} {
			if part == "" || !strings.Contains(err.Error(), part) {
				t.Errorf("other %s: %q is not in %v", name, part, err)
			}
		}
	}
	if got, err := s.Get(t.Context(), "db", "1.0.0"); err != nil || got.Digest != first.Digest {
		t.Errorf("the published version changed: %s, %v", got.Digest, err)
	}
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	withFiles, files := withModule(t, definition("db", "1.0.0", "aws"), "x")
	invalid := definition("db", "v1", "aws")
	tests := map[string]struct {
		reason string
		d      catalog.Definition
		b      bundle.Bundle
		want   string
	}{
		"invalid":       {"validated again, whoever calls", invalid, bundle.Bundle{}, `metadata.version: "v1" is not a semantic version`},
		"missing files": {"a module without files cannot run", withFiles, bundle.Bundle{}, `spec.implementations.terraform.module: the files of module "modules/db" were not sent`},
		"extra files":   {"nothing travels unused", definition("db", "1.0.0", "aws"), files, `file "modules/db/main.tf" belongs to no module`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, created, err := s.Publish(t.Context(), ada, tc.d, tc.b)
			var problems manifest.Problems
			if !errors.As(err, &problems) || created || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s:\n got %v\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
	t.Run("no principal", func(t *testing.T) {
		t.Parallel()
		if _, _, err := s.Publish(t.Context(), "", definition("other", "1.0.0", "aws"), bundle.Bundle{}); !errors.Is(err, store.ErrNoPrincipal) {
			t.Errorf("got %v", err)
		}
	})
	t.Cleanup(func() {
		if list, err := s.Events(context.Background(), 0, 0); err != nil || len(list) > 0 {
			t.Errorf("something was published: %v, %v", list, err)
		}
	})
}

func TestPublishConcurrently(t *testing.T) {
	t.Parallel()
	backend := newBackend(t)
	const writers, contents = 12, 3
	type outcome struct {
		p       catalog.Published
		created bool
		err     error
	}
	outcomes := make([]outcome, writers)
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			s := catalog.NewService(backend.store, backend.blobs)
			d := definition("db", "1.0.0", "aws")
			d.Spec.Description = strconv.Itoa(i % contents)
			p, created, err := s.Publish(t.Context(), ada, d, bundle.Bundle{})
			outcomes[i] = outcome{p, created, err}
		})
	}
	group.Wait()
	s := catalog.NewService(backend.store, backend.blobs)
	winner, err := s.Get(t.Context(), "db", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	created := 0
	for i, o := range outcomes {
		var immutable *catalog.ImmutableError
		mine := strconv.Itoa(i%contents) == winner.Definition.Spec.Description
		switch {
		case mine && (o.err != nil || o.p.Digest != winner.Digest):
			t.Errorf("writer %d sent what was published and got %v", i, o.err)
		case !mine && !errors.As(o.err, &immutable):
			t.Errorf("writer %d sent other content and got %v", i, o.err)
		case o.created:
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d writers created the version", created)
	}
	if diff := cmp.Diff([]string{"1 published db@1.0.0 by user:ada"}, events(t, s)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestGetMissing(t *testing.T) {
	t.Parallel()
	s := newService(t)
	publish(t, s, definition("database", "1.0.0", "aws"))
	publish(t, s, definition("database", "1.1.0", "aws"))
	digest := "sha256:" + strings.Repeat("0", 64)
	tests := map[string]struct {
		reason string
		get    func() error
		want   string
	}{
		"name":      {"with a suggestion", func() error { _, err := s.Get(t.Context(), "databse", "1.0.0"); return err }, `the catalog has no definition "databse"; did you mean "database"?`},
		"version":   {"with what there is", func() error { _, err := s.Get(t.Context(), "database", "2.0.0"); return err }, `database has no version for "2.0.0"; there are 1.1.0, 1.0.0`},
		"nonsense":  {"whatever is asked for", func() error { _, err := s.Get(t.Context(), "database", "\x00"); return err }, "database has no version"},
		"versions":  {"of an unknown name", func() error { _, err := s.Versions(t.Context(), "databse"); return err }, "did you mean"},
		"resolve":   {"of an unknown name", func() error { _, err := s.Resolve(t.Context(), "databse@^1"); return err }, "did you mean"},
		"digest":    {"nothing has it", func() error { _, err := s.GetByDigest(t.Context(), digest); return err }, digest},
		"no digest": {"and this is none", func() error { _, err := s.GetByDigest(t.Context(), "latest"); return err }, `"latest" is not a digest`},
		"bundle":    {"nothing has it", func() error { _, err := s.Bundle(t.Context(), digest); return err }, "bundle " + digest},
		"no bundle": {"and a path is none", func() error { _, err := s.Bundle(t.Context(), "../../x"); return err }, "is not a digest"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := tc.get(); !errors.Is(err, catalog.ErrNotFound) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s:\n got %v\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func TestDeprecate(t *testing.T) {
	t.Parallel()
	s := newService(t)
	publish(t, s, definition("db", "1.0.0", "aws"))
	published := publish(t, s, definition("db", "1.1.0", "aws"))
	p, err := s.Deprecate(t.Context(), "user:bob", "db", "1.1.0", " use 1.0.0 \n")
	if err != nil || p.Deprecated != "use 1.0.0" || p.Digest != published.Digest {
		t.Fatalf("deprecated %+v, %v", p, err)
	}
	if _, err := s.Deprecate(t.Context(), ada, "db", "1.1.0", "use 1.0.0"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if p, err := s.Resolve(t.Context(), "db"); err != nil || p.Definition.Metadata.Version != "1.0.0" {
		t.Errorf("latest is %s, %v", p.Definition.Ref(), err)
	}
	again, created, err := s.Publish(t.Context(), ada, definition("db", "1.1.0", "aws"), bundle.Bundle{})
	if err != nil || created || again.Deprecated != "use 1.0.0" {
		t.Errorf("publishing it again: created %t, deprecated %q, %v", created, again.Deprecated, err)
	}
	want := []string{"1 published db@1.0.0 by user:ada", "2 published db@1.1.0 by user:ada", "3 deprecated db@1.1.0 by user:bob"}
	if diff := cmp.Diff(want, events(t, s)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, message := range []string{"", " \n", strings.Repeat("x", 1001)} {
		if _, err := s.Deprecate(t.Context(), ada, "db", "1.0.0", message); !errors.Is(err, catalog.ErrDeprecation) {
			t.Errorf("message of %d bytes: %v", len(message), err)
		}
	}
	if _, err := s.Deprecate(t.Context(), ada, "db", "9.0.0", "x"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("an unknown version: %v", err)
	}
}

func TestDeprecateConcurrently(t *testing.T) {
	t.Parallel()
	s := newService(t)
	publish(t, s, definition("db", "1.0.0", "aws"))
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() {
			_, errs[i] = s.Deprecate(t.Context(), ada, "db", "1.0.0", fmt.Sprint("message ", i))
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if got := len(events(t, s)); got != len(errs)+1 {
		t.Errorf("%d events, want %d", got, len(errs)+1)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for _, d := range []catalog.Definition{
		definition("aws-mysql", "1.0.0", "aws"), definition("aws-mysql", "1.10.0", "aws"), definition("aws-mysql", "1.9.0", "aws"),
		definition("gcp-mysql", "1.0.0", "gcp"), definition("gcp-beta", "1.0.0-rc.1", "gcp"),
	} {
		publish(t, s, d)
	}
	redis := definition("redis-cluster", "2.0.0", "aws")
	redis.Spec.Category, redis.Spec.ResourceType, redis.Spec.Description = "cache", "redis", "A Cache in memory"
	redis.Metadata.Labels = map[string]string{"tier": "gold"}
	publish(t, s, redis)
	tests := map[string]struct {
		reason string
		filter catalog.Filter
		want   []string
	}{
		"all":          {"by name, each with its preferred version", catalog.Filter{}, []string{"aws-mysql@1.10.0", "gcp-beta@1.0.0-rc.1", "gcp-mysql@1.0.0", "redis-cluster@2.0.0"}},
		"name":         {"a part of it", catalog.Filter{Name: "MySQL"}, []string{"aws-mysql@1.10.0", "gcp-mysql@1.0.0"}},
		"provider":     {"the whole of it", catalog.Filter{Provider: "aws"}, []string{"aws-mysql@1.10.0", "redis-cluster@2.0.0"}},
		"category":     {"the whole of it", catalog.Filter{Category: "cache"}, []string{"redis-cluster@2.0.0"}},
		"type":         {"together with another", catalog.Filter{ResourceType: "mysql", Provider: "gcp"}, []string{"gcp-beta@1.0.0-rc.1", "gcp-mysql@1.0.0"}},
		"text":         {"every word, anywhere", catalog.Filter{Text: "memory CACHE tier=gold"}, []string{"redis-cluster@2.0.0"}},
		"text no word": {"one word is missing", catalog.Filter{Text: "memory oracle"}, nil},
		"page":         {"the second page", catalog.Filter{Cursor: "gcp-beta", Limit: 1}, []string{"gcp-mysql@1.0.0"}},
		"after all":    {"beyond the end", catalog.Filter{Cursor: "zzz"}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := s.Search(t.Context(), tc.filter)
			if err != nil {
				t.Fatal(err)
			}
			var refs []string
			for _, item := range page.Items {
				refs = append(refs, item.Preferred.Definition.Ref())
			}
			if diff := cmp.Diff(tc.want, refs); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	t.Run("pages", func(t *testing.T) {
		t.Parallel()
		var names []string
		filter := catalog.Filter{Limit: 2}
		for {
			page, err := s.Search(t.Context(), filter)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Items {
				names = append(names, item.Preferred.Definition.Metadata.Name)
			}
			if page.Next == "" {
				break
			}
			filter.Cursor = page.Next
		}
		if diff := cmp.Diff([]string{"aws-mysql", "gcp-beta", "gcp-mysql", "redis-cluster"}, names); diff != "" {
			t.Errorf("names over all pages (-want +got):\n%s", diff)
		}
	})
	t.Run("versions", func(t *testing.T) {
		t.Parallel()
		page, err := s.Search(t.Context(), catalog.Filter{Name: "aws-mysql"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1.0.0", "1.9.0", "1.10.0"}, page.Items[0].Versions); diff != "" {
			t.Errorf("versions (-want +got):\n%s", diff)
		}
	})
	t.Run("bad filter", func(t *testing.T) {
		t.Parallel()
		for _, filter := range []catalog.Filter{{Limit: -1}, {Limit: catalog.MaxLimit + 1}, {Cursor: "../x"}} {
			_, err := s.Search(t.Context(), filter)
			var filterError *catalog.FilterError
			if !errors.As(err, &filterError) {
				t.Errorf("%+v: got %v", filter, err)
			}
		}
	})
}

func TestSnapshotFollowsOtherWriters(t *testing.T) {
	t.Parallel()
	backend := newBackend(t)
	reader := catalog.NewService(backend.store, backend.blobs)
	writer := catalog.NewService(backend.store, backend.blobs)
	versions := func() (refs []string) {
		snapshot, err := reader.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range snapshot.Names() {
			for _, p := range snapshot.Versions(name) {
				refs = append(refs, strings.TrimSuffix(p.Definition.Ref()+" "+p.Deprecated, " "))
			}
		}
		return refs
	}
	if got := versions(); got != nil {
		t.Errorf("an empty catalog holds %v", got)
	}
	publish(t, writer, definition("a", "1.0.0", "aws"))
	first := versions()
	publish(t, writer, definition("b", "1.0.0", "aws"))
	publish(t, writer, definition("a", "1.1.0", "aws"))
	second := versions()
	if _, err := writer.Deprecate(t.Context(), ada, "a", "1.0.0", "old"); err != nil {
		t.Fatal(err)
	}
	third := versions()
	want := [][]string{{"a@1.0.0"}, {"a@1.0.0", "a@1.1.0", "b@1.0.0"}, {"a@1.0.0 old", "a@1.1.0", "b@1.0.0"}}
	if diff := cmp.Diff(want, [][]string{first, second, third}); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	only, err := reader.Snapshot(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b"}, only.Names()); diff != "" {
		t.Errorf("one name (-want +got):\n%s", diff)
	}
	found, err := reader.FindByType(t.Context(), "aws", "mysql")
	if err != nil || len(found) != 3 {
		t.Errorf("found %d, %v", len(found), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := reader.Snapshot(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	s := newService(t)
	publish(t, s, definition("a", "1.0.0", "aws"))
	publish(t, s, definition("a", "1.1.0", "aws"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var seen []int64
	for event, err := range s.Follow(ctx, 1, 10*time.Millisecond) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, event.Sequence)
		if event.Sequence == 2 {
			publish(t, s, definition("a", "1.2.0", "aws"))
		}
		if event.Sequence == 3 {
			break
		}
	}
	if diff := cmp.Diff([]int64{2, 3}, seen); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
}

func TestBundleDamaged(t *testing.T) {
	t.Parallel()
	backend := newBackend(t)
	s := catalog.NewService(backend.store, backend.blobs)
	d, b := withModule(t, definition("db", "1.0.0", "aws"), "x")
	p, _, err := s.Publish(t.Context(), ada, d, b)
	if err != nil {
		t.Fatal(err)
	}
	_, other := withModule(t, d, "y")
	archive, err := other.Archive()
	if err != nil {
		t.Fatal(err)
	}
	for info, err := range backend.blobs.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := backend.blobs.Put(t.Context(), info.Key, bytes.NewReader(archive)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Bundle(t.Context(), p.BundleDigest); err == nil || errors.Is(err, catalog.ErrNotFound) || !strings.Contains(err.Error(), "publish the definition again") {
		t.Errorf("other files under the digest: %v", err)
	}
	if _, created, err := s.Publish(t.Context(), ada, d, b); err != nil || created {
		t.Fatalf("publishing again: created %t, %v", created, err)
	}
	repaired, err := s.Bundle(t.Context(), p.BundleDigest)
	if err != nil {
		t.Fatalf("after publishing again: %v", err)
	}
	if _, err := io.Copy(io.Discard, repaired); err != nil {
		t.Error(err)
	}
	if err := repaired.Close(); err != nil {
		t.Error(err)
	}
}
