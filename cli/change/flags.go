// SPDX-License-Identifier: Apache-2.0

package change

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/orchestrator"
)

// OnFailure is the value of --on-failure.
type OnFailure struct{ Value orchestrator.OnFailure }

// Set takes rollback, stop or continue.
func (o *OnFailure) Set(s string) error {
	switch v := orchestrator.OnFailure(s); v {
	case orchestrator.OnFailureRollback, orchestrator.OnFailureStop, orchestrator.OnFailureContinue:
		o.Value = v
		return nil
	default:
		return errors.New("must be rollback, stop or continue")
	}
}

func (o *OnFailure) String() string { return string(o.Value) }

// Type is shown in the flag's usage.
func (*OnFailure) Type() string { return "rollback|stop|continue" }

// AddOnFailure adds --on-failure to a command.
func AddOnFailure(cmd *cobra.Command, value *OnFailure) {
	value.Value = orchestrator.OnFailureRollback
	cmd.Flags().Var(value, "on-failure",
		"when a resource fails: rollback what was done, stop, or continue with what does not need it")
	complete.Flag(cmd, "on-failure", complete.Words(
		string(orchestrator.OnFailureRollback), string(orchestrator.OnFailureStop), string(orchestrator.OnFailureContinue)))
}

// Either refuses two flags of a command together, in a sentence; cobra's own, which
// would come after it, names them as a group.
func Either(cmd *cobra.Command, one, other string) {
	cmd.MarkFlagsMutuallyExclusive(one, other) // so that a shell completes only one of them
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed(one) && cmd.Flags().Changed(other) {
			return cli.Errorf("leave one of them out", "--%s and --%s cannot be given together", one, other)
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// Usable says whether a plan that was named by its id can be carried out by a
// command of that kind, for what the flags name.
func (c *Change) Usable(plan orchestrator.Plan, kind orchestrator.Kind, flags *target.Flags) error {
	switch {
	case plan.Status == orchestrator.PlanRunning:
		return cli.Errorf("wait a moment and try again", "plan %s is still being made", plan.ID)
	case plan.Status == orchestrator.PlanFailed:
		return c.check(plan)
	case plan.Kind != kind:
		return cli.Errorf("", "plan %s is for %s, not for %s", plan.ID, plan.Kind, kind)
	case flags.Environment != "" && flags.Environment != plan.Environment:
		return cli.Errorf("leave --env out, or plan again", "plan %s is for %s, not for %s", plan.ID, plan.Environment, flags.Environment)
	case flags.Application != "" && flags.Application != plan.Application:
		return cli.Errorf("leave --app out, or plan again", "plan %s is for %s, not for %s", plan.ID, plan.Application, flags.Application)
	default:
		return nil
	}
}
