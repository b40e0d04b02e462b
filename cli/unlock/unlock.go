// SPDX-License-Identifier: Apache-2.0

// Package unlock is `nestor unlock` and `nestor forget`: what a person states of
// a node where nothing can be proven.
package unlock

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/prompt"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of both commands.
type Options struct {
	Factory *cli.Factory
	Target  target.Flags
	Node    string
	Host    string // of unlock
	Gone    bool   // of forget
	Reason  string
	Yes     bool
}

// NewCmdUnlock returns the command; runF replaces its work in tests.
func NewCmdUnlock(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "unlock NODE --env ENVIRONMENT",
		Short: "State that the process at work on a node is dead",
		Long: `State that the process at work on a node is dead.

A step that began and did not end holds its node until its death is proven: its
process can be seen to be gone, or its machine has started again. After the loss
of a host nobody can prove it, and the deployment waits. Look first. Your word
is recorded with your name, and the next attempt goes on.`,
		Example: `  nestor unlock web-app.database --env production --host worker-3
  nestor unlock web-app.database --env production --yes --reason "host lost"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Node = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runUnlock(cmd.Context(), opts)
		},
	}
	opts.flags(cmd)
	cmd.Flags().StringVar(&opts.Host, "host", "", "the host that must hold the node; without it, whichever does")
	return cmd
}

// NewCmdForget returns the command; runF replaces its work in tests.
func NewCmdForget(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "forget NODE --env ENVIRONMENT",
		Short: "State that what is recorded of a node holds no more",
		Long: `State that what is recorded of a node holds no more.

It is the way out where nothing can be proven, since Nestor never takes unknown
for absent. Where a node's state was lost, or replaced by another one: put the
state back from a backup if you can. If its resources are really gone, or what
is there now is the truth, forget the node. Where a creation was cut off: look
whether the resource exists, remove it if it does, and forget the node.

The next apply looks where the node's state lives, takes what it finds there,
and makes the rest anew. Its snapshots stay with it, and nothing is destroyed.

With --gone you state that nothing is there, not even a state. Then the place is
forgotten, too: what was adopted under a name of its own, or is in a backend
that the environment has left, is made anew where a new node's would be.
Snapshots are named, to be destroyed by hand. Your word is recorded with your
name.

A snapshot is forgotten by its own name, which the error about it says: when it
was looked for by hand, because its creation was cut off or its destruction does
not succeed. The node stays as it is.`,
		Example: `  nestor forget web-app.database --env staging --reason "its bucket is lost"
  nestor forget web-app.database.snapshot-3 --env staging
  nestor forget web-app.database --env staging --gone --reason "account closed"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Node = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runForget(cmd.Context(), opts)
		},
	}
	opts.flags(cmd)
	cmd.Flags().BoolVar(&opts.Gone, "gone", false, "nothing is there, not even a state: forget where it was, too")
	return cmd
}

func (o *Options) flags(cmd *cobra.Command) {
	o.Target.AddEnvironment(cmd, "the one of the context")
	o.Target.AddApplication(cmd)
	cmd.Flags().StringVarP(&o.Reason, "reason", "m", "", "why, for those who read the history")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "state it without being asked")
	complete.Flag(cmd, "env", complete.Environments(o.Factory))
}

// confirm asks, unless the answer was given.
func (o *Options) confirm(ctx context.Context, verb, question string) error {
	if o.Yes {
		return nil
	}
	if err := prompt.Possible(o.Factory.IO, verb, "give --yes"); err != nil {
		return err
	}
	return prompt.Confirm(ctx, o.Factory.IO, question)
}

func runUnlock(ctx context.Context, opts *Options) error {
	f := opts.Factory
	scope, err := opts.Target.Scope(ctx, f)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("Is the process that holds %s of %s dead?", opts.Node, scope)
	if opts.Host != "" {
		question = fmt.Sprintf("Is the process on %s that holds %s of %s dead?", opts.Host, opts.Node, scope)
	}
	if err := opts.confirm(ctx, "nestor unlock", question); err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	tenure, err := remote.Decode[orchestrator.Tenure](api.UnlockNode(ctx, scope.Team, scope.Application, scope.Environment, opts.Node,
		client.UnlockNodeJSONRequestBody{Host: opts.Host, Reason: opts.Reason}))
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, tenure)
	}
	f.IO.Printf("Unlocked %s in %s, which %s held.\n", opts.Node, scope.Environment, text.CleanLine(tenure.Holder()))
	f.IO.Printf("  nestor status --env %s    shows how it goes on\n", scope.Environment)
	return nil
}

func runForget(ctx context.Context, opts *Options) error {
	f := opts.Factory
	scope, err := opts.Target.Scope(ctx, f)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("Forget what is recorded of %s of %s, whatever is left of it?", opts.Node, scope)
	switch _, _, snapshot := orchestrator.ParseSnapshotName(opts.Node); {
	case snapshot:
		question = fmt.Sprintf("Forget the snapshot %s of %s, whatever is left of it?", opts.Node, scope)
	case opts.Gone:
		question = fmt.Sprintf("Is nothing left of %s of %s, not even a state?", opts.Node, scope)
	}
	if err := opts.confirm(ctx, "nestor forget", question); err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	statement, err := remote.Decode[client.NodeStatement](api.ForgetNode(ctx, scope.Team, scope.Application, scope.Environment, opts.Node,
		client.ForgetNodeJSONRequestBody{Gone: opts.Gone, Reason: opts.Reason}))
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, statement)
	}
	f.IO.Printf("Forgot %s in %s.\n", opts.Node, scope.Environment)
	if statement.Snapshot != "" {
		f.IO.Printf("  nothing knows of %s any more; if it is there after all, destroy it by hand\n", text.CleanLine(statement.Snapshot))
	}
	for _, snapshot := range statement.Snapshots {
		if opts.Gone {
			f.IO.Printf("  left behind: snapshot %s; nothing knows of it any more, so destroy it by hand\n", text.CleanLine(snapshot))
		} else {
			f.IO.Printf("  kept: snapshot %s\n", text.CleanLine(snapshot))
		}
	}
	f.IO.Printf("  nestor plan --env %s    shows what the next apply makes of it\n", scope.Environment)
	return nil
}
