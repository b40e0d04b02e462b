// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// Deployment walks one graph, or its destruction, to its end. Its id is the
// deployment's. It holds ids and outcomes; inputs, outputs and records are the
// activities' to read and write.
func Deployment(ctx workflow.Context, in contract.DeploymentInput) (contract.DeploymentResult, error) {
	d := &deployment{
		in: in, steps: in.Steps,
		running: map[walk.Step]time.Time{}, paused: map[string]*pause{}, queues: map[string]*queue{},
	}
	if err := d.setup(ctx); err != nil {
		return contract.DeploymentResult{}, err
	}
	return d.run()
}

// deployment is the state of one run of the workflow.
type deployment struct {
	in    contract.DeploymentInput
	walk  *walk.Walk
	nodes map[string]contract.GraphNode // of the target graph
	gone  map[string]contract.GraphNode // of the previous graph

	// root outlives a cancellation of the workflow; forward and compensation
	// are canceled by it, and by a cancel in the rollback.
	root               workflow.Context
	forward            workflow.Context
	cancelForward      workflow.CancelFunc
	compensation       workflow.Context
	cancelCompensation workflow.CancelFunc

	running  map[walk.Step]time.Time
	finished []finished // outcomes that the walk was not told yet
	done     int        // steps that ended in this run
	steps    int64      // handed out by the deployment so far; numbers them
	queues   map[string]*queue
	canceled bool // a cancel that the walk was not told yet
	paused   map[string]*pause
	status   orchestrator.Status       // what was told last,
	reason   string                    // with its reason,
	listed   []orchestrator.PausedNode // and the paused nodes that the record lists
	untold   bool                      // any of these may have changed
}

type finished struct {
	step    walk.Step
	outcome walk.Outcome
}

// only leaves one node of a graph. What it needs is there already.
func only(nodes []contract.GraphNode, id string) ([]contract.GraphNode, error) {
	for _, n := range nodes {
		if n.ID == id {
			n.Dependencies = nil
			return []contract.GraphNode{n}, nil
		}
	}
	return nil, temporal.NewNonRetryableApplicationError("node "+id+" is not in the graph", contract.ErrorInvalid, nil)
}

func (d *deployment) setup(ctx workflow.Context) error {
	d.root, _ = workflow.NewDisconnectedContext(ctx)
	d.forward, d.cancelForward = workflow.WithCancel(d.root)
	d.compensation, d.cancelCompensation = workflow.WithCancel(d.root)

	target, err := loadGraph(d.root, d.in.GraphDigest)
	if err != nil {
		return err
	}
	previous, err := loadGraph(d.root, d.in.PreviousGraphDigest)
	if err != nil {
		return err
	}
	if d.in.Kind == orchestrator.KindAdopt {
		if target, err = only(target, d.in.Adopt); err != nil {
			return err
		}
	}
	d.nodes, d.gone = byID(target), byID(previous)
	before := walkNodes(previous)
	for i := range before {
		before[i].Partial = d.in.Partial.Has(i)
	}
	opts := walk.Options{Kind: d.in.Kind, OnFailure: d.in.OnFailure, MaxInFlight: d.in.MaxInFlight}
	if d.walk, err = d.begin(walkNodes(target), before, opts); err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrorInvalid, err)
	}
	canceled := ctx.Done() // by the Temporal Web UI's button
	workflow.Go(d.root, func(ctx workflow.Context) {
		canceled.Receive(ctx, nil)
		d.cancel(orchestrator.Cancellation{Principal: "somebody in Temporal"})
	})
	workflow.Go(d.root, d.receiveCancels)
	workflow.Go(d.root, d.receiveDecisions)
	workflow.Go(d.root, d.watchQueues)
	return d.tell()
}

// begin starts the walk, or takes it up where the run before has left it.
func (d *deployment) begin(target, previous []walk.Node, opts walk.Options) (*walk.Walk, error) {
	if d.in.Resume == nil {
		return walk.New(target, previous, opts)
	}
	snapshot, err := unpack(d.in.Resume)
	if err != nil {
		return nil, err
	}
	return walk.Resume(target, previous, opts, snapshot)
}

func (d *deployment) run() (contract.DeploymentResult, error) {
	for !d.walk.Done() {
		draining := drain(d.root, d.running, d.done)
		if draining && d.walk.InFlight() == 0 {
			// A cancel may have come while a record was written.
			if err := d.report(); err != nil {
				return contract.DeploymentResult{}, err
			}
			return contract.DeploymentResult{}, d.continueAsNew()
		}
		if !draining {
			for _, step := range d.walk.Next() {
				d.start(step)
			}
		}
		if err := workflow.Await(d.root, func() bool { return len(d.finished) > 0 || d.canceled || d.untold }); err != nil {
			return contract.DeploymentResult{}, err
		}
		if err := d.report(); err != nil {
			return contract.DeploymentResult{}, err
		}
		if err := d.tell(); err != nil {
			return contract.DeploymentResult{}, err
		}
	}
	return d.finish()
}

