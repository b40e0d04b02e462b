// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// announced is what each request since the last time was told of the attempt that
// was cut off; one that was told nothing has nil.
func (f *fixture) announced() []*engine.Announced {
	f.t.Helper()
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	var told []*engine.Announced
	for _, req := range f.engine.requests {
		if (req.CutOff != 0) != (req.Announced != nil) {
			f.t.Errorf("attempt %d was cut off, and was asked for %+v", req.CutOff, req.Announced)
		}
		told = append(told, req.Announced)
	}
	if len(told) == 0 {
		f.t.Error("the engine was not asked")
	}
	f.engine.calls, f.engine.requests = nil, nil
	return told
}

// TestWhatWasCutOffIsLookedForAsItWasAsked: what the next step asks for says nothing
// of what the one before may have made.
func TestWhatWasCutOffIsLookedForAsItWasAsked(t *testing.T) {
	t.Parallel()
	f := setup(t)
	sized := func(size, module string) string {
		return f.graph(func(_, db *composer.Node) {
			db.Inputs[1].Value, db.Implementation.Module = literal(size), module
		})
	}
	small, large := sized("small", "one"), sized("large", "two")
	id := f.deployment("")
	f.engine.during = failing("apply", &engine.Error{Class: engine.Uncertain, Engine: "tiny", Message: "cut off"})
	if _, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: small}); err == nil {
		t.Fatal("it was applied")
	}
	if told := f.announced(); told[0] != nil {
		t.Errorf("nothing was cut off yet, and the engine is told of %+v", told[0])
	}
	want := &engine.Announced{
		Implementation: nodes()[1].Implementation,
		Inputs:         map[string]any{"password": canary, "size": "small"}, Sensitive: map[string]bool{"password": true},
		Outputs: []engine.OutputSpec{
			{Name: "endpoint", Type: "string"}, {Name: "port", Type: "integer"}, {Name: "token", Type: "string", Sensitive: true},
		},
	}
	want.Implementation.Module = "one"
	later := f.deployment("")
	for _, step := range []struct {
		verb   string
		action orchestrator.StepAction
	}{
		{verb: "preview", action: orchestrator.StepApply},
		{verb: "observe", action: orchestrator.StepObserve},
		{verb: "destroy", action: orchestrator.StepDestroy},
	} {
		f.engine.during = failing(step.verb, &engine.Error{Class: engine.Uncertain, Engine: "tiny", Message: "in doubt"})
		if _, err := f.step(contract.StepInput{Deployment: later, Node: database, Action: step.action, GraphDigest: large}); err == nil {
			t.Fatalf("%s: it went on", step.action)
		}
		for _, told := range f.announced() {
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("%s is told of what was cut off (-want +got):\n%s", step.action, diff)
			}
		}
	}
	f.engine.during = func(context.Context, string) error { return nil }
	f.done(f.deployment(""), large, database, orchestrator.StepApply)
	f.announced()
	f.done(f.deployment(""), small, database, orchestrator.StepApply)
	if told := f.announced(); told[0] != nil {
		t.Errorf("it is known what came of it, and the engine is told of %+v", told[0])
	}
	f.noSecrets()
}
