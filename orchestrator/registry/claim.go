// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// claimRecord says which node owns what a claim stands for.
type claimRecord struct {
	orchestrator.Scope
	Node  string `json:"node"`
	Until string `json:"until,omitempty"` // as the claim's
}

func (c claimRecord) of(s orchestrator.Scope, node string) bool {
	return c.Scope == s && c.Node == node
}

// ClaimedError refuses a node what another one owns.
type ClaimedError struct {
	Claim orchestrator.Claim
	Owner orchestrator.Scope
	Node  string
	// What the claim stands for, in words. The records have its digest alone, so
	// whoever made the claim adds it.
	What string
	// Until is the deployment whose end frees it, where the owner has let go of it.
	Until string
	by    orchestrator.Scope
	to    string // the node that was refused, where it is of the owner's scope
	in    string // the deployment that was refused; empty in a plan
}

// Error names the owner, but to another team no more of it than its team.
func (e *ClaimedError) Error() string {
	owner := fmt.Sprintf("node %s of %s in %s", e.Node, e.Owner.Application, e.Owner.Environment)
	what := cmp.Or(e.What, "what its identity or its adoption names")
	split := fmt.Sprintf("split it into two deployments: first one in which %s lets go of it, then one in which %s takes it", e.Node, e.to)
	switch {
	case e.Owner.Team != e.by.Team:
		owner = "a node of team " + e.Owner.Team
	case e.Until != "" && e.Until == e.in:
		return what + " was owned by " + owner + ", and is kept for it until this deployment has ended, whose rollback would need it; " + split
	case e.Until != "":
		return what + " was owned by " + owner +
			", and is kept for it until deployment " + e.Until + " has ended, whose rollback would need it; deploy again after that"
	case e.Owner == e.by:
		return what + " is owned by " + owner + ", and two nodes never own one thing, nor does one deployment hand it over; " +
			"change the inputs that make the identity, or " + split
	}
	return what + " is owned by " + owner +
		", and two nodes never own one thing; change the inputs that make the identity, or let the owner go of it first"
}

// claim adds what a node claims and does not have yet to a batch, and returns
// all that it has then.
func (r *Registry) claim(ctx context.Context, b *batch, a Attempt, wanted []orchestrator.Claim) ([]orchestrator.Claim, error) {
	all := slices.Clone(a.Claims)
	for _, c := range wanted {
		if slices.Contains(all, c) {
			continue
		}
		var owner claimRecord
		revision, err := r.readOrZero(ctx, claimKey(c), "claim of "+a.Run.Node, &owner)
		if err != nil {
			return nil, err
		}
		if revision > 0 && !owner.of(a.Scope, a.Run.Node) {
			free, err := r.lapsed(ctx, owner)
			if err != nil {
				return nil, err
			}
			if !free {
				return nil, &ClaimedError{
					Claim: c, Owner: owner.Scope, Node: owner.Node, Until: owner.Until,
					by: a.Scope, to: a.Run.Node, in: a.Run.Deployment,
				}
			}
		}
		b.replace(claimKey(c), revision, claimRecord{Scope: a.Scope, Node: a.Run.Node})
		all = append(slices.DeleteFunc(all, c.Is), c)
	}
	return all, nil
}

// lapsed says that a claim was kept for a deployment that is over.
func (r *Registry) lapsed(ctx context.Context, c claimRecord) (bool, error) {
	if c.Until == "" {
		return false, nil
	}
	d, err := r.GetDeployment(ctx, c.Until)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return d.Status.Final(), err
}

// release lets go of the claims that a node made whole does not make any more,
// and returns those that it holds from then on. A step that goes forward keeps
// them until its deployment is over: a rollback would make them again, and could
// not if another node had taken them by then.
func (r *Registry) release(ctx context.Context, b *batch, a Attempt, held, made []orchestrator.Claim) ([]orchestrator.Claim, error) {
	kept := slices.Clone(made)
	for _, c := range held {
		goes := a.Run.Action != orchestrator.StepApply || c.Until != "" && c.Until != a.Run.Deployment
		if goes || slices.ContainsFunc(made, c.Is) {
			continue
		}
		if c.Until == "" {
			c.Until = a.Run.Deployment
			var owner claimRecord
			revision, err := r.readOrZero(ctx, claimKey(c), "claim of "+a.Run.Node, &owner)
			if err != nil {
				return nil, err
			}
			if revision == 0 || !owner.of(a.Scope, a.Run.Node) {
				continue // it was never the node's
			}
			owner.Until = c.Until
			b.replace(claimKey(c), revision, owner)
		}
		kept = append(kept, c)
	}
	return kept, r.unclaim(ctx, b, a.Scope, a.Run.Node, held, kept)
}

