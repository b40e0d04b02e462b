// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	cache "github.com/HatiCode/nestor/activities/bundle"
	"github.com/HatiCode/nestor/catalog/bundle"
)

// shelf is a source of archives that counts how often each is asked for.
type shelf struct {
	mu       sync.Mutex
	archives map[string][]byte
	asked    int
	closed   int
	// before is called at the beginning of each request.
	before func(ctx context.Context) error
}

// Bundle implements cache.Source.
func (s *shelf) Bundle(ctx context.Context, digest string) (io.ReadCloser, error) {
	s.mu.Lock()
	s.asked++
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	archive, there := s.archives[digest]
	if !there {
		return nil, errors.New("no such bundle")
	}
	return &book{Reader: bytes.NewReader(archive), shelf: s}, nil
}

type book struct {
	io.Reader
	shelf *shelf
}

func (b *book) Close() error {
	b.shelf.mu.Lock()
	defer b.shelf.mu.Unlock()
	b.shelf.closed++
	return nil
}

// put makes a bundle of some files and returns its digest.
func (s *shelf) put(t *testing.T, text string) string {
	t.Helper()
	b, err := bundle.New([]bundle.File{
		{Path: "module/main.tf", Data: []byte(text)},
		{Path: "module/scripts/run.sh", Data: []byte("#!/bin/sh\n"), Executable: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	archive, err := b.Archive()
	if err != nil {
		t.Fatal(err)
	}
	if s.archives == nil {
		s.archives = map[string][]byte{}
	}
	s.archives[b.Digest()] = archive
	return b.Digest()
}

// wantFiles fails unless the directory holds the bundle of that text.
func wantFiles(t *testing.T, dir, text string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, "module", "main.tf"))
	if err != nil || string(got) != text {
		t.Errorf("main.tf: %q, %v", got, err)
	}
	info, err := os.Stat(filepath.Join(dir, "module", "scripts", "run.sh"))
	if err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("run.sh: %v, %v", info, err)
	}
}

// entries of the cache's directory; none when it is not there.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	names := []string{}
	for _, entry := range list {
		names = append(names, entry.Name())
	}
	return names
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	digest, other := s.put(t, "one"), s.put(t, "two")
	c := cache.NewCache(s, filepath.Join(t.TempDir(), "bundles"))
	var first string
	for range 2 {
		dir, err := c.Directory(t.Context(), digest)
		if err != nil {
			t.Fatal(err)
		}
		wantFiles(t, dir, "one")
		first = dir
	}
	dir, err := c.Directory(t.Context(), other)
	if err != nil || dir == first {
		t.Fatalf("another bundle: %s, %v", dir, err)
	}
	wantFiles(t, dir, "two")
	if s.asked != 2 || s.closed != 2 {
		t.Errorf("%d archives were read and %d closed, want 2 of each", s.asked, s.closed)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	digest := s.put(t, "one")
	dir := filepath.Join(t.TempDir(), "bundles")
	// Two caches on one directory are two worker processes.
	caches := []*cache.Cache{cache.NewCache(s, dir), cache.NewCache(s, dir)}
	var ready sync.WaitGroup
	ready.Add(2)
	s.before = func(context.Context) error { // both are at it at the same time
		ready.Done()
		ready.Wait()
		return nil
	}
	var g errgroup.Group
	for i := range 40 {
		g.Go(func() error {
			got, err := caches[i%2].Directory(t.Context(), digest)
			if err != nil {
				return err
			}
			if _, err := os.Stat(filepath.Join(got, "module", "scripts", "run.sh")); err != nil {
				return fmt.Errorf("the directory is not whole: %w", err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if s.asked != 2 {
		t.Errorf("the archive was read %d times, want once by each", s.asked)
	}
	if diff := cmp.Diff([]string{strings.ReplaceAll(digest, ":", "-")}, entries(t, dir)); diff != "" {
		t.Errorf("what is in the directory (-want +got):\n%s", diff)
	}
}

func TestNothingIsLeftOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil  func(s *shelf, digest, other string)
		digest string // instead of the bundle's
		want   error  // nil: any
		reason string
	}{
		"truncated": {spoil: func(s *shelf, d, _ string) { s.archives[d] = s.archives[d][:40] }, reason: "half an archive"},
		"flipped":   {spoil: func(s *shelf, d, _ string) { s.archives[d][60] ^= 0xff }, reason: "a damaged archive"},
		"garbage":   {spoil: func(s *shelf, d, _ string) { s.archives[d] = []byte("no archive") }, reason: "no archive"},
		"empty":     {spoil: func(s *shelf, d, _ string) { s.archives[d] = nil }, reason: "no archive"},
		"exchanged": {spoil: func(s *shelf, d, other string) { s.archives[d] = s.archives[other] }, want: cache.ErrDigest, reason: "another bundle's files"},
		"missing":   {spoil: func(s *shelf, d, _ string) { delete(s.archives, d) }, reason: "the store has lost it"},
		"no digest": {digest: "sha256:../../etc", want: cache.ErrDigest, reason: "a path"},
		"nothing":   {digest: "..", want: cache.ErrDigest, reason: "a path that exists"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{}
			digest, other := s.put(t, "one"), s.put(t, "two")
			if tc.spoil != nil {
				tc.spoil(s, digest, other)
			}
			if tc.digest != "" {
				digest = tc.digest
			}
			dir := filepath.Join(t.TempDir(), "bundles")
			c := cache.NewCache(s, dir)
			got, err := c.Directory(t.Context(), digest)
			if err == nil || got != "" || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), digest) {
				t.Errorf("%s: got %q, %v", tc.reason, got, err)
			}
			if left := entries(t, dir); len(left) != 0 {
				t.Errorf("%s: left behind: %v", tc.reason, left)
			}
			if tc.digest != "" {
				return
			}
			// Mended, it can be had from the same cache.
			s.put(t, "one")
			mended, err := c.Directory(t.Context(), digest)
			if err != nil {
				t.Fatal(err)
			}
			wantFiles(t, mended, "one")
		})
	}
}

func TestAbandonedUnpackingsAreRemoved(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	digest := s.put(t, "one")
	dir := filepath.Join(t.TempDir(), "bundles")
	for name, age := range map[string]time.Duration{
		".unpacking-old/module": 2 * time.Hour, ".unpacking-busy/module": 30 * time.Minute, "sha256-whole/module": 3 * time.Hour,
	} {
		module := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(module, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(module, "main.tf"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Dir(module), then, then); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cache.NewCache(s, dir).Directory(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	want := []string{".unpacking-busy", strings.ReplaceAll(digest, ":", "-"), "sha256-whole"}
	slices.Sort(want)
	if diff := cmp.Diff(want, entries(t, dir)); diff != "" {
		t.Errorf("what is in the directory (-want +got):\n%s", diff)
	}
}

func TestOneCanceledStepDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	digest := s.put(t, "one")
	c := cache.NewCache(s, filepath.Join(t.TempDir(), "bundles"))
	reading, release := make(chan struct{}), make(chan struct{})
	begun := sync.OnceFunc(func() { close(reading) })
	s.before = func(ctx context.Context) error {
		begun()
		<-release
		return ctx.Err()
	}
	first, cancel := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error {
		if _, err := c.Directory(first, digest); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("the canceled step got %w", err)
		}
		close(release)
		return nil
	})
	<-reading
	var second errgroup.Group
	second.Go(func() error {
		_, err := c.Directory(t.Context(), digest)
		return err
	})
	cancel()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the other step, which nobody canceled, got %v", err)
	}
}
