// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"math/rand/v2"

	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/internal/e2e/mixed"
)

// applyFault makes the deployment fail at a node, before or after what it does
// to it.
func applyFault(n mixed.Node, after bool) fake.Fault {
	f := fake.Fault{Times: 1, After: after}
	switch n.Change {
	case mixed.Created, mixed.Replaced:
		f.Verb = fake.VerbCreate
	case mixed.Updated:
		f.Verb = fake.VerbUpdate
	case mixed.Removed:
		f.Verb, f.Times = fake.VerbDestroy, -1
	case mixed.Unchanged:
		f = fake.Fault{Verb: fake.VerbPreview, Times: 1}
	}
	return f
}

// drawnWayBack is wayBack for good, or one that is not even looked at. A node
// that is not changed has nothing that could differ, and gets none.
func drawnWayBack(r *rand.Rand, n mixed.Node) []fake.Fault {
	if r.IntN(4) == 0 && n.Change != mixed.Unchanged && n.Change != mixed.Removed {
		skip := 0
		if n.Change == mixed.Created {
			skip = 1 // a look at what is not there yet comes first
		}
		return []fake.Fault{{Verb: fake.VerbObserve, Skip: skip, Times: -1}}
	}
	return wayBack(n, -1)
}

// wayBack lets the deployment pass at a node, and its restoration or destruction
// in the rollback fail so many times; -1 means for good. The verb's first call
// is the deployment's own, unless the node is created.
func wayBack(n mixed.Node, times int) []fake.Fault {
	switch n.Change {
	case mixed.Created:
		return []fake.Fault{{Verb: fake.VerbDestroy, Times: times}}
	case mixed.Replaced:
		return []fake.Fault{{Verb: fake.VerbCreate, Skip: 1, Times: times}}
	case mixed.Updated:
		return []fake.Fault{{Verb: fake.VerbUpdate, Skip: 1, Times: times}}
	case mixed.Unchanged, mixed.Removed:
	}
	return nil
}
