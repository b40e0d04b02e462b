// SPDX-License-Identifier: Apache-2.0

package sqlite_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/sqlite"
)

// childEnv makes the test binary a process that writes to the file it names.
const childEnv = "NESTOR_SQLITE_TEST_CHILD"

// migrationsEnv names the directory with the schema of the child's release, if
// it is of another one.
const migrationsEnv = "NESTOR_SQLITE_TEST_MIGRATIONS"

func TestMain(m *testing.M) {
	path := os.Getenv(childEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := child(path, os.Args[1], os.Args[2], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child appends writes entries, 0 being no end, each with a document beside it
// and a shared counter, and prints the sequence of each as it is acknowledged.
func child(path, name, writes string, acknowledged io.Writer) error {
	n, err := strconv.Atoi(writes)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var opts []sqlite.Option
	if dir := os.Getenv(migrationsEnv); dir != "" {
		opts = append(opts, sqlite.WithMigrations(os.DirFS(dir)))
	}
	s, err := sqlite.Open(ctx, path, opts...)
	if err != nil {
		return err
	}
	for i := 0; n == 0 || i < n; i++ {
		sequence, err := appendOnce(ctx, s, name)
		if err != nil {
			return errors.Join(err, s.Close())
		}
		if _, err := fmt.Fprintln(acknowledged, sequence); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

// appendOnce counts up one document under its revision, trying again when
// somebody else was faster, and appends to a stream in the same batch.
func appendOnce(ctx context.Context, s store.Store, name string) (int64, error) {
	counter := store.Key{Partition: "p", Sort: "counter"}
	for {
		count := 0
		d, err := s.Get(ctx, counter)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
		op := store.Create(counter, json.RawMessage("1"))
		if err == nil {
			if err := d.Decode(&count); err != nil {
				return 0, err
			}
			op = store.Replace(counter, d.Revision, json.RawMessage(strconv.Itoa(count+1)))
		}
		result, err := s.Write(ctx, store.Batch{Principal: store.Principal("worker:" + name), Ops: []store.Op{
			op,
			store.Append("s", json.RawMessage(strconv.Itoa(count+1))),
			store.Create(store.Key{Partition: "p", Sort: fmt.Sprintf("entry/%09d", count+1)}, json.RawMessage(`{}`)),
		}})
		if !errors.Is(err, store.ErrConflict) {
			return firstOr(result.Numbers, 1), err
		}
	}
}

func firstOr(numbers []int64, i int) int64 {
	if i >= len(numbers) {
		return 0
	}
	return numbers[i]
}

func command(ctx context.Context, path, name string, writes int) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], name, strconv.Itoa(writes))
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	return cmd
}

// verify asks for the invariants of what the children write, and for a sound
// file; it returns the number of entries.
func verify(t *testing.T, path string) int {
	t.Helper()
	s := open(t, path)
	var entries, documents, count int
	for d, err := range store.All(t.Context(), s, store.Query{Partition: "s"}) {
		if err != nil {
			t.Fatal(err)
		}
		entries++
		if d.Key != store.EntryKey("s", int64(entries)) || string(d.Data) != strconv.Itoa(entries) {
			t.Fatalf("entry %d is %s, %s", entries, d.Key, d.Data)
		}
	}
	for _, err := range store.All(t.Context(), s, store.Query{Partition: "p", Prefix: "entry/"}) {
		if err != nil {
			t.Fatal(err)
		}
		documents++
	}
	d, err := s.Get(t.Context(), store.Key{Partition: "p", Sort: "counter"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(&count); err != nil {
		t.Fatal(err)
	}
	if documents != entries || count != entries || d.Revision != int64(entries) {
		t.Errorf("%d entries, %d documents, counter %d at revision %d, want all the same", entries, documents, count, d.Revision)
	}
	var sound string
	if err := raw(t, path).QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("integrity check: %s, %v", sound, err)
	}
	return entries
}

// TestTwoProcesses: two other processes and this one write at once.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	const each = 150
	path := filepath.Join(t.TempDir(), "nestor.db")
	g, ctx := errgroup.WithContext(t.Context())
	for _, name := range []string{"one", "two"} {
		g.Go(func() error {
			var stderr strings.Builder
			cmd := command(ctx, path, name, each)
			cmd.Stderr = &stderr
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("process %s: %w: %s", name, err, stderr.String())
			}
			return nil
		})
	}
	g.Go(func() error { return child(path, "three", strconv.Itoa(each), io.Discard) })
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if entries := verify(t, path); entries != 3*each {
		t.Errorf("%d entries, want %d", entries, 3*each)
	}
}

// TestKill kills a writing process again and again; what it had acknowledged
// is there, and there is no half of anything.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nestor.db")
	for round := range 8 {
		cmd := command(t.Context(), path, "victim", 0)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := 0
		lines := bufio.NewScanner(stdout)
		for n := 0; lines.Scan(); n++ {
			if acknowledged, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if n == 40+13*round { // and the rest of the pipe is read to its end
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("the process ended by itself: %v", err)
		}
		// One write may have been committed and not yet printed.
		if entries := verify(t, path); entries < acknowledged || entries > acknowledged+1 {
			t.Errorf("round %d: %d acknowledged, %d there", round, acknowledged, entries)
		}
	}
}
