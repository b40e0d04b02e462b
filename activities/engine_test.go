// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

var _ engine.Engine = (*tiny)(nil)

// tiny is an engine that keeps what it made in memory: for each address the
// inputs it was made with.
type tiny struct {
	mu       sync.Mutex
	made     map[string]map[string]any
	states   map[string]engine.State
	calls    []string // verbs, without Version
	requests []engine.Request

	// during is called at the beginning of a verb; its error is the verb's.
	during func(ctx context.Context, verb string) error
	// outputs that every apply gives; kept are those that a preview says stay.
	outputs map[string]any
	kept    []string
	// changes that a preview shows instead of the engine's own.
	changes []orchestrator.Change
	// ignore is an input that is read only once, immutable one whose change
	// replaces; stubborn destroys nothing.
	ignore, immutable string
	// silent is an input that no attribute shows, as one that a provisioner reads.
	silent string
	// instance is what tells a resource from one that is made again; empty for none.
	instance string
	stubborn bool
}

func newTiny() *tiny {
	return &tiny{
		made:    map[string]map[string]any{},
		states:  map[string]engine.State{},
		during:  func(context.Context, string) error { return nil },
		outputs: map[string]any{"endpoint": "db.example", "port": float64(5432), "token": canary, "url": "http://app"},
	}
}

func (e *tiny) begin(ctx context.Context, verb string, req engine.Request) error {
	e.mu.Lock()
	e.calls = append(e.calls, verb)
	e.requests = append(e.requests, req)
	e.mu.Unlock()
	if _, err := fmt.Fprintf(req.Log, "%s %s\n", verb, req.Node); err != nil {
		return err
	}
	return e.during(ctx, verb)
}

// Name implements engine.Engine.
func (e *tiny) Name() string { return "tiny" }

// Version implements engine.Engine.
func (e *tiny) Version(context.Context) (string, error) { return "tiny 1.0.0", nil }

// Observe implements engine.Engine.
func (e *tiny) Observe(ctx context.Context, req engine.Request) (engine.Observation, error) {
	if err := e.begin(ctx, "observe", req); err != nil {
		return engine.Observation{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, exists := e.made[req.Address]
	state := e.states[req.Address]
	return engine.Observation{Exists: exists, State: state, Instances: e.instances(req.Node)}, nil
}

func (e *tiny) instances(node string) map[string]string {
	if e.instance == "" {
		return nil
	}
	return map[string]string{"tiny." + node: e.instance}
}

// Preview implements engine.Engine.
func (e *tiny) Preview(ctx context.Context, req engine.Request) (p engine.Preview, err error) {
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		p.State, p.Instances = e.states[req.Address], e.instances(req.Node)
	}()
	if err := e.begin(ctx, "preview", req); err != nil {
		return engine.Preview{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changes != nil {
		return engine.Preview{Changes: e.changes, OutputsKept: e.kept}, nil
	}
	there, exists := e.made[req.Address]
	change := orchestrator.Change{Address: "tiny." + req.Node, Action: orchestrator.ActionUpdate}
	switch {
	case req.Destroy && exists:
		change.Action = orchestrator.ActionDelete
		return engine.Preview{Changes: []orchestrator.Change{change}}, nil
	case req.Destroy, exists && len(req.Unknown) == 0 && cmp.Equal(there, req.Inputs):
		return engine.Preview{OutputsKept: e.kept}, nil
	case !exists:
		change.Action = orchestrator.ActionCreate
	case e.immutable != "" && there[e.immutable] != req.Inputs[e.immutable]:
		change.Action = orchestrator.ActionReplace
	}
	change.Attributes = slices.DeleteFunc(attributesOf(req, there), func(a orchestrator.AttributeChange) bool { return a.Path == e.silent })
	return engine.Preview{Changes: []orchestrator.Change{change}, OutputsKept: e.kept}, nil
}

func attributesOf(req engine.Request, there map[string]any) []orchestrator.AttributeChange {
	var all []orchestrator.AttributeChange
	for _, name := range slices.Sorted(maps.Keys(req.Inputs)) {
		a := orchestrator.AttributeChange{Path: name, Sensitive: req.Sensitive[name]}
		if !a.Sensitive {
			a.Before, a.After = there[name], req.Inputs[name]
		}
		all = append(all, a)
	}
	for _, name := range slices.Sorted(maps.Keys(req.Unknown)) {
		all = append(all, orchestrator.AttributeChange{Path: name, Unknown: req.Unknown[name]})
	}
	return all
}

// Apply implements engine.Engine.
func (e *tiny) Apply(ctx context.Context, req engine.Request, _ engine.Preview) (engine.Result, error) {
	if err := e.begin(ctx, "apply", req); err != nil {
		return engine.Result{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made[req.Address] = maps.Clone(req.Inputs)
	state := engine.State{Lineage: "tiny", Serial: e.states[req.Address].Serial + 1}
	e.states[req.Address] = state
	delete(e.made[req.Address], e.ignore)
	return engine.Result{Outputs: maps.Clone(e.outputs), Serial: state.Serial, Lineage: state.Lineage}, nil
}

// Destroy implements engine.Engine.
func (e *tiny) Destroy(ctx context.Context, req engine.Request) error {
	if err := e.begin(ctx, "destroy", req); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stubborn {
		delete(e.made, req.Address)
		delete(e.states, req.Address)
	}
	return nil
}

// did returns the verbs since the last time, and the last request.
func (e *tiny) did() ([]string, engine.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	calls, last := e.calls, engine.Request{}
	if n := len(e.requests); n > 0 {
		last = e.requests[n-1]
	}
	e.calls, e.requests = nil, nil
	return calls, last
}

// failing is a during that fails one verb.
func failing(verb string, err error) func(context.Context, string) error {
	return func(_ context.Context, v string) error {
		if v == verb {
			return err
		}
		return nil
	}
}

// hanging is a during that stops in one verb until it is canceled. It says on
// the channel when it is there.
func hanging(verb string, there chan<- struct{}) func(context.Context, string) error {
	return func(ctx context.Context, v string) error {
		if v != verb {
			return nil
		}
		close(there)
		<-ctx.Done()
		return &engine.Error{Class: engine.Canceled, Engine: "tiny", Message: "stopped as asked", Err: context.Cause(ctx)}
	}
}
