// SPDX-License-Identifier: Apache-2.0

// Package change is what the commands that change an environment have in
// common: freeze a release, make a plan and show it, ask, start, follow, and
// say how it ended.
//
// Which of these steps a command takes, and in what words, is its own business.
package change

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/follow"
	"github.com/HatiCode/nestor/cli/prompt"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// Change is one command at work.
type Change struct {
	F   *cli.Factory
	API *remote.Client
}

// New connects a change to the API of the settings.
func New(f *cli.Factory) (*Change, error) {
	api, err := f.Client()
	return &Change{F: f, API: api}, err
}

// talk is where a person reads along: Out, or ErrOut when Out is for a program.
func (c *Change) talk() (io.Writer, render.Canvas) {
	if c.F.Flags.Output.Structured() {
		return c.F.IO.ErrOut, render.Err(c.F.IO)
	}
	return c.F.IO.Out, render.Out(c.F.IO)
}

// Say writes a sentence where a person reads along.
func (c *Change) Say(format string, args ...any) {
	if c.F.Flags.Output.Structured() {
		c.F.IO.Notef(format+"\n", args...)
		return
	}
	c.F.IO.Printf(format+"\n", args...)
}

// Show writes a plan where a person reads along.
func (c *Change) Show(plan orchestrator.Plan) error {
	w, canvas := c.talk()
	return canvas.Plan(w, plan)
}

// Plan asks for a plan and waits until it is made. A plan that could not be
// made is shown as far as it came, and is an error.
func (c *Change) Plan(ctx context.Context, request client.CreatePlanJSONRequestBody) (orchestrator.Plan, error) {
	plan, err := remote.Decode[orchestrator.Plan](c.API.CreatePlan(ctx, request))
	if err != nil {
		return plan, err
	}
	id := plan.ID
	wait := c.waiting("Planning")
	for attempt := 1; err == nil && plan.Status == orchestrator.PlanRunning; attempt++ {
		wait.tick()
		if err = remote.Wait(ctx, pace(attempt)); err == nil {
			plan, err = remote.Decode[orchestrator.Plan](c.API.GetPlan(ctx, id))
		}
	}
	wait.done()
	if err != nil {
		if ctx.Err() != nil {
			c.abandon(ctx, id)
		}
		return plan, err
	}
	return plan, c.check(plan)
}

// abandonPatience bounds the word to a server that nobody waits for any more.
const abandonPatience = 5 * time.Second

// abandon stops a plan that nobody will see, so that it is in nobody's way.
func (c *Change) abandon(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonPatience)
	defer cancel()
	if _, err := remote.Decode[orchestrator.Plan](c.API.CancelPlan(ctx, id)); err != nil {
		c.F.IO.Notef("The plan %s goes on, since it could not be stopped: %v\n", id, err)
	}
}

func (c *Change) check(plan orchestrator.Plan) error {
	if plan.Status != orchestrator.PlanFailed {
		return nil
	}
	if err := c.Show(plan); err != nil {
		return err
	}
	trouble := &render.Trouble{}
	for _, n := range plan.Nodes { // which the plan shows
		trouble.Say(text.CleanLine(n.Error))
	}
	reason := trouble.Brief(text.CleanLine(plan.Error))
	if reason == "" {
		reason = "see the nodes above"
	}
	return cli.Errorf("nothing was changed; repair the cause and plan again", "there is no plan for %s: %s", plan.Environment, reason)
}

// pace is the pause between two looks at a record: short at first.
func pace(attempt int) time.Duration {
	return min(time.Duration(attempt)*50*time.Millisecond, 500*time.Millisecond)
}

// waiting shows on a terminal that something is being waited for.
type waiting struct {
	c     *Change
	label string
	began time.Time
	shown bool
}

func (c *Change) waiting(label string) *waiting {
	return &waiting{c: c, label: label, began: c.F.Now()}
}

