// SPDX-License-Identifier: Apache-2.0

// Package blobtest is the suite that every implementation of blob.Store
// passes: the contract of package blob, as tests.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/store/blob"
)

// Open opens one more handle on the same blobs. Whoever made it releases it.
type Open func(t *testing.T) blob.Store

// Run runs the suite. It calls place once for each case, for a place that
// holds nothing yet, and opens one or several handles on it.
func Run(t *testing.T, place func(t *testing.T) Open) {
	t.Helper()
	for name, c := range map[string]func(*testing.T, Open){
		"put and get":       putAndGet,
		"nothing":           nothing,
		"failed put":        failedPut,
		"open blob stays":   openBlobStays,
		"nested keys":       nestedKeys,
		"list":              list,
		"delete prefix":     deletePrefix,
		"bad keys":          badKeys,
		"size limit":        sizeLimit,
		"canceled context":  canceled,
		"concurrent puts":   concurrentPuts,
		"puts and deletes":  putsAndDeletes,
		"two handles":       twoHandles,
		"all allowed bytes": allowedBytes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c(t, place(t))
		})
	}
}

const limit = 1 << 20

func put(t *testing.T, s blob.Store, key, data string) {
	t.Helper()
	if err := blob.PutBytes(t.Context(), s, key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, s blob.Store, key, data string) {
	t.Helper()
	got, err := blob.GetBytes(t.Context(), s, key, limit)
	if err != nil {
		t.Errorf("get: %v", err)
	}
	if diff := cmp.Diff(data, string(got)); diff != "" {
		t.Errorf("blob %s (-want +got):\n%s", key, diff)
	}
	if exists, err := s.Exists(t.Context(), key); err != nil || !exists {
		t.Errorf("exists %s: %t, %v", key, exists, err)
	}
}

func wantNone(t *testing.T, s blob.Store, key string) {
	t.Helper()
	if r, err := s.Get(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("get %s: %v, %v, want ErrNotFound", key, r, err)
	}
	if exists, err := s.Exists(t.Context(), key); err != nil || exists {
		t.Errorf("exists %s: %t, %v", key, exists, err)
	}
}

func keys(t *testing.T, s blob.Store, prefix string) []string {
	t.Helper()
	var all []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		all = append(all, info.Key)
	}
	return all
}

func wantKeys(t *testing.T, s blob.Store, prefix string, expected ...string) {
	t.Helper()
	if diff := cmp.Diff(expected, keys(t, s, prefix), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("list %q (-want +got):\n%s", prefix, diff)
	}
}

func putAndGet(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	for _, data := range []string{"", "one", "longer than before", "x", "\x00\xff\n"} {
		for range 2 {
			put(t, s, "a/b", data)
			want(t, s, "a/b", data)
		}
	}
	big := strings.Repeat("0123456789abcdef", limit/16)
	put(t, s, "big", big)
	want(t, s, "big", big)
	for info, err := range s.List(t.Context(), "big") {
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(info.Modified); age < -time.Minute || age > time.Minute || info.Modified.Location() != time.UTC {
			t.Errorf("modified %s, want about now in UTC", info.Modified)
		}
		if diff := cmp.Diff(blob.Info{Key: "big", Size: limit}, info, cmpopts.IgnoreFields(blob.Info{}, "Modified")); diff != "" {
			t.Errorf("info (-want +got):\n%s", diff)
		}
	}
}

func nothing(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	wantNone(t, s, "a")
	wantNone(t, s, "a/b")
	wantKeys(t, s, "")
	wantKeys(t, s, "a/")
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	if err := s.DeletePrefix(t.Context(), "a/"); err != nil {
		t.Errorf("delete of no prefix: %v", err)
	}
	put(t, s, "a/b", "1")
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Errorf("delete: %v", err)
	}
	wantNone(t, s, "a/b")
	wantKeys(t, s, "")
}

