// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/orchestrator/walk"
	"github.com/HatiCode/nestor/store"
)

// listing is what a deployment leaves, as its record will list it: what it says
// itself, and then what was left before it. It reads the heads of the scope and the
// state of that once, and each graph and deployment once; when the list is full, it
// counts what else there is and reads no more of either. So it takes about the
// time of a look at all heads, whatever was left: it has to be done within one try
// of a record.
type listing struct {
	c        *Control
	d        orchestrator.Deployment
	own      judgement
	state    registry.ScopeState
	heads    []orchestrator.NodeHead
	at       map[string]int // index of a node's head
	deployed composer.Graph // what succeeded last; empty where nothing did
	graphs   map[string]composer.Graph
	adopted  map[string]bool // by deployment: it took over what it last acted on

	named map[string]bool // nodes that are listed or counted
	all   []orchestrator.Residue
	size  int
	full  bool
	more  int // that are not listed
}

// listing begins the list of what a deployment leaves.
func (c *Control) listing(
	ctx context.Context, d orchestrator.Deployment, in contract.FinishInput, own judgement,
) (*listing, error) {
	l := &listing{
		c: c, d: d, own: own, at: map[string]int{}, named: map[string]bool{}, more: in.MoreResidue,
		graphs: map[string]composer.Graph{}, adopted: map[string]bool{},
	}
	if len(in.Residue) == 0 && !carries(d, in.Status) {
		return l, nil
	}
	var err error
	if l.state, err = c.Registry.Scope(ctx, d.Scope); err != nil {
		return nil, err
	}
	if l.heads, err = c.Registry.Heads(ctx, d.Scope); err != nil {
		return nil, err
	}
	for i, head := range l.heads {
		l.at[head.Node] = i
	}
	return l, nil
}

// carries says that what earlier deployments left is listed with one: it acted, and
// did not succeed.
func carries(d orchestrator.Deployment, ended orchestrator.Status) bool {
	return ended != orchestrator.StatusSucceeded && d.Kind != orchestrator.KindAdopt && !d.StartedAt.IsZero()
}

// carry adds what an earlier deployment has left and nothing has mended since: a
// node that nobody came to, or that is still not as the release has it which
// succeeded last. A node that nobody has listed, and that is not whole, is added as
// well; where a list before was full, every one that is not as it shall be.
func (l *listing) carry(ctx context.Context, ended orchestrator.Status) error {
	if !carries(l.d, ended) {
		return nil
	}
	earlier, found, err := l.c.Registry.LastActed(ctx, l.d.Scope, l.d.N)
	if err != nil || !found && l.own == judged {
		return err
	}
	if earlier.Status == orchestrator.StatusSucceeded {
		earlier.Residue = nil // what nothing needs any more
	}
	if l.deployed, err = l.graph(ctx, l.state.Graph); err != nil {
		return err
	}
	before, err := earlier.StillLeft(l.heads, func(head orchestrator.NodeHead) (bool, error) {
		if l.named[head.Node] {
			return true, nil // what is said last counts
		}
		left, err := l.still(ctx, head)
		return left == nil, err
	})
	if err != nil {
		return err
	}
	every, listed := false, map[string]bool{}
	for _, left := range earlier.Residue {
		listed[left.Node] = true // or mended since
		every = every || left.Node == orchestrator.MoreNodes
	}
	for _, left := range before {
		if left.Node == orchestrator.MoreNodes || l.named[left.Node] {
			continue // those are looked for below
		}
		if err := l.add(ctx, left); err != nil {
			return err
		}
	}
	return l.unlisted(ctx, listed, every)
}

// unlisted adds the nodes that no list names and that are not whole, and with every
// also those that are and are not as they shall be. What the deployment acted on, it
// has judged itself, unless its workflow ended without a word: of that, too, every
// one is added that is not as it shall be.
func (l *listing) unlisted(ctx context.Context, listed map[string]bool, every bool) error {
	for _, head := range l.heads {
		mine := head.LastDeployment == l.d.ID
		switch {
		case head.Forgotten, l.named[head.Node], mine && l.own == judged:
			continue
		case !mine && (listed[head.Node] || head.Whole() && !every):
			continue
		}
		left, err := l.still(ctx, head)
		if err != nil {
			return err
		}
		if left == nil {
			continue
		}
		if mine {
			left.Since = ""
		}
		if err := l.add(ctx, *left); err != nil {
			return err
		}
	}
	return nil
}

