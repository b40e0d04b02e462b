// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

// maxHandled is how many requests a run takes before it continues as new.
const maxHandled = 1000

// Application serialises the work on one application: in each environment one
// deployment at a time, a queue behind it, approvals waited for here. It lives
// as long as the application does; its id is "<team>/<application>".
//
// It has no end of its own, so canceling it in the Temporal Web UI changes
// nothing: cancel a deployment instead. When it was terminated, the next one
// takes its lanes up from the store.
func Application(ctx workflow.Context, in contract.ApplicationInput) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	a := newApplication(in)
	if err := a.setup(ctx); err != nil {
		return err
	}
	return a.run(ctx)
}

// application is the state of one run of the workflow.
type application struct {
	in    contract.ApplicationInput
	state *contract.ApplicationState

	root      workflow.Context // the lanes', which outlive the request that opened them
	accepting workflow.Mutex   // one request is numbered at a time
	lanes     map[string]*lane
	busy      int  // coroutines that must come to a rest before continue-as-new
	draining  bool // nothing new is taken up; waits end

	decided map[string]int // decisions per waiting deployment
}

func newApplication(in contract.ApplicationInput) *application {
	state := in.State
	if state == nil {
		state = &contract.ApplicationState{Lanes: map[string]*contract.Lane{}}
	}
	return &application{
		in: in, state: state,
		lanes:   map[string]*lane{},
		decided: map[string]int{},
	}
}

func (a *application) setup(ctx workflow.Context) error {
	a.root = ctx
	a.state.Handled = 0
	a.accepting = workflow.NewMutex(ctx)
	// Requests wait until the lanes are known.
	if err := a.accepting.Lock(ctx); err != nil {
		return err
	}
	defer a.accepting.Unlock()
	if err := workflow.SetQueryHandler(ctx, contract.QueryState, a.answer); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandler(ctx, contract.UpdateDeploy, a.deploy); err != nil {
		return err
	}
	if err := a.takeUp(ctx); err != nil {
		return err
	}
	for _, environment := range slices.Sorted(keys(a.state.Lanes)) {
		a.open(environment)
	}
	a.show()
	return workflow.UpsertTypedSearchAttributes(ctx,
		temporal.NewSearchAttributeKeyKeyword(contract.AttributeTeam).ValueSet(a.in.Team),
		temporal.NewSearchAttributeKeyKeyword(contract.AttributeApplication).ValueSet(a.in.Application))
}

// takeUp reads the lanes from the store where no earlier run handed them on:
// one that was terminated could not.
func (a *application) takeUp(ctx workflow.Context) error {
	if a.in.State != nil {
		return nil
	}
	in := contract.OpenDeploymentsInput{Team: a.in.Team, Application: a.in.Application}
	var res contract.OpenDeploymentsResult
	if err := record(ctx, contract.ActivityOpenDeployments, in, &res); err != nil {
		return err
	}
	if res.Lanes != nil {
		a.state.Lanes = res.Lanes
	}
	return nil
}

// show puts what is under way where the Temporal Web UI finds it.
func (a *application) show() {
	var b strings.Builder
	fmt.Fprintf(&b, "Application `%s` of team **%s**\n\n", a.in.Application, a.in.Team)
	for _, environment := range slices.Sorted(keys(a.state.Lanes)) {
		l := a.state.Lanes[environment]
		current := "idle"
		if l.Current != "" {
			current = "deployment `" + l.Current + "`"
		}
		fmt.Fprintf(&b, "- **%s**: %s, %d waiting\n", environment, current, len(l.Queue))
	}
	workflow.SetCurrentDetails(a.root, b.String())
}

