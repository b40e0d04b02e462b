// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// logFlush is how long lines may wait before they are stored.
const logFlush = 300 * time.Millisecond

// logWriter stores what an engine says, whole lines at a time, while it says
// it. It never slows the engine down by more than the store does, and it
// stores nothing for a silent one.
type logWriter struct {
	registry   *registry.Registry
	principal  store.Principal
	deployment string
	node       string
	attempt    int32
	ctx        context.Context //nolint:containedctx // lives as long as one step

	mask *mask

	mu      sync.Mutex
	pending bytes.Buffer
	errs    error
	stop    chan struct{}
	stopped chan struct{}
}

func newLogWriter(
	ctx context.Context, r *registry.Registry, p store.Principal, deployment, node string, attempt int32, m *mask,
) *logWriter {
	w := &logWriter{
		registry: r, principal: p, deployment: deployment, node: node, attempt: attempt, mask: m,
		ctx: context.WithoutCancel(ctx), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go w.flushing()
	return w
}

// Write takes text in any cut. It never fails: what could not be stored is
// reported by close.
func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending.Write(p)
	if w.pending.Len() >= registry.MaxLogChunk {
		w.flush(false)
	}
	return len(p), nil
}

// sayf writes a line of Nestor's own among the engine's.
func (w *logWriter) sayf(format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...) // Write never fails
}

func (w *logWriter) flushing() {
	defer close(w.stopped)
	ticker := time.NewTicker(logFlush)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
			w.mu.Lock()
			w.flush(false)
			w.mu.Unlock()
		}
	}
}

// flush stores the complete lines, or with all everything. What may be the
// beginning of a secret waits for the rest of it. The caller holds mu.
func (w *logWriter) flush(all bool) {
	for w.pending.Len() > 0 {
		n := w.cut(all)
		if n == 0 {
			return
		}
		chunk := registry.LogChunk{Node: w.node, Attempt: w.attempt, Text: w.mask.text(string(bytes.ToValidUTF8(w.pending.Next(n), []byte("�"))))}
		if err := w.registry.AppendLog(w.ctx, w.principal, w.deployment, chunk); err != nil {
			w.errs = errors.Join(w.errs, err)
			return
		}
	}
}

// cut is cut where no secret is.
func (w *logWriter) cut(all bool) int {
	text := w.pending.Bytes()
	n := cut(text, all)
	if n == 0 {
		return 0
	}
	apart := w.mask.cut(string(text), n, !all)
	if apart >= n || all || len(text) >= registry.MaxLogChunk {
		return apart
	}
	return bytes.LastIndexByte(text[:apart], '\n') + 1
}

// cut says how many bytes may go into one chunk: whole lines, unless a line is
// longer than a chunk, and never half a character.
func cut(text []byte, all bool) int {
	n := min(len(text), registry.MaxLogChunk)
	if end := bytes.LastIndexByte(text[:n], '\n'); end >= 0 {
		return end + 1
	}
	if n < registry.MaxLogChunk && !all {
		return 0
	}
	if n == len(text) && all {
		return n
	}
	for back := n - 1; back >= n-utf8.UTFMax && back > 0; back-- {
		if utf8.RuneStart(text[back]) {
			if utf8.FullRune(text[back:n]) {
				return n
			}
			return back // the rest of the character is still to come
		}
	}
	return n
}

// close stores what is left.
func (w *logWriter) close() error {
	close(w.stop)
	<-w.stopped
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush(true)
	return w.errs
}

// discard is the log of a preview: what it finds is in the plan.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