// still says what is wrong with a node, by its head, whoever left it so; nil where
// it is as the deployed graph has it, or was adopted since.
func (l *listing) still(ctx context.Context, head orchestrator.NodeHead) (*orchestrator.Residue, error) {
	left := &orchestrator.Residue{Node: head.Node, Action: "apply again, or " + walk.GoBack, Since: head.LastDeployment}
	if !head.Whole() {
		left.Reason = "its last step did not succeed, and nothing has made it whole since"
		return left, nil
	}
	left.Reason = "it is not as the release that succeeded last has it"
	if l.state.Graph == "" {
		left.Reason = "no release has succeeded here"
	}
	if _, known := l.graphs[head.GraphDigest]; l.full && !known {
		return left, nil
	}
	graph, err := l.graph(ctx, head.GraphDigest)
	if err != nil {
		return nil, err
	}
	now, known := graph.Node(head.Node)
	shall, wanted := l.deployed.Node(head.Node)
	if known && wanted && now.DescribedLike(shall) {
		return nil, nil //nolint:nilnil // it is as it should be
	}
	if beside, err := l.beside(ctx, head.LastDeployment); err != nil || beside {
		return nil, err
	}
	if release := graph.ReleaseOf(now); release != "" {
		left.Reason += ": it is at release " + orchestrator.ShortDigest(release)
	}
	return left, nil
}

// beside says that a deployment has taken something over beside what is deployed.
// With a full list none is read that is not known: then that counts as left.
func (l *listing) beside(ctx context.Context, deployment string) (bool, error) {
	if adopted, known := l.adopted[deployment]; known || l.full {
		return adopted, nil
	}
	d, err := l.c.Registry.GetDeployment(ctx, deployment)
	switch {
	case errors.Is(err, store.ErrNotFound):
		l.adopted[deployment] = true
	case err != nil:
		return false, err
	default:
		l.adopted[deployment] = d.Kind == orchestrator.KindAdopt
	}
	return l.adopted[deployment], nil
}

// graph reads a graph once; without a digest it is the empty one.
func (l *listing) graph(ctx context.Context, digest string) (composer.Graph, error) {
	if digest == "" {
		return composer.Graph{}, nil
	}
	if graph, known := l.graphs[digest]; known {
		return graph, nil
	}
	graph, err := l.c.Graphs.Get(ctx, digest)
	if err == nil {
		l.graphs[digest] = graph
	}
	return graph, err
}

// add lists a node with where it is and a command for what is advised, or counts it
// where the list is full.
func (l *listing) add(ctx context.Context, left orchestrator.Residue) error {
	l.named[left.Node] = true
	if l.full {
		l.more++
		return nil
	}
	left.Action = strings.ReplaceAll(left.Action, walk.GoBack, goBack(l.d.Environment, l.state.Release))
	if err := l.locate(ctx, &left); err != nil {
		return err
	}
	data, err := json.Marshal(left)
	if err != nil {
		return fmt.Errorf("encode what is left of %s: %w", left.Node, err)
	}
	if l.size += len(data) + 1; l.size > registry.MaxResidue {
		l.full = true
		l.more++
		return nil
	}
	l.all = append(l.all, left)
	return nil
}

// locate says where a node is that was left: by its head, with the resource that
// its error names, or, where it has none any more, by the graph of the deployment.
func (l *listing) locate(ctx context.Context, left *orchestrator.Residue) error {
	if at, found := l.at[left.Node]; found {
		head := l.heads[at]
		left.Engine, left.Address = head.Engine, head.Address
		if head.Error != nil {
			left.Resource = head.Error.Resource
		}
		return nil
	}
	left.Address = address(l.d.Scope, left.Node)
	graph, err := l.graph(ctx, l.d.GraphDigest)
	if err != nil {
		return err
	}
	if described, found := graph.Node(left.Node); found {
		left.Engine = described.Engine
	}
	return nil
}
