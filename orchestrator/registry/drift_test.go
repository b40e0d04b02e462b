// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

const drifter = "worker:test"

// beginDrift begins a check of a graph with the nodes a, b, c and d.
func (f *fixture) beginDrift(request, id string) (orchestrator.Drift, bool) {
	f.tb.Helper()
	graph := composer.Graph{Digest: "g"}
	for _, node := range []string{"a", "b", "c", "d"} {
		graph.Nodes = append(graph.Nodes, composer.Node{ID: node, Engine: "fake", Definition: "thing", Version: "1.0.0"})
	}
	f.must(f.PutGraph(f.tb.Context(), graph))
	state, err := f.Scope(f.tb.Context(), scope())
	f.must(err)
	d := orchestrator.Drift{
		ID: id, Scope: scope(), Status: orchestrator.DriftRunning, Trigger: orchestrator.TriggerManual,
		Principal: ada, RequestID: request, GraphDigest: "g", Basis: state.Basis,
	}
	got, created, err := f.BeginDrift(f.tb.Context(), d, orchestrator.Plan{
		ID: id, Scope: scope(), GraphDigest: "g", PreviousGraphDigest: "g", Status: orchestrator.PlanRunning, Drift: true,
	})
	f.must(err)
	return got, created
}

// tell records what was found out about a node.
func (f *fixture) tell(id, node string, state orchestrator.DriftState, changes ...orchestrator.Change) {
	f.tb.Helper()
	np := orchestrator.NodePlan{Node: node, Drift: state, Changes: changes}
	if state.Unknown() {
		np.Error = "no idea"
	}
	f.must(f.PutNodePlan(f.tb.Context(), drifter, id, np, nil))
}

func (f *fixture) closeDrift(id, failure string) orchestrator.Drift {
	f.tb.Helper()
	_, err := f.FinishDrift(f.tb.Context(), drifter, scope(), id, failure)
	f.must(err)
	d, err := f.GetDrift(f.tb.Context(), scope(), id)
	f.must(err)
	return d
}

func update(after any) orchestrator.Change {
	return orchestrator.Change{
		Address: "thing.main", Action: orchestrator.ActionUpdate,
		Attributes: []orchestrator.AttributeChange{{Path: "size", Before: after, After: 3}},
	}
}

func TestDriftIsConcluded(t *testing.T) {
	t.Parallel()
	create := orchestrator.Change{Address: "thing.lost", Action: orchestrator.ActionCreate}
	states := func(s ...orchestrator.DriftState) map[string]orchestrator.DriftState {
		out := map[string]orchestrator.DriftState{}
		for i, state := range s {
			out[string(rune('a'+i))] = state
		}
		return out
	}
	const inSync, drifted, follows, unreadable = orchestrator.NodeInSync, orchestrator.NodeDrifted, orchestrator.NodeFollows, orchestrator.NodeUnreadable
	for name, tc := range map[string]struct {
		states  map[string]orchestrator.DriftState
		failure string
		want    orchestrator.DriftStatus
		tally   orchestrator.DriftTally
		counts  int
		says    string
		reason  string
	}{
		"all as deployed": {states(inSync, inSync, inSync, follows), "", orchestrator.DriftInSync, orchestrator.DriftTally{Nodes: 4, InSync: 4}, 0, "", "what only follows has not drifted"},
		"one differs":     {states(inSync, drifted, inSync, follows), "", orchestrator.DriftDrifted, orchestrator.DriftTally{Nodes: 4, InSync: 3, Differs: 1}, 2, "", "what follows is not counted"},
		"one unknown":     {states(inSync, unreadable, inSync, inSync), "", orchestrator.DriftFailed, orchestrator.DriftTally{Nodes: 4, InSync: 3, Unknown: 1}, 0, "b: no idea", "unknown is not in sync"},
		"both":            {states(drifted, unreadable, inSync, inSync), "", orchestrator.DriftDrifted, orchestrator.DriftTally{Nodes: 4, InSync: 2, Differs: 1, Unknown: 1}, 2, "b: no idea", "a difference is a difference"},
		"not all asked":   {states(inSync, inSync), "", orchestrator.DriftFailed, orchestrator.DriftTally{Nodes: 4, InSync: 2, Unknown: 2}, 0, "c: it was not asked", "silence is not consent"},
		"cut off":         {states(inSync, inSync, inSync, inSync), "its workflow ended as Terminated", orchestrator.DriftFailed, orchestrator.DriftTally{Nodes: 4, InSync: 4}, 0, "Terminated", "the check says itself that it failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			f.beginDrift("r", "01")
			for node, state := range tc.states {
				var changes []orchestrator.Change
				if state.Differs() || state == follows {
					changes = []orchestrator.Change{create, update(9)}
				}
				f.tell("01", node, state, changes...)
			}
			d := f.closeDrift("01", tc.failure)
			if d.Status != tc.want || d.Tally != tc.tally || d.Summary.Total() != tc.counts || !strings.Contains(d.Error, tc.says) || (tc.says == "") != (d.Error == "") {
				t.Errorf("%s: %s %+v %+v %q", tc.reason, d.Status, d.Tally, d.Summary, d.Error)
			}
			for _, n := range d.Nodes {
				if n.State == inSync || n.State == drifted && !slices.Equal(n.Deleted, []string{"thing.lost"}) {
					t.Errorf("node %+v", n)
				}
			}
			if again := f.closeDrift("01", "something else"); again.Error != d.Error {
				t.Errorf("a closed report has changed: %q", again.Error)
			}
		})
	}
}