// failedPut: a reader that breaks off leaves what was there, and no trace.
func failedPut(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	broken := errors.New("broken")
	body := func() io.Reader {
		return io.MultiReader(strings.NewReader(strings.Repeat("new", 100_000)), iotest.ErrReader(broken))
	}
	if err := s.Put(t.Context(), "a/b", body()); !errors.Is(err, broken) {
		t.Errorf("put: %v, want the reader's error", err)
	}
	wantNone(t, s, "a/b")
	put(t, s, "a/b", "old")
	if err := s.Put(t.Context(), "a/b", body()); !errors.Is(err, broken) {
		t.Errorf("put: %v, want the reader's error", err)
	}
	want(t, s, "a/b", "old")
	wantKeys(t, s, "", "a/b")
}

func openBlobStays(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	put(t, s, "a", "old")
	for name, change := range map[string]func() error{
		"replaced": func() error { return blob.PutBytes(t.Context(), s, "a", []byte("new")) },
		"deleted":  func() error { return s.Delete(t.Context(), "a") },
	} {
		put(t, s, "a", "old")
		r, err := s.Get(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || string(data) != "old" {
			t.Errorf("blob %s while open reads %q, %v", name, data, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// nestedKeys: a key may continue another one.
func nestedKeys(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	nested := []string{"a", "a/b", "a/b/c", "a.b", "a-b", "a/.b"}
	for _, key := range nested {
		put(t, s, key, key)
	}
	for _, key := range nested {
		want(t, s, key, key)
	}
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, "a/b")
	want(t, s, "a", "a")
	want(t, s, "a/b/c", "a/b/c")
}

func list(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	all := []string{
		"a", "a-b", "a.b", "a/b", "a/b/c", "a/b0", "a/c", "a0", "aa/b", "b/c/d/e", "sha256:00/x", "run/1/log", "run/10/log", "run/1", "R",
	}
	for _, key := range all {
		put(t, s, key, "x")
	}
	slices.Sort(all)
	for _, prefix := range []string{
		"", "a", "a/", "a/b", "a/b/", "a.", "run/1", "run/1/", "sha256:", "b/c", "b/c/d/e", "b/c/d/e/", "z", "z/z", "R", "r",
	} {
		var expected []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				expected = append(expected, key)
			}
		}
		wantKeys(t, s, prefix, expected...)
	}
	for info, err := range s.List(t.Context(), "") {
		if err != nil || info.Key != all[0] {
			t.Errorf("first is %s, %v", info.Key, err)
		}
		break
	}
}

func deletePrefix(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	for _, key := range []string{"run/1", "run/1/a", "run/1/b/c", "run/10/a", "run/2"} {
		put(t, s, key, "x")
	}
	for _, prefix := range []string{"", "run/1", "run", "/", "../", "run/../"} {
		if err := s.DeletePrefix(t.Context(), prefix); !errors.Is(err, blob.ErrKey) {
			t.Errorf("delete of prefix %q: %v, want ErrKey", prefix, err)
		}
	}
	if err := s.DeletePrefix(t.Context(), "run/1/"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "", "run/1", "run/10/a", "run/2")
}

func badKeys(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	put(t, s, "a/b", "x")
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", ".a", ".incomplete/a", "a\\b", "a b",
		"a\x00", "a\n", "é", "a%2e", "~", "a*", "a?", "a.blob", "a.blob/b", "C:\\a", "a/b/",
		strings.Repeat("a", blob.MaxSegmentBytes+1), strings.Repeat("a/", blob.MaxKeyBytes),
	} {
		_, getErr := s.Get(t.Context(), key)
		_, existsErr := s.Exists(t.Context(), key)
		for name, err := range map[string]error{
			"put": blob.PutBytes(t.Context(), s, key, nil), "get": getErr, "exists": existsErr, "delete": s.Delete(t.Context(), key),
		} {
			if !errors.Is(err, blob.ErrKey) {
				t.Errorf("%s of %q: %v, want ErrKey", name, key, err)
			}
		}
	}
	for _, prefix := range []string{"/", "../", "a/../", "a//", "é", "a/./", "a b", "a*", "a\x00", strings.Repeat("a", blob.MaxKeyBytes+1)} {
		refused := 0
		for _, err := range s.List(t.Context(), prefix) {
			if errors.Is(err, blob.ErrKey) {
				refused++
			}
		}
		if refused != 1 {
			t.Errorf("list of %q: %d refusals, want one ErrKey", prefix, refused)
		}
	}
	for _, prefix := range []string{".", "..", ".incomplete", "a/..", "a/.", "a.blob", strings.Repeat("a", blob.MaxSegmentBytes)} {
		wantKeys(t, s, prefix)
	}
	wantKeys(t, s, "", "a/b")
}

func allowedBytes(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	var names []string
	for c := byte('!'); c < 0x7f; c++ {
		key := "k" + string(c)
		if blob.ValidateKey(key) == nil {
			names = append(names, key)
			put(t, s, key, key)
		}
	}
	if len(names) != 26+26+10+7 {
		t.Errorf("%d bytes are allowed: %v", len(names), names)
	}
	for _, key := range names {
		want(t, s, key, key)
	}
	wantKeys(t, s, "", names...)

	segment := strings.Repeat("s", blob.MaxSegmentBytes)
	long := strings.Join([]string{segment, segment, segment, segment, segment}, "/")
	put(t, s, long, "x")
	want(t, s, long, "x")
}

func sizeLimit(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	put(t, s, "a", "12345")
	if data, err := blob.GetBytes(t.Context(), s, "a", 5); err != nil || !bytes.Equal(data, []byte("12345")) {
		t.Errorf("get at the limit: %q, %v", data, err)
	}
	if _, err := blob.GetBytes(t.Context(), s, "a", 4); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("get above the limit: %v, want ErrTooLarge", err)
	}
}

