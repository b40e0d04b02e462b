// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"errors"
	"fmt"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/e2e/mixed"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// few is a graph with one node of each kind that matters to a cancel.
func few() mixed.Graph {
	return mixed.Graph{Nodes: []mixed.Node{
		{Name: "gone", Definition: "plain", Change: mixed.Removed},
		{Name: "up", Definition: "plain", Change: mixed.Updated},
		{Name: "mid", Definition: "precious", Class: catalog.SnapshotFirst, Change: mixed.Replaced, Before: []string{"up"}, After: []string{"up"}},
		{Name: "way", Definition: "one-way", Class: catalog.ForwardOnly, Change: mixed.Unchanged},
		{Name: "made", Definition: "plain", Change: mixed.Created, After: []string{"mid"}},
		{Name: "top", Definition: "plain", Change: mixed.Created, After: []string{"made"}},
	}}
}

var errNotYet = errors.New("not yet")

func node(name string) mixed.Node { return mixed.Node{Name: name} }

// TestCancelInEveryPhase: what is left is named exactly, whenever the cancel
// comes, and the same command finishes the work.
func TestCancelInEveryPhase(t *testing.T) {
	t.Parallel()
	broken := fake.Fault{Verb: fake.VerbCreate, Times: 1}
	cases := map[string]struct {
		fail    string // this node's creation makes the deployment roll back
		node    string // where it hangs when it is canceled
		hang    fake.Fault
		destroy bool
		reason  string
	}{
		"apply":   {node: "up", hang: fake.Fault{Verb: fake.VerbUpdate}, reason: "a cancel of an apply rolls back"},
		"remove":  {node: "gone", hang: fake.Fault{Verb: fake.VerbDestroy}, reason: "nothing is rolled back after a removal began"},
		"observe": {fail: "top", node: "up", hang: fake.Fault{Verb: fake.VerbObserve}, reason: "what was not seen is not taken back"},
		"restore": {fail: "top", node: "up", hang: fake.Fault{Verb: fake.VerbUpdate, Skip: 1}, reason: "what needs it stays, too"},
		"destroy": {fail: "top", node: "made", hang: fake.Fault{Verb: fake.VerbDestroy}, reason: "what was created is still there"},
		"destruction": {
			node: "mid", hang: fake.Fault{Verb: fake.VerbDestroy}, destroy: true, reason: "what was not come to is named",
		},
	}
	h := newHouse(t, few())
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &application{house: h, t: t, name: "cancel-" + name}
			a.whole(a.deploy(mixed.CompositionBefore))
			before := a.picture()
			tc.hang.Hang, tc.hang.Times = true, 1
			a.inject(node(tc.node), tc.hang)
			if tc.fail != "" {
				a.inject(node(tc.fail), broken)
			}
			id := a.begin(tc.destroy)
			a.eventuallyCalled(node(tc.node), tc.hang.Verb, tc.hang.Skip+1)
			if name == "observe" {
				a.eventuallyObserved(id, "mid", "made", "top", "way")
			}
			a.cancel(id, tc.fail != "")
			d := a.Await(id, patience)
			a.wantStatus(d, orchestrator.StatusCanceled)
			switch name {
			case "remove":
				a.wantResidue(tc.reason, d, []string{"m.gone"})
			case "destruction":
				a.wantResidue(tc.reason, d, a.recorded(func(mixed.Node) bool { return true }))
			default:
				a.wantResidue(tc.reason, d, a.differing(before))
			}
			a.heal()
			if !tc.destroy {
				a.whole(a.deploy(mixed.CompositionAfter))
			}
			a.whole(a.destroy())
			if left := a.present(); len(left) > 0 {
				a.fatalf("destroyed, and %v is there", left)
			}
			a.wantNoSnapshots()
		})
	}
}

// begin asks for the deployment that is to be canceled.
func (a *application) begin(destroy bool) string {
	a.t.Helper()
	req := contract.DeployRequest{Kind: orchestrator.KindApply, Scope: a.scope(), AutoApprove: true}
	if destroy {
		req.Kind = orchestrator.KindDestroy
	} else {
		req.Release = a.release(mixed.CompositionAfter)
	}
	id, err := a.Deploy(req)
	a.must(err)
	return id
}

func (a *application) eventuallyCalled(n mixed.Node, verb fake.Verb, times int) {
	a.t.Helper()
	testplatform.Eventually(a.t, patience, fmt.Sprintf("call %d of %s of %s", times, verb, n.Name), func() error {
		calls, err := fake.Called(a.world, a.address(n), verb)
		if err == nil && calls < times {
			err = errNotYet
		}
		return err
	})
}

// eventuallyObserved waits until the rollback has looked at nodes.
func (a *application) eventuallyObserved(id string, names ...string) {
	a.t.Helper()
	for _, name := range names {
		testplatform.Eventually(a.t, patience, "a look at "+name, func() error {
			run, err := a.Registry.Run(a.t.Context(), id, node(name).ID())
			if err == nil && (run.Action != orchestrator.StepObserve || run.Status == orchestrator.NodeRunning) {
				err = errNotYet
			}
			return err
		})
	}
}

func (a *application) cancel(id string, rollback bool) {
	a.t.Helper()
	signal := contract.CancelSignal{Deployment: id, Principal: "user:ada"}
	if rollback {
		signal.Phase = "rollback"
	}
	application := orchestrator.ApplicationWorkflowID(team, a.name)
	_, err := a.Temporal.SignalWithStartWorkflow(a.t.Context(), application, contract.SignalCancel, signal,
		client.StartWorkflowOptions{ID: application, TaskQueue: contract.QueueControl},
		contract.WorkflowApplication, contract.ApplicationInput{Team: team, Application: a.name})
	a.must(err)
}
