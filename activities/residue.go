// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"fmt"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// FinishDeployment ends a deployment. What is left behind gets the engine and
// the address from the node's head, and what it is advised to do as a command.
// Unless the deployment succeeded, what earlier ones have left is listed with it
// as long as it is not mended.
func (c *Control) FinishDeployment(ctx context.Context, in contract.FinishInput) error {
	return toTemporal(c.finish(ctx, in, judged))
}

// judgement says whether a deployment itself has said what it leaves of what it
// acted on. One whose workflow ended without a word has not.
type judgement bool

const (
	judged   judgement = true
	unjudged judgement = false
)

func (c *Control) finish(ctx context.Context, in contract.FinishInput, own judgement) error {
	d, err := c.Registry.GetDeployment(ctx, in.Deployment)
	if err != nil {
		return err
	}
	l, err := c.listing(ctx, d, in, own)
	if err != nil {
		return err
	}
	for _, left := range in.Residue {
		if err := l.add(ctx, left); err != nil {
			return err
		}
	}
	if err := l.carry(ctx, in.Status); err != nil {
		return err
	}
	in.Residue, in.MoreResidue = l.all, l.more
	return c.Registry.Finish(ctx, in)
}

// goBack is the command that deploys again what succeeded last.
func goBack(environment, release string) string {
	if release == "" {
		return "remove everything with `nestor destroy --env " + environment + "`"
	}
	return fmt.Sprintf("go back with `nestor rollback --env %s --to %s`", environment, orchestrator.ShortDigest(release))
}

// cutOff lists the nodes that a deployment was at work on when its workflow
// ended without a word.
func (c *Control) cutOff(ctx context.Context, d orchestrator.Deployment) ([]orchestrator.Residue, error) {
	heads, err := c.Registry.Heads(ctx, d.Scope)
	if err != nil {
		return nil, err
	}
	var residue []orchestrator.Residue
	for _, head := range heads {
		if head.LastDeployment == d.ID && !atRest(head.Status) {
			left := orchestrator.Residue{Node: head.Node, Reason: "its step was cut off", Action: "apply or destroy again"}
			if d.Kind == orchestrator.KindAdopt {
				left.Action = "adopt it again"
			}
			residue = append(residue, left)
		}
	}
	return residue, nil
}

// atRest says that no step was cut off.
func atRest(s orchestrator.NodeStatus) bool {
	return s == orchestrator.NodeReady || s == orchestrator.NodeReverted || s == orchestrator.NodeForgotten
}
