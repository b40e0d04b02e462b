// SPDX-License-Identifier: Apache-2.0

// Package workflows is the durable part of Nestor: Application serialises the
// deployments of one application, Deployment walks one graph, Plan previews one,
// Drift finds out whether one is still true, and DriftSweep all of an environment. They decide when; orchestrator/walk decides what comes next, and
// activities act.
//
// Nothing here does I/O, reads a clock or starts a goroutine of its own: every
// run must replay from its history to the same commands, and the histories of
// every release are replayed by the tests. A change that alters the commands of
// a released version goes through workflow.GetVersion.
package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// Register makes the workflows known to a worker of contract.QueueControl, and
// says of each what a new version of the workers means to it: see versions.go.
func Register(w worker.WorkflowRegistry) {
	w.RegisterWorkflowWithOptions(Application, movesOn(contract.WorkflowApplication))
	w.RegisterWorkflowWithOptions(Deployment, stays(contract.WorkflowDeployment))
	w.RegisterWorkflowWithOptions(Plan, stays(contract.WorkflowPlan))
	w.RegisterWorkflowWithOptions(Drift, stays(contract.WorkflowDrift))
	w.RegisterWorkflowWithOptions(DriftSweep, stays(contract.WorkflowDriftSweep))
}

// withRecords returns a context for local activities that read or write records
// and are tried for so long.
func withRecords(ctx workflow.Context, within time.Duration) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		// One try's. Where nothing is said about all of them, the SDK takes it for
		// their limit as well.
		StartToCloseTimeout:    30 * time.Second,
		ScheduleToCloseTimeout: within,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    100 * time.Millisecond,
			BackoffCoefficient: 2,
			MaximumInterval:    recordRetry,
		},
	})
}

const (
	// outage is how long a store may be away: no limit anybody meets.
	outage = 10 * 365 * 24 * time.Hour
	// brief is how long who can do without an answer waits for one.
	brief = 5 * time.Minute
	// recordRetry is the pause between two tries that a long outage comes to. It is
	// longer than a workflow task, so that a timer waits it out: some events a
	// minute, where a task that is kept open would write a multiple of that.
	recordRetry = time.Minute
)

// record runs a local activity on the store and waits until the store answers: a
// deployment waits for its store, it does not fail for it.
func record(ctx workflow.Context, activity string, in, result any) error {
	return workflow.ExecuteLocalActivity(withRecords(ctx, outage), activity, in).Get(ctx, result)
}

// recordBriefly is record for what goes on without the answer.
func recordBriefly(ctx workflow.Context, activity string, in, result any) error {
	return workflow.ExecuteLocalActivity(withRecords(ctx, brief), activity, in).Get(ctx, result)
}

// withControl returns a context for activities on the control queue that may
// take longer than a record. They are tried until they answer.
func withControl(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           contract.QueueControl,
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    stepHeartbeat, // workers beat for these
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    200 * time.Millisecond,
			BackoffCoefficient: 2,
			MaximumInterval:    30 * time.Second,
		},
	})
}

// loadGraph reads a graph's adjacency, page by page. An empty digest is the
// empty graph.
func loadGraph(ctx workflow.Context, digest string) ([]contract.GraphNode, error) {
	var nodes []contract.GraphNode
	if digest == "" {
		return nil, nil
	}
	for page := 0; ; page++ {
		var res contract.LoadGraphResult
		in := contract.LoadGraphInput{Digest: digest, Page: page}
		if err := record(ctx, contract.ActivityLoadGraph, in, &res); err != nil {
			return nil, err
		}
		nodes = appendPage(nodes, res.Nodes)
		if !res.More {
			return nodes, nil
		}
		if page%pagesATask == pagesATask-1 {
			// What local activities return is sent with the end of their task.
			if err := workflow.Sleep(ctx, time.Millisecond); err != nil {
				return nil, err
			}
		}
	}
}

// pagesATask bounds the pages of a graph, of 200 KB, that one workflow task
// reads: one whose end is larger than 4 MB is never heard.
const pagesATask = 8

// appendPage appends a page whose first node may go on with the last one before
// it.
func appendPage(nodes, page []contract.GraphNode) []contract.GraphNode {
	if last := len(nodes) - 1; last >= 0 && len(page) > 0 && nodes[last].ID == page[0].ID {
		nodes[last].Dependencies = append(nodes[last].Dependencies, page[0].Dependencies...)
		page = page[1:]
	}
	return append(nodes, page...)
}

// fair shares the slots of workers among teams: where activities queue up, each
// team's turn comes equally often, however many it has. All have one priority,
// so that none ever waits for all of another kind to be done.
func fair(team string) temporal.Priority { return temporal.Priority{FairnessKey: team} }

func byID(nodes []contract.GraphNode) map[string]contract.GraphNode {
	m := make(map[string]contract.GraphNode, len(nodes))
	for _, n := range nodes {
		m[n.ID] = n
	}
	return m
}

func walkNodes(nodes []contract.GraphNode) []walk.Node {
	out := make([]walk.Node, 0, len(nodes))
	for _, n := range nodes {
		out = append(out, walk.Node{
			ID: n.ID, Dependencies: n.Dependencies, ForwardOnly: n.ForwardOnly, Retain: n.Retain,
		})
	}
	return out
}
