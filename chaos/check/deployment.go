// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"slices"

	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/chaos/story"
	"github.com/HatiCode/nestor/orchestrator"
)

// Run is one deployment that has ended.
type Run struct {
	Story      story.Story
	Step       story.Step
	Deployment orchestrator.Deployment
	// Token is the secret that nodes were given.
	Token string
	// Ledger of the fake engine between the request and the end; RealLedger is
	// the whole file of OpenTofu's in the environment.
	Ledger     []cloud.Entry
	RealLedger string
	// Streamed are the events' sequences as a client got them, across every
	// restart of the API.
	Streamed []int64
}

// AsWanted says that the deployment ended as an undisturbed one does.
func (r Run) AsWanted() bool { return r.Deployment.Status == r.Step.Want }

// Listed says that the deployment did not end as an undisturbed one, and that
// it says why: a node without an identity is uncertain.
func (r Run) Listed() bool {
	if r.AsWanted() || !r.Story.Uncertain || !r.Deployment.Status.Final() {
		return false
	}
	cause := false
	for _, left := range r.Deployment.Residue {
		if left.Action == "" {
			return false
		}
		cause = cause || r.uncertain(left.Node)
	}
	return cause
}

// uncertain says that a node has no identity, in what was or in what shall be.
func (r Run) uncertain(id string) bool {
	for _, g := range []story.Graph{r.Step.Before, r.Step.Graph} {
		if node, there := g.Node(id); there && node.Kind.Uncertain() {
			return true
		}
	}
	return false
}

// Deployment checks everything that is about one deployment and its environment.
func Deployment(ctx context.Context, s *site.Site, r Run) (Findings, error) {
	var f Findings
	d := r.Deployment
	if !r.AsWanted() && !r.Listed() {
		f.lost("deployment %s (%s) ended %s, want %s: %s; residue %v", d.ID, r.Step.Name, d.Status, r.Step.Want, d.Error, d.Residue)
	}
	if r.AsWanted() && len(d.Residue) > 0 {
		f.lost("deployment %s ended %s and lists residue: %v", d.ID, d.Status, d.Residue)
	}
	resources, err := s.World.Resources(ctx)
	if err != nil {
		return f, err
	}
	heads, err := s.Registry.Heads(ctx, d.Scope)
	if err != nil {
		return f, err
	}
	r.heads(&f, heads)
	r.world(&f, resources, heads)
	r.effects(&f)
	r.real(&f, heads)
	events, err := s.Events(ctx, d.ID, 0)
	if err != nil {
		return f, err
	}
	r.events(&f, events)
	open, err := s.Registry.OpenDeployments(ctx, d.Team, d.Application, "")
	if err != nil {
		return f, err
	}
	for _, other := range open {
		f.lock("deployment %s is still open as %s", other.ID, other.Status)
	}
	leases, err := s.Registry.Tenures(ctx, d.Scope)
	if err != nil {
		return f, err
	}
	for _, lease := range leases {
		f.lock("the lease of %s of %s by process %d is left", lease.Action, lease.Node, lease.Lease.PID)
	}
	return f, r.locks(&f, s)
}

// settled is what the environment should be now.
func (r Run) settled() story.Graph {
	if r.AsWanted() {
		return r.Step.After
	}
	return r.Step.Before
}

// excepted are nodes that the deployment lists as what it left behind.
func (r Run) excepted(node string) bool {
	return slices.ContainsFunc(r.Deployment.Residue, func(left orchestrator.Residue) bool { return left.Node == node })
}

// heads are those of the graph, and at rest.
func (r Run) heads(f *Findings, heads []orchestrator.NodeHead) {
	id := r.Deployment.ID
	want := r.settled()
	for _, head := range heads {
		_, known := want.Node(head.Node)
		switch {
		case r.excepted(head.Node):
		case !known:
			f.orphan("after %s there is a head of %s (%s), which no graph has", id, head.Node, head.Status)
		case head.Status != orchestrator.NodeReady && head.Status != orchestrator.NodeReverted:
			f.lost("after %s the head of %s says %s", id, head.Node, head.Status)
		}
	}
	if r.Listed() && r.Step.Kind == orchestrator.KindDestroy {
		return // what is left is listed, and what is gone is gone
	}
	for _, node := range want {
		if !r.excepted(node.ID()) && !slices.ContainsFunc(heads, func(h orchestrator.NodeHead) bool { return h.Node == node.ID() }) {
			f.lost("after %s there is no head of %s", id, node.ID())
		}
	}
}

// events have no gap, one end, and came to a client as they are.
func (r Run) events(f *Findings, events []orchestrator.Event) {
	id := r.Deployment.ID
	ends := 0
	for i, event := range events {
		if event.Sequence != int64(i+1) {
			f.lost("event %d of %s has the sequence %d", i+1, id, event.Sequence)
			return
		}
		if event.Type == orchestrator.EventFinished {
			ends++
		}
	}
	if len(events) == 0 || ends != 1 || events[len(events)-1].Type != orchestrator.EventFinished {
		f.lost("the events of %s hold %d ends", id, ends)
	}
	r.late(f, events)
	for i, sequence := range r.Streamed {
		if sequence != int64(i+1) {
			f.lost("the stream of %s gave event %d in the place of event %d", id, sequence, i+1)
			return
		}
	}
	if len(r.Streamed) != len(events) {
		f.lost("the stream of %s gave %d events of %d", id, len(r.Streamed), len(events))
	}
}
