// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"
)

const (
	modeFile       = 0o644
	modeExecutable = 0o755
)

// maxUnpacked bounds what an archive may unpack to: content, and for each file
// a header with an extended one before it, rounded up generously.
const maxUnpacked = MaxBytes + (MaxFiles+2)*4096

// Archive is the bundle as tar.gz. The same bundle gives the same bytes with
// the same version of Go; compare digests, not archives.
func (b Bundle) Archive() ([]byte, error) {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	for _, f := range b.files {
		mode := int64(modeFile)
		if f.Executable {
			mode = modeExecutable
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.Path, Mode: mode, Size: int64(len(f.Data)),
			ModTime: time.Unix(0, 0).UTC(),
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("archive %q: %w", f.Path, err)
		}
		if _, err := archive.Write(f.Data); err != nil {
			return nil, fmt.Errorf("archive %q: %w", f.Path, err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return out.Bytes(), nil
}

// Read reads an archive. It accepts regular files and directories alone, and
// stops reading when the limits are passed, however small the archive was.
func Read(r io.Reader) (Bundle, error) {
	compressed, err := gzip.NewReader(r)
	if err != nil {
		return Bundle{}, fmt.Errorf("read the bundle: not a gzip archive: %w", err)
	}
	limited := &io.LimitedReader{R: compressed, N: maxUnpacked}
	archive := tar.NewReader(limited)
	var files []File
	size := 0
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Bundle{}, readError(err, limited)
		}
		if header.Typeflag == tar.TypeDir {
			if limited.N <= 0 {
				return Bundle{}, readError(io.ErrUnexpectedEOF, limited)
			}
			continue
		}
		if header.Typeflag != tar.TypeReg {
			return Bundle{}, fmt.Errorf("read the bundle: %q is no regular file", header.Name)
		}
		if len(files) == MaxFiles {
			return Bundle{}, &LimitError{What: "files", Limit: MaxFiles}
		}
		data, err := io.ReadAll(io.LimitReader(archive, int64(MaxBytes-size+1)))
		if err != nil {
			return Bundle{}, readError(err, limited)
		}
		if size += len(data); size > MaxBytes {
			return Bundle{}, &LimitError{What: "bytes", Limit: MaxBytes}
		}
		files = append(files, File{Path: header.Name, Executable: header.Mode&0o100 != 0, Data: data})
	}
	// What follows the archive's end is read, so that gzip checks its sum.
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return Bundle{}, readError(err, limited)
	}
	return New(files)
}

func readError(err error, limited *io.LimitedReader) error {
	if limited.N <= 0 {
		return &LimitError{What: "bytes", Limit: MaxBytes}
	}
	return fmt.Errorf("read the bundle: the archive is damaged: %w", err)
}

// Extract writes the files of an archive below dir; see Read and WriteDir. It
// does not know which digest to expect: a caller that does, reads, compares and
// writes.
func Extract(archive io.Reader, dir string) error {
	b, err := Read(archive)
	if err != nil {
		return err
	}
	return b.WriteDir(dir)
}

// WriteDir writes the files below dir, which it makes if need be. It never
// writes outside of dir, not even through links that are there already, and
// fails rather than overwrite a file.
func (b Bundle) WriteDir(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, f := range b.files {
		if err := writeFile(root, f); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
	}
	return nil
}

func writeFile(root *os.Root, f File) (err error) {
	if err := root.MkdirAll(path.Dir(f.Path), 0o750); err != nil {
		return err
	}
	mode := os.FileMode(modeFile)
	if f.Executable {
		mode = modeExecutable
	}
	out, err := root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = out.Write(f.Data)
	return err
}
