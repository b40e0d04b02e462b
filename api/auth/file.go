// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// File is a tokens file that is read again when it changes. A file that is
// gone lets nobody in. A file that became malformed keeps the tokens it last
// held, and the log says so.
type File struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	tokens *Tokens // nil: nobody gets in
	seen   version
}

// version tells one content of the file from another.
type version struct {
	modified time.Time
	size     int64
	exists   bool
}

// Open reads the tokens file. A missing or malformed one is an error here.
func Open(path string, log *slog.Logger) (*File, error) {
	seen, err := stat(path)
	if err != nil {
		return nil, fmt.Errorf("tokens file: %w", err)
	}
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("tokens file: %w", err)
	}
	tokens, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &File{path: path, log: log, tokens: tokens, seen: seen}, nil
}

// Authenticate returns the principal of a token, by what the file holds now.
func (f *File) Authenticate(ctx context.Context, token string) (Principal, bool) {
	tokens := f.current(ctx)
	if tokens == nil {
		return Principal{}, false
	}
	return tokens.Authenticate(token)
}

func (f *File) current(ctx context.Context) *Tokens {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := stat(f.path)
	if now == f.seen { // a missing file has the zero version
		return f.tokens
	}
	f.seen = now
	data, readErr := os.ReadFile(f.path)
	if err := errors.Join(err, readErr); err != nil {
		f.log.ErrorContext(ctx, "tokens file cannot be read; every request is refused", "path", f.path, "error", err)
		f.tokens = nil
		return nil
	}
	tokens, err := Parse(data)
	if err != nil {
		f.log.ErrorContext(ctx, "tokens file is malformed; the tokens read before stay valid", "path", f.path, "error", err)
		return f.tokens
	}
	f.log.InfoContext(ctx, "tokens file read again", "path", f.path, "tokens", len(tokens.known))
	f.tokens = tokens
	return tokens
}

func stat(path string) (version, error) {
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return version{}, err
		}
		return version{}, fmt.Errorf("stat: %w", err)
	}
	return version{modified: info.ModTime(), size: info.Size(), exists: true}, nil
}
