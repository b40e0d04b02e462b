// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/internal/e2e/mixed"
)

// world is where the nodes of real engines are: it shows what they have, and
// refuses to change it.
type world interface {
	// look returns everything that a node has there, nil for nothing.
	look(a *application, n mixed.Node) any
	// refuse makes the world refuse, until it is healed, what is named.
	refuse(a *application, n mixed.Node, what refusal)
	heal(a *application, n mixed.Node)
}

// refusal is a key of one part of a node, or its deletion, or a plan of the node.
type refusal struct {
	part string // "a" or "b"; the second is made after the first
	key  string // as the definitions make it: "<kind>-<size>"
}

// Keys that are none.
const (
	deletion = "deleted"
	planning = "plan"
)

// keys of a node before and after the deployment, as mixed.Graph sets its inputs.
func keys(n mixed.Node) (before, after string) {
	switch n.Change {
	case mixed.Updated:
		return "a-1", "a-2"
	case mixed.Replaced:
		return "a-1", "b-1"
	case mixed.Created:
		return deletion, "a-1"
	case mixed.Removed:
		return "a-1", deletion
	case mixed.Unchanged:
	}
	return "a-1", "a-1"
}

// failsForward makes the deployment fail at a node, before or after it has changed
// something of it.
func (a *application) failsForward(n mixed.Node, after bool) {
	a.t.Helper()
	if n.Engine == "" {
		a.inject(n, applyFault(n, after))
		return
	}
	_, key := keys(n)
	what := refusal{"a", key}
	switch {
	case n.Change == mixed.Unchanged:
		what = refusal{key: planning}
	case after && key != deletion:
		what.part = "b"
	}
	a.worlds[n.Engine].refuse(a, n, what)
}

// failsThereAndBack makes the deployment fail at a node after it has changed
// something of it, and the way back as well.
func (a *application) failsThereAndBack(n mixed.Node) {
	a.t.Helper()
	if n.Engine == "" {
		a.inject(n, append(wayBack(n, -1), applyFault(n, true))...)
		return
	}
	a.failsForward(n, true)
	before, _ := keys(n)
	a.worlds[n.Engine].refuse(a, n, refusal{"a", before})
}

// failsToGo makes the node's destruction fail, after a part of it is gone.
func (a *application) failsToGo(n mixed.Node) {
	a.t.Helper()
	if n.Engine == "" {
		a.inject(n, fake.Fault{Verb: fake.VerbDestroy, Times: -1, After: true})
		return
	}
	a.worlds[n.Engine].refuse(a, n, refusal{"a", deletion})
}
