// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"github.com/HatiCode/nestor/orchestrator"
)

// Activities of drift checks on QueueControl.
const (
	ActivityListDeployed = "ListDeployed" // a page of what is deployed in an environment
	ActivityBeginDrift   = "BeginDrift"   // write a report's record, or say why there is none
	ActivityFinishDrift  = "FinishDrift"  // close it
	ActivityRepairDrift  = "RepairDrift"  // queue the deployment that repairs, or record why not
)

// DriftInput starts a Drift workflow; its id is orchestrator.DriftWorkflowID.
// The record of the report and of the plan of the same id are there.
type DriftInput struct {
	Drift string `json:"drift"`
	orchestrator.Scope
	GraphDigest string `json:"graphDigest"`
	Principal   string `json:"principal"`
}

// Plan is the one that finds out what the report tells.
func (in DriftInput) Plan() PlanInput {
	return PlanInput{
		Plan: in.Drift, Scope: in.Scope, GraphDigest: in.GraphDigest, PreviousGraphDigest: in.GraphDigest,
		Principal: in.Principal, Drift: true,
	}
}

// BeginDriftInput asks for a drift check of one scope on behalf of its
// environment's policy.
type BeginDriftInput struct {
	orchestrator.Scope
	// RequestID of the round; a repeated one gets the same report.
	RequestID string `json:"requestId"`
}

// BeginDriftResult has the check's workflow to start, or the reason to skip.
type BeginDriftResult struct {
	Input   DriftInput `json:"input,omitzero"`
	Skipped string     `json:"skipped,omitempty"`
}

// FinishDriftInput closes a report with what its plan has found out.
type FinishDriftInput struct {
	orchestrator.Scope
	Drift     string `json:"drift"`
	Error     string `json:"error,omitempty"` // that is no node's
	Principal string `json:"principal"`
}

// FinishDriftResult says what became of a report.
type FinishDriftResult struct {
	Status orchestrator.DriftStatus `json:"status"`
	// Repair says that a repair is wanted and there is something to repair.
	Repair bool `json:"repair,omitempty"`
}

// RepairDriftInput asks for the deployment that repairs.
type RepairDriftInput struct {
	orchestrator.Scope
	Drift string `json:"drift"`
}

// RepairDriftResult has the deployment, or the reason why there is none.
type RepairDriftResult struct {
	Deployment string `json:"deployment,omitempty"`
	Refused    string `json:"refused,omitempty"`
}

// DriftSweepInput starts (or continues) a DriftSweep workflow, which checks all
// that is deployed in an environment.
type DriftSweepInput struct {
	Environment string `json:"environment"`
	// Cursor and Round are handed on by continue-as-new.
	Cursor string `json:"cursor,omitempty"`
	Round  string `json:"round,omitempty"`
}

// ListDeployedInput asks for a page of the scopes of an environment.
type ListDeployedInput struct {
	Environment string `json:"environment"`
	Cursor      string `json:"cursor,omitempty"`
}

// DeployedPage bounds a ListDeployedResult.
const DeployedPage = 100

// ListDeployedResult is a page. An empty Next says that it is the last.
type ListDeployedResult struct {
	Scopes []orchestrator.Scope `json:"scopes,omitempty"`
	Next   string               `json:"next,omitempty"`
}