func canceled(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	put(t, s, "a/b", "old")
	ctx, cancel := context.WithCancel(t.Context())
	// The context ends while the blob is being read.
	half := io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, nil
	}), strings.NewReader("half"))
	if err := s.Put(ctx, "a/b", half); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v, want context.Canceled", err)
	}
	_, getErr := s.Get(ctx, "a/b")
	_, existsErr := s.Exists(ctx, "a/b")
	var listErr error
	for _, err := range s.List(ctx, "") {
		listErr = err
	}
	for name, err := range map[string]error{
		"get": getErr, "exists": existsErr, "list": listErr,
		"delete": s.Delete(ctx, "a/b"), "delete prefix": s.DeletePrefix(ctx, "a/"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	want(t, s, "a/b", "old")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// concurrentPuts: readers see one whole blob or another.
func concurrentPuts(t *testing.T, open Open) {
	t.Helper()
	const writers, rounds, size = 4, 25, 20_000
	handles := []blob.Store{open(t), open(t)}
	content := func(w int) string { return strings.Repeat("abcdefgh"[w:w+1], size+w) }
	put(t, handles[0], "a/b", content(0))
	g, ctx := errgroup.WithContext(t.Context())
	for w := range writers {
		s, other := handles[w%2], handles[(w+1)%2]
		g.Go(func() error {
			for range rounds {
				if err := blob.PutBytes(ctx, s, "a/b", []byte(content(w))); err != nil {
					return err
				}
				data, err := blob.GetBytes(ctx, other, "a/b", limit)
				if err != nil {
					return err
				}
				if len(data) < size || string(data) != content(int(data[0]-'a')) {
					return fmt.Errorf("blob of %d bytes is nobody's", len(data))
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// putsAndDeletes: neighbours come and go without disturbing each other.
func putsAndDeletes(t *testing.T, open Open) {
	t.Helper()
	const writers, rounds = 4, 50
	handles := []blob.Store{open(t), open(t)}
	g, ctx := errgroup.WithContext(t.Context())
	for w := range writers {
		s := handles[w%2]
		g.Go(func() error {
			key := fmt.Sprintf("deep/er/%d", w)
			for i := range rounds {
				if err := blob.PutBytes(ctx, s, key, []byte{byte(i)}); err != nil {
					return err
				}
				data, err := blob.GetBytes(ctx, s, key, limit)
				if err != nil || data[0] != byte(i) {
					return fmt.Errorf("round %d reads %v: %w", i, data, err)
				}
				if err := s.Delete(ctx, key); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, handles[0], "")
}

func twoHandles(t *testing.T, open Open) {
	t.Helper()
	a, b := open(t), open(t)
	put(t, a, "x/y", "1")
	want(t, b, "x/y", "1")
	put(t, b, "x/y", "2")
	want(t, a, "x/y", "2")
	if err := a.DeletePrefix(t.Context(), "x/"); err != nil {
		t.Fatal(err)
	}
	wantNone(t, b, "x/y")
}
