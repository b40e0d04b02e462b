// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"cmp"
	"slices"
)

// Settled says that a deployment which is over has left its environment either as
// it was to be or as it was before: it succeeded, or never began, or what it did
// was taken back as a whole, and nothing of an earlier one is left.
func (d Deployment) Settled() bool {
	switch {
	case d.Status == StatusSucceeded: // what is left is what nothing needs any more
		return true
	case len(d.Residue) > 0:
		return false
	case d.Kind == KindAdopt || d.StartedAt.IsZero():
		return true
	case d.Status == StatusCanceled: // no destruction is taken back
		return d.OnFailure == OnFailureRollback && d.Kind != KindDestroy
	default:
		return d.Status == StatusRolledBack
	}
}

// MoreNodes stands for the node in the entry of a deployment's residue that counts
// those which are not listed.
const MoreNodes = "…"

// StillLeft is what is left now of what a deployment that is over has left, by
// node, each with the deployment that left it so. heads are all of its scope as
// they are now; mended says of one that a later deployment has acted on whether that
// has put it right. A node that has no head is gone, and one that was forgotten is
// nobody's any more. An entry that counts what is not listed stays.
func (d Deployment) StillLeft(heads []NodeHead, mended func(NodeHead) (bool, error)) ([]Residue, error) {
	if d.Status == StatusSucceeded {
		return nil, nil // snapshots that nobody needs, which the heads list
	}
	now := make(map[string]NodeHead, len(heads))
	for _, head := range heads {
		now[head.Node] = head
	}
	var left []Residue
	for _, r := range slices.SortedStableFunc(slices.Values(d.Residue), func(a, b Residue) int { return cmp.Compare(a.Node, b.Node) }) {
		head, there := now[r.Node]
		switch {
		case r.Node == MoreNodes:
		case !there || head.Forgotten:
			continue
		case head.ActedOnSince(d):
			if right, err := mended(head); err != nil {
				return nil, err
			} else if right {
				continue
			}
		}
		r.Since = cmp.Or(r.Since, d.ID)
		left = append(left, r)
	}
	return left, nil
}
