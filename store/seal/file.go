// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

const (
	// maxKeysetBytes is far above any keyset and far below harm.
	maxKeysetBytes = 1 << 20
	// rotatingSuffix names the next keyset while a rotation writes it; as long
	// as it is there, no other rotation begins.
	rotatingSuffix = ".rotating"
)

// LoadOrCreateKeyset reads the keyset file at path, in Tink's JSON form, or
// makes it (mode 0600, and its directory 0700) with one new key. When several
// processes make it at once, one keyset wins and all use that. A file that
// others than its owner can read or write is refused.
//
// Whoever loses the file loses every sealed value: back it up, apart from the
// store.
func LoadOrCreateKeyset(path string) (*Keyset, error) {
	current, err := loadOrCreate(path)
	if err != nil {
		return nil, fmt.Errorf("keyset %q: %w", path, err)
	}
	return &Keyset{path: path, current: current, checked: time.Now()}, nil
}

// LoadKeyset is LoadOrCreateKeyset where there must be a file already: keys that
// it made would open nothing.
func LoadKeyset(path string) (*Keyset, error) {
	current, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("keyset %q: %w", path, err)
	}
	return &Keyset{path: path, current: current, checked: time.Now()}, nil
}

// RotateKeyset adds a new key to the keyset file at path, with which values are
// sealed from then on; what the older keys sealed stays readable. Processes
// that have the keyset loaded begin to seal with the new key within half a
// minute, and read what it sealed at once. Values sealed before get the new key
// when they are next written.
func RotateKeyset(path string) error {
	if err := rotate(path); err != nil {
		return fmt.Errorf("rotate keyset %q: %w", path, err)
	}
	return nil
}

func loadOrCreate(path string) (loaded, error) {
	if path == "" {
		return loaded{}, errors.New("empty path; name a file")
	}
	current, err := load(path)
	if !errors.Is(err, os.ErrNotExist) {
		return current, err
	}
	if err := create(path); err != nil {
		return loaded{}, err
	}
	return load(path)
}

// load reads and checks a keyset file.
func load(path string) (_ loaded, err error) {
	file, err := os.Open(path) //nolint:gosec // the operator's configuration names it
	if err != nil {
		return loaded{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return loaded{}, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return loaded{}, fmt.Errorf("its mode is %s, others may read it; chmod 600 it, and rotate it if they may have", mode)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeysetBytes))
	if err != nil {
		return loaded{}, err
	}
	// Errors of the parser may quote what they read, so they are not passed on.
	handle, parseErr := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if parseErr != nil {
		return loaded{}, errors.New("it holds no keyset in Tink's JSON form; restore it from its backup")
	}
	primitive, keyErr := aead.New(handle)
	if keyErr != nil {
		return loaded{}, errors.New("its keys are not for authenticated encryption (AEAD); restore it from its backup")
	}
	return loaded{text: string(text), handle: handle, aead: primitive}, nil
}

// create puts a new keyset at path unless there is one by then.
func create(path string) (err error) {
	handle, err := newHandle()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".keyset-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temp.Name())) }()
	if err := writeHandle(temp, handle); err != nil {
		return err
	}
	// A link appears complete or not at all, and never replaces.
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDirectory(dir)
}

func rotate(path string) (err error) {
	next := path + rotatingSuffix
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the keyset
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("another rotation is under way; if none is, remove %q", next)
	}
	if err != nil {
		return err
	}
	if err := writeNext(file, path); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, path); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return syncDirectory(filepath.Dir(path))
}

// writeNext writes the keyset at path with a new primary key to file.
func writeNext(file *os.File, path string) error {
	current, err := load(path)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	handle, err := withNewPrimary(current.handle)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	return writeHandle(file, handle)
}

// writeHandle writes the keyset, makes it durable and closes the file.
func writeHandle(file *os.File, handle *keyset.Handle) error {
	err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(file))
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncDirectory(path string) error {
	dir, err := os.Open(path) //nolint:gosec // the keyset's
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