// Claimed looks whether another node owns what a node is about to claim, and then
// fails with *ClaimedError. One of the same application and environment that lets
// go of it in the same deployment keeps it until that has ended; one that did so in
// a deployment before, which is still at work, has lost it when the node's turn
// comes.
func (r *Registry) Claimed(ctx context.Context, s orchestrator.Scope, node string, claims []orchestrator.Claim) error {
	for _, c := range claims {
		var owner claimRecord
		revision, err := r.readOrZero(ctx, claimKey(c), "claim of "+node, &owner)
		if err != nil {
			return err
		}
		if revision == 0 || owner.of(s, node) || owner.Scope == s && owner.Until != "" {
			continue
		}
		if free, err := r.lapsed(ctx, owner); err != nil || free {
			if err != nil {
				return err
			}
			continue
		}
		return &ClaimedError{Claim: c, Owner: owner.Scope, Node: owner.Node, Until: owner.Until, by: s, to: node}
	}
	return nil
}

// unclaim gives back what is not kept, if it is the node's: what another one
// has claimed stays.
func (r *Registry) unclaim(
	ctx context.Context, b *batch, s orchestrator.Scope, node string, all, kept []orchestrator.Claim,
) error {
	for _, c := range all {
		if slices.ContainsFunc(kept, c.Is) {
			continue
		}
		var owner claimRecord
		revision, err := r.readOrZero(ctx, claimKey(c), "claim of "+node, &owner)
		if err != nil {
			return err
		}
		if revision == 0 || !owner.of(s, node) {
			continue
		}
		gone := store.Delete(claimKey(c))
		gone.If, gone.IfRev = store.IfRevision, revision
		b.add(gone, nil)
	}
	return nil
}

// forgetHead keeps of a head where the node's state lives, with what was adopted
// there and its snapshots. The inputs that an engine was given last stay, too:
// without them it could not look. Everything else is void.
func (r *Registry) forgetHead(ctx context.Context, b *batch, head orchestrator.NodeHead) error {
	b.delete(valuesKey(head.Scope, head.Node, outputsDocument))
	had := head.Claims
	head.Claims = slices.DeleteFunc(slices.Clone(had), func(c orchestrator.Claim) bool { return !c.Adopted })
	head.InputsRef, head.InputDigest, head.OutputsRef, head.OutputsDigest = "", "", "", ""
	head.Intended, head.Adopting, head.Removing, head.Creating = "", false, false, 0
	head.Lineage, head.Serial, head.Error = "", 0, nil
	head.Status, head.Forgotten, head.UpdatedAt = orchestrator.NodeForgotten, true, r.now()
	b.put(headKey(head.Scope, head.Node), head)
	return r.unclaim(ctx, b, head.Scope, head.Node, had, head.Claims)
}

// deleteHead removes all that is recorded of a node but its fence, with what is
// known of its snapshots.
func (r *Registry) deleteHead(
	ctx context.Context, b *batch, s orchestrator.Scope, node string, claims []orchestrator.Claim, snapshots []orchestrator.Snapshot,
) error {
	b.delete(headKey(s, node))
	b.delete(valuesKey(s, node, inputsDocument))
	b.delete(valuesKey(s, node, outputsDocument))
	b.delete(valuesKey(s, node, intendedDocument))
	for _, snapshot := range snapshots {
		b.deleteSnapshot(s, node, snapshot)
	}
	return r.unclaim(ctx, b, s, node, claims, nil)
}

// claimConflict says that somebody made a claim at the same moment.
func claimConflict(err error) bool {
	var conflict *store.ConflictError
	return errors.As(err, &conflict) && strings.HasPrefix(conflict.Key.Partition, claimPartition)
}

// retryClaims runs f again while a claim was made in between: it then finds whose.
func retryClaims(ctx context.Context, f func() error) error { return again(ctx, claimConflict, f) }
