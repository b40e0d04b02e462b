// SPDX-License-Identifier: Apache-2.0

package annotation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Sizes that decide how a file is read.
const (
	// MaxFileBytes is the size above which a file is not read but noted; no
	// file that people write comes near it.
	MaxFileBytes = 4 << 20
	// binaryHead is where a zero byte makes a file binary, as it does for git.
	binaryHead = 8 << 10
	// firstRead is asked for at once: enough for nearly all source files.
	firstRead = 64 << 10
)

// errTooLarge is returned for a text file above MaxFileBytes.
var errTooLarge = errors.New("file is too large")

// handle is an open file. It is as thin as the system allows, since a scan
// spends most of its time here.
type handle interface {
	io.ReadCloser
	// size asks the system; few files need it.
	size() (int64, error)
}

// reader reads files into one buffer.
type reader struct {
	buffer []byte
}

// read returns the content of a text file, valid until the next call. It
// returns nothing for a binary, and for a file that is gone or no longer a
// regular one.
func (r *reader) read(name string) (data []byte, err error) {
	file, err := open(name)
	if errors.Is(err, errNotRegular) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if closing := file.Close(); err == nil && closing != nil {
			err = fmt.Errorf("close %s: %w", name, closing)
		}
	}()
	if r.buffer == nil {
		r.buffer = make([]byte, firstRead)
	}
	data, err = r.fill(file, r.buffer[:0], firstRead)
	if err != nil || bytes.IndexByte(data[:min(len(data), binaryHead)], 0) >= 0 {
		return nil, err
	}
	if len(data) < firstRead {
		return data, nil
	}
	size, err := file.size()
	if err != nil {
		return nil, err
	}
	if size > MaxFileBytes {
		return nil, errTooLarge
	}
	data, err = r.fill(file, data, MaxFileBytes+1)
	if len(data) > MaxFileBytes {
		return nil, errTooLarge
	}
	return data, err
}

// fill appends to data, which is the beginning of the buffer, until it holds
// limit bytes or the file ends.
func (r *reader) fill(file io.Reader, data []byte, limit int) ([]byte, error) {
	for len(data) < limit {
		if len(data) == cap(data) {
			grown := make([]byte, min(2*cap(data), MaxFileBytes+1))
			copy(grown, data)
			r.buffer, data = grown, grown[:len(data)]
		}
		n, err := file.Read(data[len(data):min(cap(data), limit)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return data, err
		}
	}
	return data, nil
}
