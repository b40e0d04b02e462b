// SPDX-License-Identifier: Apache-2.0

// Package sse reads a stream of server-sent events (WHATWG HTML, section 9.2).
// It reads one connection; connecting again is the caller's decision.
package sse

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxEvent bounds the bytes of one event, so that a broken server cannot eat
// the client's memory.
const maxEvent = 4 << 20

// ErrTooLarge says that one event was larger than 4 MiB.
var ErrTooLarge = errors.New("the server sent an event larger than 4 MiB")

// Event is one message of the stream.
type Event struct {
	// ID is the last id the stream named, in this event or before; send it as
	// Last-Event-ID to go on after it.
	ID   string
	Type string // "message" when the stream names none
	Data string // lines joined by line breaks
}

// Reader reads events one by one.
type Reader struct {
	scanner *bufio.Scanner
	id      string
	retry   time.Duration
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 4096), maxEvent)
	scanner.Split(splitLines)
	return &Reader{scanner: scanner}
}

// Retry is how long the server asked to wait before connecting again; 0 when it
// did not.
func (r *Reader) Retry() time.Duration { return r.retry }

// Next returns the next event. At the orderly end of the stream it returns
// io.EOF; an event that was cut off is not returned. Comments (keep-alives) are
// skipped.
func (r *Reader) Next() (Event, error) {
	var data []string
	event := Event{Type: "message"}
	id, size := r.id, 0
	for r.scanner.Scan() {
		line := r.scanner.Text()
		if line == "" {
			r.id = id
			if data == nil {
				event, size = Event{Type: "message"}, 0
				continue
			}
			event.ID, event.Data = id, strings.Join(data, "\n")
			return event, nil
		}
		if size += len(line); size > maxEvent {
			return Event{}, ErrTooLarge
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			event.Type = value
		case "data":
			data = append(data, value)
		case "id":
			if !strings.ContainsRune(value, 0) {
				id = value
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				r.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	switch err := r.scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Event{}, ErrTooLarge
	case err != nil:
		return Event{}, fmt.Errorf("read events: %w", err)
	default:
		return Event{}, io.EOF
	}
}

// splitLines ends lines at CR LF, LF or CR. A last line without an end is
// dropped, since its event is unfinished.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	for i, c := range data {
		switch {
		case c == '\n':
			return i + 1, data[:i], nil
		case c == '\r' && i+1 < len(data):
			if data[i+1] == '\n' {
				return i + 2, data[:i], nil
			}
			return i + 1, data[:i], nil
		case c == '\r' && atEOF:
			return i + 1, data[:i], nil
		}
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}
