// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package annotation

import (
	"errors"
	"os"
)

// errNotRegular is returned by open on systems that can tell.
var errNotRegular = errors.New("not a regular file")

type file struct{ *os.File }

func open(name string) (handle, error) {
	f, err := os.Open(name) //nolint:gosec // G304: reading the files of a repository is what a scan is for
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (f file) size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
