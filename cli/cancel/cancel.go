// SPDX-License-Identifier: Apache-2.0

// Package cancel is `nestor cancel`: a deployment stops.
package cancel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/prompt"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of the command.
type Options struct {
	Factory    *cli.Factory
	Target     target.Flags
	Deployment string // empty: the one that nestor status tells of
	Reason     string
	Yes        bool
}

// phaseApply is whatever goes forward.
const phaseApply = "apply"

// NewCmdCancel returns the command; runF replaces its work in tests.
func NewCmdCancel(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "cancel [DEPLOYMENT]",
		Short: "Stop a deployment",
		Long: `Stop a deployment; without an id, the one that
nestor status tells of.

A deployment that waits ends at once. One that runs lets its engines stop
cleanly and then rolls back what it has done. Canceling that rollback too leaves
things as they are then: the command asks first.`,
		Example: `  nestor cancel --env staging
  nestor cancel 3 --env staging --reason "wrong size"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Deployment = args[0]
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runCancel(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Deployments(f, &opts.Target),
	}
	opts.Target.AddEnvironment(cmd, "that of the latest deployment")
	opts.Target.AddApplication(cmd)
	cmd.Flags().StringVarP(&opts.Reason, "reason", "m", "", "why, for those who read the history")
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "cancel a rollback too, without asking")
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runCancel(ctx context.Context, opts *Options) error {
	f := opts.Factory
	id, err := opts.Target.Deployment(ctx, f, opts.Deployment)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	before, err := remote.Decode[orchestrator.Deployment](api.GetDeployment(ctx, id.Team, id.Application, id.Environment, id.N))
	if err != nil {
		return err
	}
	if before.Status.Final() {
		hint := ""
		if opts.Deployment == "" {
			hint = "one that is queued is canceled by its number; `nestor history --env " + id.Environment + "` shows it"
		}
		return over(hint, id, before)
	}
	phase := phaseApply
	if before.Status == orchestrator.StatusRollingBack {
		phase = orchestrator.PhaseRollback
		if err := confirm(ctx, opts, id); err != nil {
			return err
		}
	}
	deployment, err := remote.Decode[orchestrator.Deployment](api.CancelDeployment(ctx, id.Team, id.Application, id.Environment, id.N,
		client.CancelDeploymentJSONRequestBody{Phase: phase, Reason: opts.Reason}))
	if err != nil {
		return err
	}
	if rollback := phase == orchestrator.PhaseRollback; !heard(before, deployment, rollback) {
		return tooLate(id, deployment)
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, deployment)
	}
	f.IO.Printf("Asked deployment %d in %s to stop.\n", id.N, id.Environment)
	f.IO.Printf("  nestor status --env %s    shows how it ends\n", id.Environment)
	return nil
}

// heard says whether a cancel has reached a deployment, by what the API answered:
// in another phase than the one that was looked at it does nothing, and is accepted
// nevertheless. Where the phase is over by now, it came before that if it is on
// record.
func heard(before, answer orchestrator.Deployment, rollback bool) bool {
	return answer.Cancelable(rollback) || !lastAsked(answer, rollback).Equal(lastAsked(before, rollback))
}

// lastAsked is when somebody last asked a phase to stop; zero where nobody has.
func lastAsked(d orchestrator.Deployment, rollback bool) time.Time {
	for _, c := range slices.Backward(d.Cancellations) {
		if c.OfRollback() == rollback {
			return c.Time
		}
	}
	return time.Time{}
}

// tooLate says why a cancel has changed nothing.
func tooLate(id target.ID, d orchestrator.Deployment) error {
	if d.Status.Final() {
		return over("", id, d)
	}
	return cli.Errorf("`nestor cancel` again stops the rollback too, and leaves things as they are then",
		"deployment %d in %s is rolling back by now; this has changed nothing", id.N, id.Environment)
}

func over(hint string, id target.ID, d orchestrator.Deployment) error {
	return cli.Errorf(hint, "deployment %d in %s is over: it %s", id.N, id.Environment, render.Ended(d.Status))
}

func confirm(ctx context.Context, opts *Options, id target.ID) error {
	if opts.Yes {
		return nil
	}
	streams := opts.Factory.IO
	if err := prompt.Possible(streams, "canceling a rollback", "give --yes"); err != nil {
		return err
	}
	return prompt.Confirm(ctx, streams, fmt.Sprintf(
		"Deployment %d in %s is rolling back. Stop that too, and leave things as they are then?", id.N, id.Environment))
}