func (w *waiting) tick() {
	if !w.c.F.IO.ErrTerminal {
		return
	}
	w.shown = true
	elapsed := render.Elapsed(w.c.F.Now().Sub(w.began))
	w.c.F.IO.Notef("\r\x1b[2K%s", w.c.F.IO.ErrStyle().Dim(w.label+" … "+elapsed))
}

func (w *waiting) done() {
	if w.shown {
		w.c.F.IO.Notef("%s", "\r\x1b[2K")
	}
}

// Consent decides whether a plan may be carried out.
type Consent struct {
	// Given says that the command line has answered.
	Given bool
	// Question for a person, such as "Apply this plan to staging?".
	Question string
	// Word to be typed instead of y; empty asks for y.
	Word string
}

// Ask returns nil when the change is wanted, and prompt.ErrDeclined when not.
func (c *Change) Ask(ctx context.Context, consent Consent) error {
	switch {
	case consent.Given:
		return nil
	case consent.Word != "":
		return prompt.Expect(ctx, c.F.IO, consent.Question, consent.Word)
	default:
		return prompt.Confirm(ctx, c.F.IO, consent.Question)
	}
}

// Deploy queues a deployment and returns its id.
func (c *Change) Deploy(ctx context.Context, request client.CreateDeploymentJSONRequestBody) (target.ID, error) {
	key := uuid.NewString()
	return c.Accepted(c.API.CreateDeployment(ctx, &client.CreateDeploymentParams{IdempotencyKey: &key}, request))
}

// Accepted reads the answer to a request that queues a deployment, and returns
// that one's id.
func (c *Change) Accepted(response *remote.Response, err error) (target.ID, error) {
	accepted, err := remote.Decode[client.DeployAccepted](response, err)
	if err != nil {
		return target.ID{}, err
	}
	id, ok := target.ParseID(accepted.Deployment)
	if !ok {
		return target.ID{}, fmt.Errorf("the API accepted the deployment under the id %q, which is none", accepted.Deployment)
	}
	if accepted.Position > 0 {
		c.Say("Queued behind %s.", render.Plural(accepted.Position, "other deployment"))
	}
	return id, nil
}

// Finish follows a deployment to its end and reports it; with detach it says
// how to come back instead.
func (c *Change) Finish(ctx context.Context, id target.ID, detach bool) error {
	if link := Link(c.F, id); link != "" {
		c.Say("Temporal: %s", link)
	}
	if detach {
		return c.detach(ctx, id)
	}
	c.Say("")
	follower := &follow.Follower{API: c.API, Streams: c.F.IO, Now: c.F.Now, Aside: c.F.Flags.Output.Structured()}
	outcome, err := follower.Follow(ctx, id)
	var gone *follow.DetachedError
	if errors.As(err, &gone) {
		return c.leave(id, gone.Cause)
	}
	if err != nil {
		c.F.IO.Notef("Deployment %d in %s may go on; it does not need this command:\n", id.N, id.Environment)
		c.F.IO.Notef("%s", follow.Back(id))
		return err
	}
	return c.conclude(id, outcome)
}

func (c *Change) detach(ctx context.Context, id target.ID) error {
	if c.F.Flags.Output.Structured() {
		deployment, err := remote.Decode[orchestrator.Deployment](c.API.GetDeployment(ctx, id.Team, id.Application, id.Environment, id.N))
		if err != nil {
			return err
		}
		return c.F.Flags.Output.Write(c.F.IO.Out, deployment)
	}
	c.Say("Deployment %d goes on in %s:", id.N, id.Environment)
	c.F.IO.Printf("%s", follow.Back(id))
	return nil
}

// leave says how to come back after Ctrl-C or the end of --timeout.
func (c *Change) leave(id target.ID, cause error) error {
	c.F.IO.Notef("Detached. Deployment %d goes on in %s:\n", id.N, id.Environment)
	c.F.IO.Notef("%s", follow.Back(id))
	if errors.Is(cause, cli.ErrTimeout) {
		return &cli.ExitError{Code: cli.CodeInterrupted, Err: cause}
	}
	return &cli.ExitError{Code: cli.CodeInterrupted}
}
