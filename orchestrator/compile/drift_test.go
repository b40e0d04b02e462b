// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
)

// repairing is the policy under which drift is repaired.
func repairing(e *orchestrator.EnvironmentSpec) {
	e.Drift = &orchestrator.DriftPolicy{
		Schedule: orchestrator.DriftSchedule{Every: catalog.Duration(1)}, Policy: orchestrator.DriftRepair,
	}
}

// drifted is a report of a check in which the first node of two has a state.
func (f *fixture) drifted(trigger orchestrator.Trigger, state orchestrator.DriftState) orchestrator.Drift {
	f.t.Helper()
	d, created, err := f.Compiler.Drift(f.t.Context(), compile.DriftRequest{
		Scope: in("dev"), Trigger: trigger, Repair: true, RequestID: uuid.NewString(), Principal: ada,
	})
	f.must(err)
	if !created {
		f.t.Fatalf("check %s is at work", d.ID)
	}
	for i, id := range ids(f.graph(d.GraphDigest)) {
		np := orchestrator.NodePlan{Node: id, Drift: orchestrator.NodeInSync, Release: f.releaseOf(d.GraphDigest, id)}
		if i == 0 {
			np.Drift = state
			if state.Unknown() {
				np.Error = "the state is no JSON"
			} else if state != orchestrator.NodeInSync {
				np.Changes = []orchestrator.Change{{Address: "it", Action: orchestrator.ActionUpdate}}
			}
		}
		f.must(f.Registry.PutNodePlan(f.t.Context(), ada, d.ID, np, nil))
	}
	d, err = f.Registry.FinishDrift(f.t.Context(), ada, d.Scope, d.ID, "")
	f.must(err)
	return d
}

// releaseOf is the release that a node of a graph is of.
func (f *fixture) releaseOf(graph, id string) string {
	f.t.Helper()
	g := f.graph(graph)
	node, _ := g.Node(id)
	return g.ReleaseOf(node)
}

// repair asks for a check's repair, and says why there is none.
func (f *fixture) repair(d orchestrator.Drift) string {
	f.t.Helper()
	req, why, err := f.Compiler.Repair(f.t.Context(), d.Scope, d.ID)
	f.must(err)
	if why == "" && (req.PlanID != d.ID || req.AutoApprove || req.Release != d.Release || req.RequestID != "drift/"+d.ID) {
		f.t.Errorf("it goes by something else than the check: %+v", req)
	}
	return why
}

func TestRepairIsRefused(t *testing.T) {
	t.Parallel()
	const manual, schedule = orchestrator.TriggerManual, orchestrator.TriggerSchedule
	for name, tc := range map[string]struct {
		trigger orchestrator.Trigger
		state   orchestrator.DriftState
		policy  func(*orchestrator.EnvironmentSpec)
		want    string
		reason  string
	}{
		"drift":               {schedule, orchestrator.NodeDrifted, repairing, "", "that is what the policy is for"},
		"in sync":             {manual, orchestrator.NodeInSync, nil, "the check ended in_sync", "there is nothing to do"},
		"unreadable":          {manual, orchestrator.NodeUnreadable, nil, "the check ended failed", "nobody knows"},
		"gone, by itself":     {schedule, orchestrator.NodeGone, repairing, "if only its state was lost, a repair would make it a second time", "a person has to look"},
		"gone, by a person":   {manual, orchestrator.NodeGone, nil, "", "who has looked"},
		"never whole":         {schedule, orchestrator.NodePartial, repairing, "was never whole", "it is a deployment that is missing"},
		"another policy":      {schedule, orchestrator.NodeDrifted, nil, "does not repair any more", "it was changed while the check ran"},
		"by hand, no policy":  {manual, orchestrator.NodeDrifted, nil, "", "a person decides"},
		"another environment": {manual, orchestrator.NodeDrifted, crossplaneOnly, "which the environment does not enable", "what would be deployed now is not what was compared"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.run(deploy(in("dev"), f.release("shop", "small").Digest), orchestrator.StatusSucceeded)
			d := f.drifted(tc.trigger, tc.state)
			f.environment("dev", "", tc.policy)
			why := f.repair(d)
			if (tc.want == "") != (why == "") || !strings.Contains(why, tc.want) {
				t.Errorf("%s: %q", tc.reason, why)
			}
		})
	}
}

// TestRepairStopsWhenDriftRecurs, and a person may go on.
func TestRepairStopsWhenDriftRecurs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.environment("dev", "", repairing)
	f.run(deploy(in("dev"), f.release("shop", "small").Digest), orchestrator.StatusSucceeded)
	for range 3 {
		d := f.drifted(orchestrator.TriggerSchedule, orchestrator.NodeDrifted)
		if why := f.repair(d); why != "" {
			t.Fatalf("not repaired: %s", why)
		}
		req, _, err := f.Compiler.Repair(t.Context(), d.Scope, d.ID)
		f.must(err)
		f.run(req, orchestrator.StatusSucceeded)
	}
	if why := f.repair(f.drifted(orchestrator.TriggerSchedule, orchestrator.NodeDrifted)); !strings.Contains(why, "came back after 3 repairs, the last of them alpha/shop/dev/4") {
		t.Errorf("a loop: %q", why)
	}
	if why := f.repair(f.drifted(orchestrator.TriggerManual, orchestrator.NodeDrifted)); why != "" {
		t.Errorf("a person's repair: %q", why)
	}
}

