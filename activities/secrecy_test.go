// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// telling is a during that fails a verb, and tells all that the engine was given.
func (e *tiny) telling(verb, address string) func(context.Context, string) error {
	return func(_ context.Context, v string) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		last := e.requests[len(e.requests)-1]
		if v != verb || last.Address != address {
			return nil
		}
		return &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: fmt.Sprintf("the provider refuses %v of %v", last.Inputs, last.Env)}
	}
}

// rotate gives the database a secret that is not the canary any more.
func (f *fixture) rotate() { f.vault["NESTOR_SECRET_ALPHA__DB"] = "another-secret-77" }

// TestSnapshotsTellNoSecret: what a provider says of a snapshot is masked with
// all that the snapshot was given, which the node itself may not know.
func TestSnapshotsTellNoSecret(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		act    func(f *fixture) error
		reason string
	}{
		"taken": {func(f *fixture) error {
			id, _, large := f.grown()
			f.rotate()
			f.engine.during = f.engine.telling("apply", firstSnapshot)
			_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: large})
			return err
		}, "it is given the password of before"},
		"given back": {func(f *fixture) error {
			f.rotate()
			id, small, large := f.grown()
			f.done(id, large, database, orchestrator.StepApply)
			delete(f.engine.made, databaseAddress)
			f.engine.during = f.engine.telling("apply", databaseAddress)
			_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepRestore, GraphDigest: small})
			return err
		}, "the node is given what the snapshot gave"},
		"pruned": {func(f *fixture) error {
			id, small, large := f.grown()
			f.done(id, large, database, orchestrator.StepApply)
			next := f.deployment("")
			f.done(next, small, database, orchestrator.StepApply)
			next = f.deployment("")
			f.done(next, large, database, orchestrator.StepApply) // a newer one of small
			f.engine.during = f.engine.telling("destroy", firstSnapshot)
			_, err := f.step(contract.StepInput{Deployment: next, Node: database, Action: orchestrator.StepPrune, GraphDigest: large})
			if told := f.head(database).Snapshots[0].Error; !strings.Contains(told, "refuses") || strings.Contains(told, canary) {
				f.t.Errorf("the head says %q", told)
			}
			return err
		}, "nothing else of the node is read then"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			failed := failure(t, tc.act(f)) // looks for the canary
			if !strings.Contains(failed.Message(), "the provider refuses") || !strings.Contains(failed.Message(), catalog.Masked) {
				t.Errorf("%s: got %v", tc.reason, failed)
			}
			f.noSecrets()
		})
	}
}

// dialing gives the app an address with the database's token in it.
func dialing(app, _ *composer.Node) {
	token := reference(database, "token")
	app.Inputs = append(app.Inputs, composer.NodeInput{Name: "dsn", Type: catalog.TypeString, Value: composer.Expression{
		Kind: composer.ExprConcat, Parts: []composer.Expression{literal("postgres://app:"), token, literal("@db")},
	}})
}

// TestPartsOfAnInputAreSecret: an engine that tells the password alone, without
// the address around it that it was given, tells nothing.
func TestPartsOfAnInputAreSecret(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph, id := f.graph(dialing), f.deployment("")
	f.done(id, graph, database, orchestrator.StepApply)
	f.engine.during = failing("apply", &engine.Error{Class: engine.Rejected, Message: "no user with " + canary})
	_, err := f.step(contract.StepInput{Deployment: id, Node: app, Action: orchestrator.StepApply, GraphDigest: graph})
	if failed := failure(t, err); !strings.Contains(failed.Message(), "no user with "+catalog.Masked) {
		t.Errorf("got %v", failed)
	}
	_, last := f.engine.did()
	if len(last.Secrets) != 1 || last.Secrets[0] != canary {
		t.Errorf("the engine is told that %v is secret", last.Secrets)
	}
	f.noSecrets()
}
