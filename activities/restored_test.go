// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"testing"

	"github.com/HatiCode/nestor/catalog"
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

// TestRestoredAfterItsSecretWasExchanged: what was changed, and can only be taken
// back with the secret of today, is named.
func TestRestoredAfterItsSecretWasExchanged(t *testing.T) {
	t.Parallel()
	f := setup(t)
	before := f.graph(dialing)
	f.done(f.deployment(""), before, database, orchestrator.StepApply)
	id := f.deployment("")
	f.done(id, f.graph(func(app, db *composer.Node) {
		dialing(app, db)
		db.Inputs[1].Value = literal("large")
	}), database, orchestrator.StepApply)
	f.rotate()
	if res := f.done(id, before, database, orchestrator.StepRestore); !res.Differs {
		t.Errorf("its password is another: %+v", res)
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

// TestRestoredAfterWhatWasMadeAnew: a node that is made anew from its snapshot has
// another endpoint and token. Whoever gets them, near or far, is back with them;
// whoever gets another thing from elsewhere is not.
func TestRestoredAfterWhatWasMadeAnew(t *testing.T) {
	t.Parallel()
	const proxy = "web.proxy"
	graph := func(f *fixture, size string) string {
		all := nodes()
		saved(size)(&all[0], &all[1])
		dialing(&all[0], &all[1])
		all[0].Inputs = append(all[0].Inputs, composer.NodeInput{Name: "size", Type: catalog.TypeString, Value: literal(size)})
		return f.graphOf(append(all, composer.Node{
			ID: proxy, Definition: "proxy", Version: "1.0.0", DefinitionDigest: "sha256:proxy", Engine: "tiny", Dependencies: []string{app},
			Inputs: []composer.NodeInput{
				{Name: "to", Type: catalog.TypeString, Value: reference(app, "url")},
				{Name: "size", Type: catalog.TypeString, Value: literal(size)},
			},
		}))
	}
	for name, tc := range map[string]struct {
		acted   []string // that the deployment changes before it fails
		empty   bool     // nothing is there to fill the database from
		differs map[string]bool
		reason  string
	}{
		"changed by the deployment": {
			acted:   []string{database, app, proxy},
			differs: map[string]bool{database: false, app: false, proxy: false},
			reason:  "all follows from a database that was filled from its snapshot",
		},
		"not changed by it": {
			acted:   []string{database},
			differs: map[string]bool{database: false, app: false, proxy: false},
			reason:  "they are changed only to get what the database gives now",
		},
		"not made anew": {
			acted: []string{database, app, proxy}, empty: true,
			differs: map[string]bool{database: false, app: true, proxy: true},
			reason:  "the database stayed, and gives something else all the same",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.engine.ignore = "restoreFrom" // as a module does that reads it only once
			before, after := graph(f, "small"), graph(f, "large")
			first := f.deployment("")
			for _, node := range []string{database, app, proxy} {
				f.done(first, before, node, orchestrator.StepApply)
			}
			id := f.deployment("")
			for _, node := range tc.acted {
				f.done(id, after, node, orchestrator.StepApply)
			}
			if !tc.empty {
				delete(f.engine.made, "alpha/shop/staging/"+database) // the way back makes it anew
			}
			f.engine.outputs["endpoint"], f.engine.outputs["token"] = "db-2.example", "another-token-42"
			for _, node := range []string{database, app, proxy} {
				if node == app {
					f.engine.outputs["url"] = "http://app-2"
				}
				if res := f.done(id, before, node, orchestrator.StepRestore); res.Differs != tc.differs[node] {
					t.Errorf("%s: %s differs: %t", tc.reason, node, res.Differs)
				}
			}
			f.noSecrets()
		})
	}
}