// run takes signals until the history should be renewed; the lanes work in
// coroutines of their own.
func (a *application) run(ctx workflow.Context) error {
	signals := receive(ctx)
	renew := func() bool {
		return a.state.Handled >= maxHandled || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
	}
	for !renew() {
		if err := workflow.Await(ctx, func() bool { return signals.pending() || renew() }); err != nil {
			return err
		}
		a.take(ctx, signals)
	}
	a.draining = true
	for !a.resting(ctx) || signals.pending() {
		if err := workflow.Await(ctx, func() bool { return a.resting(ctx) || signals.pending() }); err != nil {
			return err
		}
		a.take(ctx, signals)
	}
	next := a.in
	next.State = a.state
	return workflow.NewContinueAsNewError(ctx, contract.WorkflowApplication, next)
}

// resting says that no request and no lane is in the middle of something.
func (a *application) resting(ctx workflow.Context) bool {
	return a.busy == 0 && workflow.AllHandlersFinished(ctx)
}

// deploy answers once the request has a number and a place in the queue. A
// request that was answered before gets the same answer.
func (a *application) deploy(ctx workflow.Context, req contract.DeployRequest) (contract.DeployAccepted, error) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := a.accepting.Lock(ctx); err != nil {
		return contract.DeployAccepted{}, err
	}
	defer a.accepting.Unlock()
	update := req.UpdateID()
	for _, recent := range a.state.Recent {
		if recent.Update == update {
			return contract.DeployAccepted{Deployment: recent.Deployment}, nil
		}
	}
	var res contract.AcceptResult
	if err := record(ctx, contract.ActivityAcceptDeployment, req, &res); err != nil {
		return contract.DeployAccepted{}, err
	}
	accepted := contract.DeployAccepted{Deployment: res.Deployment}
	if !res.Ended {
		accepted.Position = a.enqueue(req.Environment, res.Deployment)
	}
	a.remember(update, res.Deployment)
	return accepted, nil
}

func (a *application) remember(update, deployment string) {
	a.state.Handled++
	const frame = len(`{"update":,"deployment":},`)
	weight := func(r contract.RecentRequest) int {
		return contract.Weight(r.Update) + contract.Weight(r.Deployment) + frame
	}
	a.state.Recent = append(a.state.Recent, contract.RecentRequest{Update: update, Deployment: deployment})
	total := 0
	for _, recent := range a.state.Recent {
		total += weight(recent)
	}
	over := 0
	for ; total > contract.MaxRecent; over++ {
		total -= weight(a.state.Recent[over])
	}
	a.state.Recent = slices.Delete(a.state.Recent, 0, over)
}

// enqueue puts a deployment into its environment's lane, unless it is there,
// and says how many are before it.
func (a *application) enqueue(environment, deployment string) int {
	l := a.open(environment)
	if l.state.Current == deployment {
		return 0
	}
	position := slices.Index(l.state.Queue, deployment)
	if position < 0 {
		position = len(l.state.Queue)
		l.state.Queue = append(l.state.Queue, deployment)
		a.show()
	}
	if l.state.Current != "" {
		position++
	}
	return position
}

// open returns the lane of an environment and sets it to work if it is new.
func (a *application) open(environment string) *lane {
	if l, known := a.lanes[environment]; known {
		return l
	}
	state, known := a.state.Lanes[environment]
	if !known {
		state = &contract.Lane{}
		a.state.Lanes[environment] = state
	}
	l := &lane{app: a, environment: environment, state: state}
	a.lanes[environment] = l
	workflow.Go(a.root, l.run)
	return l
}

func (a *application) answer() (contract.StateAnswer, error) {
	out := contract.StateAnswer{Lanes: map[string]contract.LaneAnswer{}}
	for environment, l := range a.state.Lanes {
		out.Lanes[environment] = contract.LaneAnswer{Current: l.Current, Queued: len(l.Queue)}
	}
	return out, nil
}

// laneOf finds the lane that knows a deployment.
func (a *application) laneOf(deployment string) (*lane, bool) {
	for _, environment := range slices.Sorted(keys(a.lanes)) {
		l := a.lanes[environment]
		if l.state.Current == deployment || slices.Contains(l.state.Queue, deployment) {
			return l, true
		}
	}
	return nil, false
}
