// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestReplacementThatWasRefused: one that took nothing away is none, where the engine
// can tell, has ended by itself, and finds on the way back what it had.
func TestReplacementThatWasRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before, after string // what tells the resource from another
		class         engine.Class
		gone          bool // between the look and the way back
		replaced      bool // as observed
		reason        string
	}{
		"refused":    {"one", "one", engine.Rejected, false, false, "what was there is there"},
		"replaced":   {"one", "two", engine.Rejected, false, true, "there is another one"},
		"not told":   {"", "", engine.Rejected, false, true, "what was asked for counts"},
		"cut off":    {"one", "one", engine.Canceled, false, true, "what is on record may be gone"},
		"gone since": {"one", "one", engine.Rejected, true, false, "the way back finds less than the look did"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			small := f.graph(nil)
			large := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
			f.done(f.deployment(""), small, database, orchestrator.StepApply)
			id := f.deployment("")
			f.engine.immutable, f.engine.instance = "size", tc.before
			f.engine.during = failing("apply", &engine.Error{Class: tc.class, Engine: "tiny", Message: "no room for another"})
			in := contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: large}
			if _, err := f.step(in); err == nil {
				t.Fatal("it was applied")
			}
			f.engine.during = func(context.Context, string) error { return nil }
			f.engine.instance = tc.after
			if res := f.done(id, large, database, orchestrator.StepObserve); res.Replaced != tc.replaced {
				t.Errorf("%s: observed as replaced: %t", tc.reason, res.Replaced)
			}
			if tc.gone {
				delete(f.engine.made, databaseAddress)
			}
			if res := f.done(id, small, database, orchestrator.StepRestore); res.Replaced != tc.gone {
				t.Errorf("%s: taken back as replaced: %t", tc.reason, res.Replaced)
			}
		})
	}
}
