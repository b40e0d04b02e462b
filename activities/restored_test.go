// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"testing"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestRestoredWithAnotherSecret: what is given another secret than before is not
// as it was, although everything that can be shown is the same.
func TestRestoredWithAnotherSecret(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		token   string
		differs bool
		reason  string
	}{
		"another": {token: "another-token-42", differs: true, reason: "the database was not taken back"},
		"same":    {token: canary, reason: "it gives what it gave"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			before := f.graph(dialing)
			first := f.deployment("")
			f.done(first, before, database, orchestrator.StepApply)
			f.done(first, before, app, orchestrator.StepApply)
			after := f.graph(func(app, db *composer.Node) {
				dialing(app, db)
				app.Inputs[0].Value = literal("elsewhere")
				db.Inputs[1].Value = literal("large")
			})
			id := f.deployment("")
			f.engine.outputs["token"] = tc.token
			f.done(id, after, database, orchestrator.StepApply)
			f.done(id, after, app, orchestrator.StepApply)
			if res := f.done(id, before, app, orchestrator.StepRestore); res.Differs != tc.differs {
				t.Errorf("%s: it differs: %t", tc.reason, res.Differs)
			}
			f.noSecrets()
		})
	}
}

// TestWhatWasNotActedOn is given another secret by a database that stays, or
// finds one that somebody has exchanged meanwhile.
func TestWhatWasNotActedOn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		node   string
		change func(f *fixture)
		asked  bool
		reason string
	}{
		"nothing changed": {app, func(*fixture) {}, false, "there is nothing to take back"},
		"another output": {app, func(f *fixture) {
			f.engine.outputs["token"] = "another-token-42"
			f.done(f.deployment(""), f.graph(func(app, db *composer.Node) {
				dialing(app, db)
				db.Inputs[1].Value = literal("large")
			}), database, orchestrator.StepApply)
		}, true, "it is to work with what the database gives now"},
		"exchanged at its source": {database, (*fixture).rotate, false, "that is none of the deployment's doing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			graph, id := f.graph(dialing), f.deployment("")
			f.done(id, graph, database, orchestrator.StepApply)
			f.done(id, graph, app, orchestrator.StepApply)
			tc.change(f)
			f.engine.did()
			f.done(f.deployment(""), graph, tc.node, orchestrator.StepRestore)
			if verbs, _ := f.engine.did(); (len(verbs) > 0) != tc.asked {
				t.Errorf("%s: the engine was asked %v", tc.reason, verbs)
			}
		})
	}
}

// TestARestorationThatIsCutOffEarly: a worker died before it had the engine act,
// on a node that the deployment had only looked at. That makes it no other node.
func TestARestorationThatIsCutOffEarly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	before, first := f.graph(dialing), f.deployment("")
	f.done(first, before, database, orchestrator.StepApply)
	after := f.graph(func(app, db *composer.Node) {
		dialing(app, db)
		app.Inputs[0].Value = literal("elsewhere")
	})
	id := f.deployment("")
	f.done(id, after, database, orchestrator.StepApply)
	if _, err := f.Registry.Begin(t.Context(), "worker:tiny", scope(), orchestrator.NodeRun{
		Deployment: id, Node: database, Action: orchestrator.StepRestore, Attempt: 1,
	}, orchestrator.NodeHead{}); err != nil {
		t.Fatal(err)
	}
	if res := f.done(id, before, database, orchestrator.StepRestore); res.Differs || res.Changed {
		t.Errorf("nothing was changed by anybody: %+v", res)
	}
}
