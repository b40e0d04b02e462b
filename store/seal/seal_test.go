// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"context"
	"encoding/base64"
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

	"github.com/HatiCode/nestor/store/seal"
)

// childEnv makes the test binary a process that seals with the keyset it names.
const childEnv = "NESTOR_SEAL_TEST_CHILD"

func TestMain(m *testing.M) {
	path := os.Getenv(childEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := child(path, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child waits for its input to end, so that many begin at once.
func child(path string, start io.Reader, out io.Writer) error {
	if _, err := io.Copy(io.Discard, start); err != nil {
		return err
	}
	k, err := seal.LoadOrCreateKeyset(path)
	if err != nil {
		return err
	}
	sealed, err := k.Seal(context.Background(), []byte("from a child"), "place")
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(out, sealed)
	return err
}

func load(t *testing.T, path string) *seal.Keyset {
	t.Helper()
	k, err := seal.LoadOrCreateKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keysetPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "keys", "keyset.json")
}

func sealed(t *testing.T, k *seal.Keyset, plaintext, associated string) string {
	t.Helper()
	s, err := k.Seal(t.Context(), []byte(plaintext), associated)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantOpen(t *testing.T, k *seal.Keyset, value, associated, want string) {
	t.Helper()
	got, err := k.Open(t.Context(), value, associated)
	if err != nil || string(got) != want {
		t.Errorf("open: %q, %v, want %q", got, err, want)
	}
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	path := keysetPath(t)
	k := load(t, path)
	for _, plaintext := range []string{"", "s3cret-value", "\x00\xff", strings.Repeat("long", 100_000)} {
		value := sealed(t, k, plaintext, "deployments/1#password")
		if !strings.HasPrefix(value, seal.Prefix) || !seal.IsSealed(value) {
			t.Errorf("sealed value begins %.20q", value)
		}
		if plaintext != "" && strings.Contains(value, plaintext) {
			t.Error("sealed value shows the plaintext")
		}
		for _, c := range value {
			if c <= ' ' || c > '~' || c == '"' || c == '\\' {
				t.Fatalf("sealed value holds %q", c)
			}
		}
		if again := sealed(t, k, plaintext, "deployments/1#password"); again == value {
			t.Error("sealing again gives the same string, which tells that values are equal")
		}
		wantOpen(t, k, value, "deployments/1#password", plaintext)
		wantOpen(t, load(t, path), value, "deployments/1#password", plaintext)
	}
	if seal.IsSealed("s3cret-value") {
		t.Error("a value in clear passes for sealed")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	const secret, place = "s3cret-value", "deployments/1#password"
	k := load(t, keysetPath(t))
	value := sealed(t, k, secret, place)
	ciphertext, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(value, seal.Prefix))
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(i int) string {
		changed := append([]byte{}, ciphertext...)
		changed[i] ^= 1
		return seal.Prefix + base64.RawURLEncoding.EncodeToString(changed)
	}
	for name, c := range map[string]struct{ value, place, reason string }{
		"another place":    {value, "deployments/2#password", "a value is bound to its place"},
		"no place":         {value, "", "a value is bound to its place"},
		"another keyset":   {sealed(t, load(t, keysetPath(t)), secret, place), place, "the key is missing"},
		"in clear":         {secret, place, "it was never sealed"},
		"empty":            {"", place, "it was never sealed"},
		"only the prefix":  {seal.Prefix, place, "nothing was sealed"},
		"another version":  {strings.Replace(value, "v1", "v2", 1), place, "this form is not known"},
		"not base64":       {seal.Prefix + "***", place, "it was cut or changed"},
		"cut":              {value[:len(value)-4], place, "it was cut"},
		"continued":        {value + "AAAA", place, "something was added"},
		"padded":           {value + "\n", place, "it has one spelling"},
		"changed key id":   {flipped(1), place, "it was changed"},
		"changed nonce":    {flipped(6), place, "it was changed"},
		"changed value":    {flipped(18), place, "it was changed"},
		"changed tag":      {flipped(len(ciphertext) - 1), place, "it was changed"},
		"another's prefix": {"other" + value, place, "it begins with something else"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := k.Open(t.Context(), c.value, c.place)
			if !errors.Is(err, seal.ErrOpen) || got != nil {
				t.Fatalf("open: %q, %v, want ErrOpen: %s", got, err, c.reason)
			}
			if strings.Contains(err.Error(), secret) || len(c.value) > 40 && strings.Contains(err.Error(), c.value[20:40]) {
				t.Errorf("the error shows the value: %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Seal(ctx, nil, place); !errors.Is(err, context.Canceled) {
		t.Errorf("seal: %v, want context.Canceled", err)
	}
	if _, err := k.Open(ctx, value, place); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v, want context.Canceled", err)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	path := keysetPath(t)
	running := load(t, path)
	var values []string
	for round := range 3 {
		values = append(values, sealed(t, load(t, path), strconv.Itoa(round), "place"))
		if err := seal.RotateKeyset(path); err != nil {
			t.Fatal(err)
		}
	}
	for round, value := range values {
		wantOpen(t, load(t, path), value, "place", strconv.Itoa(round))
		wantOpen(t, running, value, "place", strconv.Itoa(round)) // loaded before the first rotation
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %s, %v, want 0600", info.Mode(), err)
	}

	// Each key's id stands in the first bytes of what it sealed.
	ids := map[string]bool{}
	for _, value := range append(values, sealed(t, load(t, path), "", "place")) {
		ids[strings.TrimPrefix(value, seal.Prefix)[:6]] = true
	}
	if len(ids) != 4 {
		t.Errorf("sealed with %d keys, want a new one after each of 3 rotations", len(ids))
	}
}

// TestRotationsAtOnce: no key is ever lost.
func TestRotationsAtOnce(t *testing.T) {
	t.Parallel()
	path := keysetPath(t)
	load(t, path)
	values := make(chan string, 64)
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			for range 4 {
				rotated := seal.RotateKeyset(path)
				if rotated != nil && !strings.Contains(rotated.Error(), "another rotation") {
					return rotated
				}
				k, err := seal.LoadOrCreateKeyset(path)
				if err != nil {
					return err
				}
				value, err := k.Seal(t.Context(), []byte("x"), "place")
				if err != nil {
					return err
				}
				values <- value
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	close(values)
	k := load(t, path)
	for value := range values {
		wantOpen(t, k, value, "place", "x")
	}
}

func TestRotationLeftHalfDone(t *testing.T) {
	t.Parallel()
	path := keysetPath(t)
	k := load(t, path)
	value := sealed(t, k, "x", "place")
	left := path + ".rotating"
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := seal.RotateKeyset(path); err == nil || !strings.Contains(err.Error(), left) {
		t.Errorf("rotate: %v, want an error that names %s", err, left)
	}
	wantOpen(t, load(t, path), value, "place", "x")
	if err := seal.RotateKeyset(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("rotate of no keyset: %v", err)
	}
}

// TestCreateAtOnce: processes that begin together end with one keyset.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	path := keysetPath(t)
	const processes = 6
	outputs := make([]strings.Builder, processes)
	commands := make([]*exec.Cmd, processes)
	starts := make([]io.Closer, processes)
	for i := range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		cmd.Stdout, cmd.Stderr = &outputs[i], os.Stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		commands[i], starts[i] = cmd, stdin
	}
	for _, start := range starts {
		if err := start.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, cmd := range commands {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	k := load(t, path)
	for i := range outputs {
		wantOpen(t, k, outputs[i].String(), "place", "from a child")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, %v, want the keyset alone", entries, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0LWtleS1tYXRlcmlhbA"
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
		reason  string
	}{
		"readable by others": {"", 0o644, "chmod 600", "a key that others read protects nothing"},
		"readable by group":  {"", 0o640, "chmod 600", "a key that others read protects nothing"},
		"not JSON":           {secret, 0o600, "no keyset", "it was overwritten"},
		"another JSON":       {`{"key":"` + secret + `"}`, 0o600, "no keyset", "it was overwritten"},
		"no keys":            {`{"primaryKeyId":1,"key":[]}`, 0o600, "no keyset", "there is nothing to seal with"},
		"empty":              {" ", 0o600, "no keyset", "it was cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := keysetPath(t)
			load(t, path)
			if c.content != "" {
				if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := seal.LoadOrCreateKeyset(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("load: %v, want it to say %q and the path: %s", err, c.want, c.reason)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
	for name, path := range map[string]string{"empty path": "", "a directory": t.TempDir()} {
		if _, err := seal.LoadOrCreateKeyset(path); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}
