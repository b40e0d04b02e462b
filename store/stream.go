// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// entryDigits is the width of the sequence in EntryKey: wide enough for every
// int64, so that bytewise order is numeric order.
const entryDigits = 19

// EntrySequence is the reverse of EntryKey: the sequence number of a stream's
// entry. It is false for a key that is no entry.
func EntrySequence(k Key) (sequence int64, ok bool) {
	if len(k.Sort) != entryDigits {
		return 0, false
	}
	for _, c := range []byte(k.Sort) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(k.Sort, 10, 64)
	return n, err == nil && n > 0
}

// All reads every document that q selects, across pages; q.Limit is the size
// of a page, not of the answer. It reads page by page, so a write during the
// iteration is seen if it falls behind the page being read. An error ends the
// iteration after it was yielded.
func All(ctx context.Context, s Store, q Query) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for {
			page, err := s.Query(ctx, q)
			if err != nil {
				yield(Document{}, err)
				return
			}
			for _, d := range page.Documents {
				if !yield(d, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.After = page.Next
		}
	}
}

// Tail yields the entries of a stream whose sequence is greater than after, in
// order, and then follows the stream, asking the store again every poll. It
// ends without an error when ctx ends, and after yielding the error when the
// store fails; the caller goes on from the last sequence it saw. It holds one
// page at a time and reads no faster than it is consumed, so a slow reader
// costs the store nothing.
//
// Only entries are yielded, other documents of the partition are not.
func Tail(ctx context.Context, s Store, stream string, after int64, poll time.Duration) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		if after < 0 || poll <= 0 {
			yield(Document{}, fmt.Errorf("tail of stream %q after %d every %s: %w", stream, after, poll, ErrInvalid))
			return
		}
		timer := time.NewTimer(poll)
		defer timer.Stop()
		for ctx.Err() == nil {
			for d, err := range entriesAfter(ctx, s, stream, after) {
				if ctx.Err() != nil || !yield(d, err) || err != nil {
					return
				}
				after, _ = EntrySequence(d.Key)
			}
			timer.Reset(poll)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
		}
	}
}

// entriesAfter yields what a stream holds behind a sequence by now.
func entriesAfter(ctx context.Context, s Store, stream string, after int64) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for d, err := range All(ctx, s, Query{Partition: stream, After: EntryKey(stream, after).Sort}) {
			if err != nil {
				yield(Document{}, fmt.Errorf("tail of stream %q after %d: %w", stream, after, err))
				return
			}
			if _, isEntry := EntrySequence(d.Key); isEntry && !yield(d, nil) {
				return
			}
		}
	}
}