// TestRepairWaitsForNobody: what is queued settles what shall be.
func TestRepairWaitsForNobody(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.release("shop", "small").Digest
	f.run(deploy(in("dev"), release), orchestrator.StatusSucceeded)
	d := f.drifted(orchestrator.TriggerManual, orchestrator.NodeDrifted)
	queued := f.accept(deploy(in("dev"), release))
	if why := f.repair(d); !strings.Contains(why, "deployment "+queued+" is queued") {
		t.Errorf("another deployment waits: %q", why)
	}
}

func TestDriftIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ask := func(environment string) error {
		_, _, err := f.Compiler.Drift(t.Context(), compile.DriftRequest{Scope: in(environment), RequestID: "r", Principal: ada})
		return err
	}
	wantRefusal(t, "nothing is there", ask("dev"), "nothing of shop is deployed in dev", "nestor apply --env dev")
	f.run(deploy(in("dev"), f.release("shop", "small").Digest), orchestrator.StatusRunning)
	wantRefusal(t, "it is being changed", ask("dev"), "is running, and would be taken for drift")
	if err := ask("nowhere"); err == nil {
		t.Error("there is no such environment")
	}
}

// TestDriftAfterAFailure: a deployment that failed has left nodes at two releases.
// The report says which node is where, and that no repair can help.
func TestDriftAfterAFailure(t *testing.T) {
	t.Parallel()
	f := setup(t)
	small, large := f.release("shop", "small"), f.release("shop", "large")
	f.run(deploy(in("dev"), small.Digest), orchestrator.StatusSucceeded)
	failed := f.run(deploy(in("dev"), large.Digest), orchestrator.StatusFailed, "web.database")
	d := f.drifted(orchestrator.TriggerManual, orchestrator.NodeInSync)
	if d.Unsettled != failed.ID || d.UnsettledStatus != orchestrator.StatusFailed || d.Status != orchestrator.DriftDrifted || d.Release != small.Digest {
		t.Errorf("the report: %+v", d)
	}
	if d.Tally != (orchestrator.DriftTally{Nodes: 2, InSync: 1, Differs: 1, Elsewhere: 1}) {
		t.Errorf("nodes: %+v", d.Tally)
	}
	d, err := f.Registry.GetDrift(t.Context(), d.Scope, d.ID)
	f.must(err)
	if len(d.Nodes) != 1 || d.Nodes[0].Node != "web.database" || d.Nodes[0].State != orchestrator.NodeElsewhere || d.Nodes[0].Release != large.Digest {
		t.Errorf("not at the release are %+v", d.Nodes)
	}
	why := f.repair(d)
	for _, says := range []string{
		"deployment " + failed.ID + " ended failed", "`nestor apply --env dev`",
		"`nestor rollback --env dev --to " + orchestrator.ShortDigest(small.Digest) + "`", "`nestor destroy --env dev`",
	} {
		if !strings.Contains(why, says) {
			t.Errorf("why it is not repaired lacks %q: %s", says, why)
		}
	}

	f.remove(failed.ID, "web.database")
	d = f.drifted(orchestrator.TriggerManual, orchestrator.NodeInSync)
	if d.Status != orchestrator.DriftDrifted || d.Tally != (orchestrator.DriftTally{Nodes: 2, InSync: 1, Differs: 1, Elsewhere: 1}) {
		t.Errorf("with a node that was destroyed: %s, %+v", d.Status, d.Tally)
	}

	f.run(deploy(in("dev"), small.Digest), orchestrator.StatusSucceeded)
	if d = f.drifted(orchestrator.TriggerManual, orchestrator.NodeInSync); d.Status != orchestrator.DriftInSync || d.Unsettled != "" || d.Irreparable != "" {
		t.Errorf("mended: %+v", d)
	}
}

// TestRepairOfAnotherConfiguration says what to do, not which plan was made for
// what.
func TestRepairOfAnotherConfiguration(t *testing.T) {
	t.Parallel()
	f := setup(t)
	small := f.release("shop", "small").Digest
	f.run(deploy(in("dev"), small), orchestrator.StatusSucceeded)
	d := f.drifted(orchestrator.TriggerManual, orchestrator.NodeDrifted)
	req := deploy(in("dev"), f.release("shop", "large").Digest)
	req.PlanID, req.AutoApprove = d.ID, false
	wantRefusal(t, "what would be deployed is not what was compared", f.Compiler.CheckDeploy(t.Context(), req),
		"a repair cannot make it so again", "nestor apply --env dev")
}
