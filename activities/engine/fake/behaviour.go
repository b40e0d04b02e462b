// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
)

// Verb is a moment at which a node can misbehave.
type Verb string

// The verbs.
const (
	VerbObserve Verb = "observe"
	VerbPreview Verb = "preview"
	VerbCreate  Verb = "create"
	VerbUpdate  Verb = "update"
	VerbDestroy Verb = "destroy"
)

// BehaviourInput is the input that, where a node has it, is a Behaviour as a
// map and overrides the settings of its implementation field by field. It is no
// attribute of the resource.
const BehaviourInput = "fake"

// Behaviour programs a node: it is read from the implementation's settings and
// from the input BehaviourInput.
type Behaviour struct {
	// Latency of create, update and destroy, before the side effect.
	Latency catalog.Duration `json:"latency,omitempty"`
	// Fail says how often a verb fails before it works; -1 means always.
	Fail map[Verb]int `json:"fail,omitempty"`
	// Class of these failures; default: rejected when a verb always fails,
	// transient otherwise.
	Class engine.Class `json:"class,omitempty"`
	// Message of these failures.
	Message string `json:"message,omitempty"`
	// Hang lists the verbs that hang, before the side effect, until canceled.
	Hang []Verb `json:"hang,omitempty"`
	// Hold names a file in the world: while it is there, a create waits between
	// "created" and "recorded".
	Hold string `json:"hold,omitempty"`
	// HoldCreate names a file in the world: while it is there, a create waits
	// before its side effect, having made the file "creating".
	HoldCreate string `json:"holdCreate,omitempty"`
	// HoldUpdate and HoldDestroy name files in the world: while they are there,
	// an update or a destruction waits after its side effect.
	HoldUpdate  string `json:"holdUpdate,omitempty"`
	HoldDestroy string `json:"holdDestroy,omitempty"`
	// Forgetful makes the engine as blind as those are that know what they made
	// only once they recorded it: a create that was cut off is uncertain, unless
	// the implementation declares an identity.
	Forgetful bool `json:"forgetful,omitempty"`
	// Immutable inputs replace the resource when they change.
	Immutable []string `json:"immutable,omitempty"`
	// Ignore lists inputs that are no attributes.
	Ignore []string `json:"ignore,omitempty"`
	// Announce names an input that is set in a step of its own, after the
	// creation and at each change, with a ledger line "set <name> <value>".
	Announce string `json:"announce,omitempty"`
	// Content names the input that says what a resource holds when it is created;
	// without a value it holds something of its own. It is no attribute: later
	// values of that input change nothing.
	Content string `json:"content,omitempty"`
	// Outputs maps an output to its value. In strings, "{id}", "{node}",
	// "{content}" and "{<input>}" are replaced. An output that is not listed is the input of its
	// name, or "id".
	Outputs map[string]any `json:"outputs,omitempty"`
}

func behaviourOf(req engine.Request) (Behaviour, error) {
	var b Behaviour
	for _, source := range []any{req.Implementation.Settings, req.Inputs[BehaviourInput]} {
		if source == nil {
			continue
		}
		text, err := json.Marshal(source)
		if err != nil {
			return b, fmt.Errorf("settings of %s: %w", req.Node, err)
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&b); err != nil {
			return b, fmt.Errorf("settings of %s: %w", req.Node, err)
		}
	}
	return b, nil
}

// act waits and fails as programmed for a verb.
func (n *node) act(ctx context.Context, verb Verb) error {
	for _, v := range n.behaviour.Hang {
		if v == verb {
			<-ctx.Done()
			return n.canceled(ctx)
		}
	}
	if verb != VerbObserve && verb != VerbPreview {
		if err := n.pause(ctx, time.Duration(n.behaviour.Latency)); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return n.canceled(ctx)
	}
	var err error
	if n.fault, err = n.injected(verb); err != nil {
		return err
	}
	if err := n.strike(ctx, n.fault, false); err != nil {
		return err
	}
	times, ok := n.behaviour.Fail[verb]
	if !ok || times == 0 {
		return nil
	}
	class := n.behaviour.Class
	if times > 0 {
		done, err := n.failures(verb)
		if err != nil {
			return n.broken(err)
		}
		if done > times {
			return nil
		}
		if class == "" {
			class = engine.Transient
		}
	} else if class == "" {
		class = engine.Rejected
	}
	message := n.behaviour.Message
	if message == "" {
		message = string(verb) + " failed as programmed"
	}
	return &engine.Error{Class: class, Engine: n.engine.name, Resource: n.address(), Message: message}
}

// failures counts this call of a verb that may fail, and returns how many there
// were. The count is kept in the world, so that it outlives a worker.
func (n *node) failures(verb Verb) (int, error) {
	return count(filepath.Join(n.engine.dir, "locks", n.key, "failures-"+string(verb)))
}

func (n *node) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return n.canceled(ctx)
	case <-timer.C:
		return nil
	}
}

// held waits while a file of the world is there; no name, no wait.
func (n *node) held(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	for {
		_, err := os.Stat(n.inWorld(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return n.broken(err)
		}
		if err := n.pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// heldBefore waits before a creation and says so.
func (n *node) heldBefore(ctx context.Context) error {
	if n.behaviour.HoldCreate == "" {
		return nil
	}
	if err := os.WriteFile(n.inWorld("creating"), nil, 0o600); err != nil {
		return n.broken(err)
	}
	return n.held(ctx, n.behaviour.HoldCreate)
}

func (n *node) inWorld(name string) string { return filepath.Join(n.engine.dir, filepath.Base(name)) }
