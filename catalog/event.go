// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/HatiCode/nestor/store"
)

// EventType says what happened to a version.
type EventType string

// The types of events.
const (
	EventPublished  EventType = "published"
	EventDeprecated EventType = "deprecated"
)

// Event is one change of the catalog. Sequences begin at 1 and have no gaps.
type Event struct {
	Sequence  int64     `json:"sequence"`
	Time      time.Time `json:"time"`
	Principal string    `json:"principal"`
	Type      EventType `json:"type"`
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	Digest    string    `json:"digest"`
	Message   string    `json:"message,omitempty"` // of a deprecation
}

// eventData is what the stream's entry holds; the rest is the store's.
type eventData struct {
	Type    EventType `json:"type"`
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Digest  string    `json:"digest"`
	Message string    `json:"message,omitempty"`
}

// DecodeEvent reads an entry of EventStream.
func DecodeEvent(entry store.Document) (Event, error) {
	sequence, ok := store.EntrySequence(entry.Key)
	if !ok {
		return Event{}, fmt.Errorf("document %s is no entry of the catalog's events", entry.Key)
	}
	var data eventData
	if err := entry.Decode(&data); err != nil {
		return Event{}, err
	}
	return Event{
		Sequence: sequence, Time: entry.Time, Principal: string(entry.Principal),
		Type: data.Type, Name: data.Name, Version: data.Version, Digest: data.Digest, Message: data.Message,
	}, nil
}

// Events lists up to limit changes after a sequence, oldest first; zero is the
// store's default page.
func (s *Service) Events(ctx context.Context, after int64, limit int) ([]Event, error) {
	page, err := s.store.Query(ctx, store.Query{Partition: EventStream, After: store.EntryKey(EventStream, max(0, after)).Sort, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read the catalog's events: %w", err)
	}
	events := make([]Event, 0, len(page.Documents))
	for _, document := range page.Documents {
		event, err := DecodeEvent(document)
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

// Follow yields the changes after a sequence and then new ones as they come,
// asking the store every poll. It ends with ctx, or after yielding an error.
func (s *Service) Follow(ctx context.Context, after int64, poll time.Duration) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for document, err := range store.Tail(ctx, s.store, EventStream, after, poll) {
			var event Event
			if err == nil {
				event, err = DecodeEvent(document)
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}
