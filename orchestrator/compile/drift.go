// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// DriftRequest asks whether what is deployed is still as it was deployed.
type DriftRequest struct {
	orchestrator.Scope
	Trigger   orchestrator.Trigger
	Repair    bool
	RequestID string
	Principal string
}

// Drift writes the records of a drift check. Whoever calls it then starts the
// Drift workflow, if created says that there is none yet: one check of a scope
// runs at a time, and a request id counts once. It is refused while nothing is
// deployed, and while a deployment is at work.
func (c *Compiler) Drift(ctx context.Context, req DriftRequest) (report orchestrator.Drift, created bool, err error) {
	if _, _, err := c.registry.GetEnvironment(ctx, req.Environment); err != nil {
		return report, false, err
	}
	state, err := c.registry.Scope(ctx, req.Scope)
	if err != nil {
		return report, false, err
	}
	open, err := c.registry.OpenDeployments(ctx, req.Team, req.Application, req.Environment)
	if err != nil {
		return report, false, err
	}
	for _, d := range open {
		if !d.StartedAt.IsZero() {
			return report, false, &orchestrator.Refusal{
				Reason: fmt.Sprintf("deployment %s is %s, and would be taken for drift", d.ID, d.Status), Hint: "wait for its end",
			}
		}
	}
	graph, err := c.Previous(ctx, req.Scope)
	if err != nil {
		return report, false, err
	}
	if graph == "" {
		return report, false, &orchestrator.Refusal{
			Reason: fmt.Sprintf("nothing of %s is deployed in %s", req.Application, req.Environment),
			Hint:   fmt.Sprintf("run `nestor apply --env %s` first", req.Environment),
		}
	}
	deployed, err := c.registry.GetGraph(ctx, graph)
	if err != nil {
		return report, false, err
	}
	previous, err := c.before(ctx, req.Scope, deployed)
	if err != nil {
		return report, false, err
	}
	report = orchestrator.Drift{
		ID: c.newID(), Scope: req.Scope, Status: orchestrator.DriftRunning, Trigger: req.Trigger, Repair: req.Repair,
		Principal: req.Principal, RequestID: req.RequestID,
		Release: state.Release, GraphDigest: graph, Basis: state.Basis, StartedAt: c.now(),
		DeployedGraph: state.Graph,
	}
	if err := c.standing(ctx, &report, state); err != nil {
		return report, false, err
	}
	return c.registry.BeginDrift(ctx, report, orchestrator.Plan{
		ID: report.ID, Scope: req.Scope, Kind: orchestrator.KindApply, Release: state.Release,
		GraphDigest: graph, PreviousGraphDigest: previous, Basis: state.Basis, Principal: req.Principal,
		Status: orchestrator.PlanRunning, CreatedAt: report.StartedAt, Drift: true,
	})
}

// standing notes in a report that the last deployment has left its scope at no
// one release, and that what is there is not what a release alone says: then no
// repair can make it so.
func (c *Compiler) standing(ctx context.Context, report *orchestrator.Drift, state registry.ScopeState) error {
	last, err := c.latest(ctx, report.Scope, state.Deployments)
	if err != nil {
		return err
	}
	if last.Status.Final() && !last.Settled() {
		report.Unsettled, report.UnsettledStatus = last.ID, last.Status
	}
	if report.GraphDigest == state.Graph {
		return nil
	}
	report.Irreparable = irreparable(*report)
	return nil
}

// irreparable says what can be done where what is there is not what the deployed
// release says, so that a repair, which makes that again, cannot be.
func irreparable(d orchestrator.Drift) string {
	why := "what is there is not what one release says: nodes were adopted or forgotten since"
	if d.Unsettled != "" {
		why = fmt.Sprintf("deployment %s ended %s, and left nodes that are not as one release says", d.Unsettled, d.UnsettledStatus)
	}
	back := ""
	if d.Release != "" {
		back = fmt.Sprintf(", go back with `nestor rollback --env %s --to %s`", d.Environment, orchestrator.ShortDigest(d.Release))
	}
	return fmt.Sprintf("%s; deploy forward with `nestor apply --env %s`%s, or remove everything with `nestor destroy --env %s`",
		why, d.Environment, back, d.Environment)
}

