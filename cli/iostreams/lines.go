// SPDX-License-Identifier: Apache-2.0

package iostreams

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// lineReader reads lines in a goroutine, so that Ctrl-C ends a question at
// once instead of after the next line.
type lineReader struct {
	source io.Reader
	start  sync.Once
	lines  chan line
}

type line struct {
	text string
	err  error
}

func newLineReader(source io.Reader) *lineReader {
	return &lineReader{source: source, lines: make(chan line)}
}

func (r *lineReader) next(ctx context.Context) (string, error) {
	r.start.Do(func() { go r.read() })
	select {
	case l, ok := <-r.lines:
		if !ok {
			return "", ErrNoInput
		}
		return l.text, l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (r *lineReader) read() {
	defer close(r.lines)
	buffered := bufio.NewReader(r.source)
	for {
		text, err := buffered.ReadString('\n')
		if text != "" {
			r.lines <- line{text: strings.TrimRight(text, "\r\n")}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			r.lines <- line{err: fmt.Errorf("read the answer: %w", err)}
			return
		}
	}
}
