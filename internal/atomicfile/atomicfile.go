// SPDX-License-Identifier: Apache-2.0

// Package atomicfile writes small private files so that a reader, and whoever
// comes after a crash of the process, finds the old content or the new one.
// It does not sync: what must survive a power loss belongs into a store.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write puts text at path, mode 0600, whole or not at all.
func Write(path string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