// TestDriftOfAPlanThatEnded: what has ended the plan has ended the check, and comes
// before what is not known of the nodes; a node's trouble has not.
func TestDriftOfAPlanThatEnded(t *testing.T) {
	t.Parallel()
	const rest = "b: it was not asked, since the check ended before\nc: it was not asked, since the check ended before\nd: it was not asked, since the check ended before"
	for name, tc := range map[string]struct{ failure, want string }{
		"canceled":       {"canceled", "canceled\na: no idea\n" + rest},
		"not all of it":  {"", "a: no idea\n" + rest},
		"of its trouble": {"a: no idea", "a: no idea\n" + rest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			f.beginDrift("r", "01")
			f.tell("01", "a", orchestrator.NodeUnreadable)
			f.must(f.FinishPlan(t.Context(), drifter, "01", tc.failure))
			if diff := cmp.Diff(tc.want, f.closeDrift("01", "").Error); diff != "" {
				t.Errorf("the report says (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDriftFingerprint: the same place with another value is the same drift.
func TestDriftFingerprint(t *testing.T) {
	t.Parallel()
	f := open(t)
	fingerprint := func(id, node string, change orchestrator.Change) string {
		f.beginDrift(id, id)
		f.tell(id, node, orchestrator.NodeDrifted, change)
		return f.closeDrift(id, "").Fingerprint
	}
	first, again, other := fingerprint("01", "a", update(9)), fingerprint("02", "a", update(10)), fingerprint("03", "b", update(9))
	if first == "" || first != again || first == other {
		t.Errorf("fingerprints %q, %q and %q", first, again, other)
	}
}

// TestDriftOneAtATime: a check that runs is everybody's, and a request counts
// once.
func TestDriftOneAtATime(t *testing.T) {
	t.Parallel()
	f := open(t)
	first, created := f.beginDrift("one", "01")
	joined, again := f.beginDrift("two", "02")
	if !created || again || joined.ID != first.ID {
		t.Errorf("%s and %s (%t, %t)", first.ID, joined.ID, created, again)
	}
	f.closeDrift("01", "")
	if repeated, created := f.beginDrift("one", "03"); created || repeated.ID != "01" {
		t.Errorf("a repeated request got %s", repeated.ID)
	}
	if _, created := f.beginDrift("two", "04"); !created {
		t.Error("the way is not free after the end")
	}
}

// TestDriftOvertaken by a deployment that ended, or that is at work.
func TestDriftOvertaken(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]bool{"ended": true, "at work": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			f.beginDrift("r", "01")
			f.tell("01", "a", orchestrator.NodeDrifted, update(9))
			d := f.accept("deploy")
			f.must(f.SetStatus(t.Context(), contract.StatusInput{Deployment: d.ID, Status: orchestrator.StatusRunning, Principal: drifter}))
			if end {
				f.must(f.Finish(t.Context(), contract.FinishInput{Deployment: d.ID, Status: orchestrator.StatusFailed, Principal: drifter}))
			}
			if got := f.closeDrift("01", ""); got.Status != orchestrator.DriftOvertaken || got.Error == "" {
				t.Errorf("it ended %s: %s", got.Status, got.Error)
			}
		})
	}
}

// TestDriftIsPruned: the latest reports stay, and the plans that approvals are
// about.
func TestDriftIsPruned(t *testing.T) {
	t.Parallel()
	f := open(t)
	for i := range registry.KeptDrifts + 2 {
		id := fmt.Sprintf("%02d", i)
		f.beginDrift(id, id)
		f.tell(id, "a", orchestrator.NodeDrifted, update(i))
		f.closeDrift(id, "")
		if i == 0 {
			req := request("repair")
			req.PlanID = id
			d, err := f.Accept(t.Context(), req, "")
			f.must(err)
			report, err := f.DriftRecord(t.Context(), scope(), id)
			f.must(err)
			if report.Repaired != d.ID || d.Trigger != orchestrator.TriggerDrift {
				t.Errorf("the repair: %q, %q", report.Repaired, d.Trigger)
			}
			f.must(f.LeaveUnrepaired(t.Context(), drifter, scope(), id, "too late"))
		}
	}
	all, err := f.ListDrifts(t.Context(), scope())
	f.must(err)
	if len(all) != registry.KeptDrifts || all[0].ID != "21" || all[len(all)-1].ID != "02" {
		t.Errorf("%d reports are kept, from %s to %s", len(all), all[0].ID, all[len(all)-1].ID)
	}
	if _, err := f.GetPlan(t.Context(), "00"); err != nil {
		t.Errorf("the plan of a repair: %v", err)
	}
	if _, err := f.GetPlan(t.Context(), "01"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the plan of a report that is gone: %v", err)
	}
}

// TestDeployedPage: what was deployed with success is listed until it is
// destroyed.
func TestDeployedPage(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.must(f.PutGraph(t.Context(), composer.Graph{Digest: "g"}))
	run := func(application string, kind orchestrator.Kind, status orchestrator.Status) {
		req := request(application + string(kind))
		req.Application, req.Kind = application, kind
		d, err := f.Accept(t.Context(), req, "")
		f.must(err)
		f.must(f.Freeze(t.Context(), d.ID, drifter, registry.Frozen{Graph: "g"}))
		f.must(f.Finish(t.Context(), contract.FinishInput{Deployment: d.ID, Status: status, Principal: drifter}))
	}
	for _, application := range []string{"a", "b", "c", "d"} {
		run(application, orchestrator.KindApply, orchestrator.StatusSucceeded)
	}
	run("e", orchestrator.KindApply, orchestrator.StatusFailed)
	run("b", orchestrator.KindDestroy, orchestrator.StatusSucceeded)
	run("c", orchestrator.KindDestroy, orchestrator.StatusFailed)
	var got []string
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		scopes, next, err := f.DeployedPage(t.Context(), "staging", cursor, 2)
		f.must(err)
		for _, s := range scopes {
			got = append(got, s.Application)
		}
		cursor = next
	}
	if diff := cmp.Diff([]string{"a", "c", "d"}, got); diff != "" {
		t.Errorf("deployed (-want +got):\n%s", diff)
	}
}