// report tells the walk what has happened since the last time. A cancel of what
// goes forward comes before the ends of steps: with these the rollback may begin,
// which it is not about.
func (d *deployment) report() error {
	if d.canceled && !d.walk.Phase().Compensating() {
		d.canceled = false
		d.walk.Cancel()
	}
	for _, f := range d.finished {
		delete(d.running, f.step)
		d.done++
		if err := d.walk.Complete(f.step, f.outcome); err != nil {
			return temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrorInvalid, err)
		}
	}
	d.finished = nil
	if d.canceled {
		d.canceled = false
		d.walk.Cancel()
	}
	return nil
}

func (d *deployment) continueAsNew() error {
	snapshot, err := d.walk.Snapshot()
	if err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrorInvalid, err)
	}
	next := d.in
	next.Run, next.Steps = d.in.Run+1, d.steps
	if next.Resume, err = pack(snapshot); err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrorInvalid, err)
	}
	return workflow.NewContinueAsNewError(d.root, contract.WorkflowDeployment, next)
}

func (d *deployment) finish() (contract.DeploymentResult, error) {
	res := d.walk.Result()
	in := ending(res)
	in.Deployment, in.Principal = d.in.Deployment, d.in.Principal
	if err := record(d.root, contract.ActivityFinishDeployment, in, nil); err != nil {
		return contract.DeploymentResult{}, err
	}
	d.status = res.Status
	if err := d.show(); err != nil {
		return contract.DeploymentResult{}, err
	}
	d.signalApplication(res.Status)
	result := contract.DeploymentResult{
		Status: res.Status, Nodes: d.walk.Size(), Changed: res.Changed, Error: in.Error, Residue: len(res.Left),
	}
	return result, d.verdict(result)
}

// ending is the result of a walk as it is recorded: what a large one leaves is
// listed as far as a payload reaches, and counted.
func ending(res walk.Result) contract.FinishInput {
	in := contract.FinishInput{Status: res.Status}
	for _, left := range res.Left {
		in.Residue = append(in.Residue, orchestrator.Residue{
			Node: left.Node, Reason: contract.Cut(left.Reason, maxReason), Action: left.Action,
		})
	}
	fits := contract.Fitting(in.Residue, contract.MaxResidue, func(r orchestrator.Residue) int {
		const frame = len(`{"node":,"engine":"","address":"","reason":,"action":}`)
		return frame + contract.Weight(r.Node) + contract.Weight(r.Reason) + contract.Weight(r.Action)
	})
	in.Residue, in.MoreResidue = in.Residue[:fits], len(in.Residue)-fits
	fits = contract.Fitting(res.Skipped, contract.MaxSkipped, contract.Weight)
	in.Skipped, in.MoreSkipped = res.Skipped[:fits], len(res.Skipped)-fits
	if len(res.Failures) > 0 {
		first, found := walk.FirstFailed(res.Failures)
		if !found {
			first = res.Failures[0]
		}
		in.Error = contract.Cut(fmt.Sprintf("%s of %s: %s", first.Action, first.Node, first.Message), contract.MaxMessage)
	}
	return in
}

// verdict makes the Temporal Web UI show a deployment that did not succeed as
// failed or canceled.
func (d *deployment) verdict(r contract.DeploymentResult) error {
	switch r.Status {
	case orchestrator.StatusSucceeded:
		return nil
	case orchestrator.StatusCanceled:
		return temporal.NewCanceledError(r)
	default:
		return temporal.NewNonRetryableApplicationError(r.Error, string(r.Status), nil, r)
	}
}

// signalApplication says that the deployment is over. Its Application also
// watches, so a signal that cannot be delivered is no failure.
func (d *deployment) signalApplication(status orchestrator.Status) {
	id := orchestrator.ApplicationWorkflowID(d.in.Team, d.in.Application)
	signal := contract.EndedSignal{Deployment: d.in.Deployment, Status: status}
	err := workflow.SignalExternalWorkflow(d.root, id, "", contract.SignalEnded, signal).Get(d.root, nil)
	if err != nil {
		workflow.GetLogger(d.root).Warn("the application was not told of the end", "application", id, "error", err)
	}
}