const (
	// maxRepairs is how often the same drift is repaired on schedule among the
	// last recentDrifts reports. What comes back that often has a cause that a
	// repair does not reach.
	maxRepairs   = 3
	recentDrifts = 10
)

// Repair is the request for the deployment that makes again as it was deployed
// what a check has found to differ. why says that there is none to be made.
func (c *Compiler) Repair(ctx context.Context, scope orchestrator.Scope, id string) (req contract.DeployRequest, why string, err error) {
	d, err := c.registry.GetDrift(ctx, scope, id)
	if err != nil {
		return req, "", err
	}
	req = contract.DeployRequest{
		RequestID: "drift/" + id, Scope: scope, Kind: orchestrator.KindApply, Release: d.Release, PlanID: id,
		// Going back would only try the same again.
		OnFailure: orchestrator.OnFailureStop, Principal: d.Principal,
	}
	switch {
	case d.Status != orchestrator.DriftDrifted:
		return req, "there is nothing that could be repaired: the check ended " + string(d.Status), nil
	case d.Error != "":
		return req, "a repair would go by a plan of everything, and some of it is not known: " + firstLine(d.Error), nil
	case d.Irreparable != "":
		return req, d.Irreparable, nil
	}
	open, err := c.registry.OpenDeployments(ctx, scope.Team, scope.Application, scope.Environment)
	if err != nil {
		return req, "", err
	}
	if len(open) > 0 && open[0].RequestID != req.RequestID {
		return req, fmt.Sprintf("deployment %s is %s, and settles what shall be", open[0].ID, open[0].Status), nil
	}
	if d.Trigger == orchestrator.TriggerSchedule {
		if why, err = c.unattended(ctx, d); why != "" || err != nil {
			return req, why, err
		}
	}
	err = c.CheckDeploy(ctx, req)
	if why, refused := Refused(err); refused {
		return req, why, nil
	}
	return req, "", err
}

// unattended says why drift is not repaired without somebody who looks at it.
func (c *Compiler) unattended(ctx context.Context, d orchestrator.Drift) (string, error) {
	environment, _, err := c.registry.GetEnvironment(ctx, d.Environment)
	if err != nil {
		return "", err
	}
	if !environment.Spec.Drift.Repairs() {
		return "the policy of " + d.Environment + " does not repair any more", nil
	}
	for _, n := range d.Nodes {
		switch n.State {
		case orchestrator.NodeGone:
			return fmt.Sprintf("nothing is left of %s; if only its state was lost, a repair would make it a second time. Look at it, then run `nestor drift --env %s --repair`",
				n.Node, d.Environment), nil
		case orchestrator.NodePartial:
			return fmt.Sprintf("%s was never whole; run `nestor apply --env %s`", n.Node, d.Environment), nil
		case orchestrator.NodeNotKnown:
			return fmt.Sprintf("%s was forgotten, so nobody knows what is there; run `nestor apply --env %s`", n.Node, d.Environment), nil
		default:
		}
	}
	reports, err := c.registry.ListDrifts(ctx, d.Scope)
	if err != nil {
		return "", err
	}
	var repairs []string
	for i, earlier := range reports {
		if i > recentDrifts {
			break
		}
		if earlier.ID != d.ID && earlier.Fingerprint == d.Fingerprint && earlier.Repaired != "" {
			repairs = append(repairs, earlier.Repaired)
		}
	}
	if len(repairs) >= maxRepairs {
		return fmt.Sprintf("the same drift came back after %d repairs, the last of them %s: something keeps changing it. Find out what, or repair it with `nestor drift --env %s --repair`",
			len(repairs), repairs[0], d.Environment), nil
	}
	return "", nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
