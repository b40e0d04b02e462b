// SPDX-License-Identifier: Apache-2.0

//go:build unix

package annotation

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// errNotRegular: the name is a link by now.
var errNotRegular = errors.New("not a regular file")

// descriptor is a file without the runtime's poller, which regular files do not
// use but pay for.
type descriptor int

// open never follows a link and never waits for the other end of a pipe.
func open(name string) (handle, error) {
	for {
		fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EMLINK):
			return nil, errNotRegular
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return descriptor(fd), nil
	}
}

// Read implements io.Reader.
func (d descriptor) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(d), p)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Close implements io.Closer.
func (d descriptor) Close() error { return syscall.Close(int(d)) }

func (d descriptor) size() (int64, error) {
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(d), &stat); err != nil {
		return 0, err
	}
	return stat.Size, nil
}
