// SPDX-License-Identifier: Apache-2.0

// Package cloud is the outside world of the fake engine, in a process of its
// own: it keeps the resources that the engine makes and a ledger of every side
// effect, and it survives whatever happens to the workers. Like a real one it
// does what it is asked: a second create makes a second resource.
//
// It is spoken to over HTTP on the loopback interface, with Client. It can be
// told to be slow and to lose an answer after the effect, which is the gap
// between "created" and "recorded".
//
// It is for tests alone: it has no authentication and keeps values in clear.
package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Verb is what is done to a resource.
type Verb string

// The verbs that have an effect.
const (
	Create  Verb = "create"
	Update  Verb = "update"
	Destroy Verb = "destroy"
)

// Resource is what exists.
type Resource struct {
	ID string `json:"id"`
	// Key of the node that it belongs to.
	Key string `json:"key"`
	// Identity tells the resources of one node from each other.
	Identity   string         `json:"identity"`
	Name       string         `json:"name"`
	Attributes map[string]any `json:"attributes"`
	// Content is what it holds beside them; "{id}" in it becomes the id.
	Content string `json:"content,omitempty"`
}

// Entry is one side effect. It holds no attributes, which may be secret.
type Entry struct {
	N        int       `json:"n"` // from 1
	Time     time.Time `json:"time"`
	Verb     Verb      `json:"verb"`
	Key      string    `json:"key"`
	Identity string    `json:"identity"`
	ID       string    `json:"id"`
	// Text of the engine's own, such as "create web-database".
	Text string `json:"text"`
	// Duplicate says that a create made something that was there already.
	Duplicate bool `json:"duplicate,omitempty"`
}

// World is the resources and the ledger. It is safe for concurrent use.
type World struct {
	mu        sync.Mutex
	resources map[string][]Resource // by key, in the order of their creation
	made      map[string]int        // creations by key
	ledger    []Entry
	journal   io.Writer
}

// New makes an empty world. Each entry of the ledger is written to journal as a
// line of JSON before the effect is answered; nil keeps it in memory alone.
func New(journal io.Writer) *World {
	return &World{resources: map[string][]Resource{}, made: map[string]int{}, journal: journal}
}

// Ledger returns every side effect after the first n, in order.
func (w *World) Ledger(n int) []Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ledger[min(n, len(w.ledger)):])
}

// Resources returns everything that exists, by key.
func (w *World) Resources() []Resource {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Resource
	for _, key := range slices.Sorted(maps.Keys(w.resources)) {
		all = append(all, w.resources[key]...)
	}
	return all
}

// Identities lists what a node has.
func (w *World) Identities(key string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, r := range w.resources[key] {
		out = append(out, r.Identity)
	}
	slices.Sort(out)
	return out
}

// Find returns a node's resource, and whether there is one.
func (w *World) Find(key, identity string) (Resource, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.index(key, identity)
	if i < 0 {
		return Resource{}, false
	}
	return w.resources[key][i], true
}

func (w *World) index(key, identity string) int {
	return slices.IndexFunc(w.resources[key], func(r Resource) bool { return r.Identity == identity })
}

// Create makes a resource, also where there is one already. prefix begins its
// id, which counts the node's creations.
func (w *World) Create(r Resource, prefix, text string) (Resource, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	duplicate := w.index(r.Key, r.Identity) >= 0
	w.made[r.Key]++
	r.ID = fmt.Sprintf("%s-%d", prefix, w.made[r.Key])
	r.Content = strings.ReplaceAll(r.Content, "{id}", r.ID)
	w.resources[r.Key] = append(w.resources[r.Key], r)
	return r, w.record(Entry{Verb: Create, Key: r.Key, Identity: r.Identity, ID: r.ID, Text: text, Duplicate: duplicate})
}

// ErrMissing says that there is no such resource.
var ErrMissing = errors.New("there is no such resource")

// Update replaces a resource's attributes. Without a text it is no entry of the
// ledger.
func (w *World) Update(key, identity string, attributes map[string]any, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.index(key, identity)
	if i < 0 {
		return fmt.Errorf("%w: %s of %s", ErrMissing, identity, key)
	}
	r := &w.resources[key][i]
	r.Attributes = attributes
	if text == "" {
		return nil
	}
	return w.record(Entry{Verb: Update, Key: key, Identity: identity, ID: r.ID, Text: text})
}

// Destroy removes a resource; one that is not there is no effect.
func (w *World) Destroy(key, identity, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.index(key, identity)
	if i < 0 {
		return nil
	}
	id := w.resources[key][i].ID
	w.resources[key] = slices.Delete(w.resources[key], i, i+1)
	if len(w.resources[key]) == 0 {
		delete(w.resources, key)
	}
	return w.record(Entry{Verb: Destroy, Key: key, Identity: identity, ID: id, Text: text})
}

// Move gives what one node has to another.
func (w *World) Move(from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.resources[from] {
		r.Key = to
		w.resources[to] = append(w.resources[to], r)
	}
	delete(w.resources, from)
}

// record is called with the lock held.
func (w *World) record(e Entry) error {
	e.N, e.Time = len(w.ledger)+1, time.Now().UTC()
	w.ledger = append(w.ledger, e)
	if w.journal == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode an entry of the ledger: %w", err)
	}
	if _, err := w.journal.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}
