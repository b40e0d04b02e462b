// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// state is what the events have told so far.
type state struct {
	deployment orchestrator.Deployment
	nodes      map[string]*node
	began      time.Time // the first event, or the deployment's own time
	ended      time.Time
	// failures in the order they came; a later rollback hides them from nodes.
	failures []Failure
}

// Failure is a step that failed for good.
type Failure struct {
	Node   string
	Action orchestrator.StepAction
	Error  orchestrator.NodeError
}

func (f Failure) String() string { return f.Node + ": " + f.Text() }

// Text is the error with the resource that it is about.
func (f Failure) Text() string { return message(&f.Error) }

type node struct {
	id           string
	dependencies []string
	depth        int
	action       orchestrator.StepAction
	status       orchestrator.NodeStatus
	attempt      int32
	started      time.Time
	finished     time.Time
	changed      bool
	counts       orchestrator.Counts
	err          *orchestrator.NodeError
	paused       string
	locked       string // who else may be at work on it
	moved        bool   // somebody wrote its state since its last step
}

// details is the union of what an event's data may hold.
type details struct {
	Action    orchestrator.StepAction `json:"action"`
	Attempt   int32                   `json:"attempt"`
	Status    string                  `json:"status"`
	Reason    string                  `json:"reason"`
	Phase     string                  `json:"phase"`
	Snapshots []string                `json:"snapshots"`
	Snapshot  string                  `json:"snapshot"`
	Changed   bool                    `json:"changed"`
	Counts    orchestrator.Counts     `json:"counts"`
	Error     json.RawMessage         `json:"error"`
	Approved  *bool                   `json:"approved"`
	Comment   string                  `json:"comment"`
	Void      string                  `json:"void"`
	From      int64                   `json:"from"`
	To        int64                   `json:"to"`
	Host      string                  `json:"host"`
	PID       int                     `json:"pid"`
	Message   string                  `json:"message"`
}

// nodeError reads the error of a node, which is an object.
func (d details) nodeError() *orchestrator.NodeError {
	var e orchestrator.NodeError
	if len(d.Error) == 0 || json.Unmarshal(d.Error, &e) != nil || e.Message == "" {
		return nil
	}
	return &e
}

func newState(d orchestrator.Deployment, graph composer.Graph) *state {
	s := &state{deployment: d, nodes: map[string]*node{}, began: d.QueuedAt}
	for _, n := range graph.Nodes {
		if !d.About(n.ID) {
			continue
		}
		s.nodes[n.ID] = &node{id: n.ID, dependencies: n.Dependencies, status: orchestrator.NodePending}
	}
	for _, n := range s.nodes {
		n.depth = s.depth(n, map[string]bool{})
	}
	return s
}

// depth is the length of the longest way to n. A graph has no cycles; should
// one come anyway, it ends.
func (s *state) depth(n *node, open map[string]bool) int {
	if open[n.id] {
		return 0
	}
	open[n.id] = true
	defer delete(open, n.id)
	deepest := 0
	for _, id := range n.dependencies {
		d, ok := s.nodes[id]
		if !ok {
			continue
		}
		if d.depth == 0 {
			d.depth = s.depth(d, open)
		}
		deepest = max(deepest, d.depth+1)
	}
	return deepest
}

func (s *state) node(id string) *node {
	n, ok := s.nodes[id]
	if !ok { // such as one that left the graph and is removed
		n = &node{id: id}
		s.nodes[id] = n
	}
	return n
}

// apply takes an event in and returns its data.
func (s *state) apply(e orchestrator.Event) (details, error) {
	var d details
	if len(e.Data) > 0 {
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return d, err
		}
	}
	if e.Node != "" {
		s.applyNode(e, d)
		return d, nil
	}
	switch e.Type {
	case orchestrator.EventStatus, orchestrator.EventFinished:
		if d.Status != "" {
			s.deployment.Status = orchestrator.Status(d.Status)
		}
		s.deployment.Reason = d.Reason
		if s.deployment.Status == orchestrator.StatusRunning && s.deployment.StartedAt.IsZero() {
			s.deployment.StartedAt = e.Time
		}
		if e.Type == orchestrator.EventFinished {
			s.ended = e.Time
		}
	case orchestrator.EventCancel:
		s.deployment.Reason = stated(asked(e, d), d.Reason)
	default:
	}
	return d, nil
}

func (s *state) applyNode(e orchestrator.Event, d details) {
	n := s.node(e.Node)
	if d.Action != "" {
		n.action = d.Action
	}
	if d.Attempt > 0 {
		n.attempt = d.Attempt
	}
	switch e.Type {
	case orchestrator.EventNodeStart:
		// A retry is the same work, so its time counts from the first attempt.
		if n.status != orchestrator.NodeRunning {
			n.started = e.Time
		}
		n.status, n.finished, n.err, n.paused = orchestrator.NodeRunning, time.Time{}, nil, ""
		n.locked = ""
	case orchestrator.EventNodeDone:
		n.status, n.finished = orchestrator.NodeStatus(d.Status), e.Time
		n.changed, n.counts, n.err, n.paused = d.Changed, d.Counts, d.nodeError(), ""
		if n.err != nil {
			s.failures = append(s.failures, Failure{Node: n.id, Action: n.action, Error: *n.err})
		}
	case orchestrator.EventNodeRetry:
		n.err = d.nodeError()
	case orchestrator.EventNodePause:
		n.paused = "it waits for an approval"
		if why := d.nodeError(); why != nil {
			n.paused = message(why)
		}
		n.paused = cmp.Or(d.Reason, n.paused)
	case orchestrator.EventNodeLocked:
		n.locked = d.Message
	case orchestrator.EventNodeUnlocked:
		n.locked = ""
	case orchestrator.EventNodeMoved:
		n.moved = true
	default:
	}
}

// done is what a step has changed. A step that failed comes with the counts
// that were planned, and how much of them was done nobody knows.
func (n *node) done() string {
	switch n.status {
	case orchestrator.NodeFailed, orchestrator.NodeUncertain, orchestrator.NodeSkipped:
		return ""
	default:
		return render.Done(n.counts)
	}
}

// ordered lists the nodes by instance, and inside it those that others need
// first.
func (s *state) ordered() []*node {
	nodes := make([]*node, 0, len(s.nodes))
	for _, n := range s.nodes {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.instance(), b.instance()), cmp.Compare(a.depth, b.depth), cmp.Compare(a.id, b.id))
	})
	return nodes
}

func (n *node) instance() string {
	instance, _, _ := strings.Cut(n.id, ".")
	return instance
}

// resource is the node's name inside its instance.
func (n *node) resource() string {
	if _, resource, ok := strings.Cut(n.id, "."); ok {
		return resource
	}
	return n.id
}

// waits lists what a pending node still needs, in order.
func (s *state) waits(n *node) []string {
	var names []string
	for _, id := range n.dependencies {
		d, ok := s.nodes[id]
		if !ok || d.status == orchestrator.NodeReady {
			continue
		}
		if d.instance() == n.instance() {
			id = d.resource()
		}
		names = append(names, id)
	}
	slices.Sort(names)
	return names
}

// elapsed is how long the node has been or was at work.
func (n *node) elapsed(now time.Time) time.Duration {
	switch {
	case n.started.IsZero():
		return 0
	case n.finished.IsZero():
		return now.Sub(n.started)
	default:
		return n.finished.Sub(n.started)
	}
}
