// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"

	"github.com/HatiCode/nestor/composer"
	compositions "github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// Records reads what workflows wrote, and writes environments and the states
// that are to be adopted. It is orchestrator/registry's *Registry.
type Records interface {
	PutEnvironment(ctx context.Context, p store.Principal, e orchestrator.Environment, ifRevision int64) (int64, error)
	GetEnvironment(ctx context.Context, name string) (orchestrator.Environment, int64, error)
	ListEnvironments(ctx context.Context) ([]orchestrator.Environment, error)
	GetPlan(ctx context.Context, id string) (orchestrator.Plan, error)
	FinishPlan(ctx context.Context, p store.Principal, id, failure string, failures ...contract.PlanFailure) error
	GetDrift(ctx context.Context, s orchestrator.Scope, id string) (orchestrator.Drift, error)
	ListDrifts(ctx context.Context, s orchestrator.Scope) ([]orchestrator.Drift, error)
	FinishDrift(ctx context.Context, p store.Principal, s orchestrator.Scope, id, failure string) (orchestrator.Drift, error)
	GetPromotion(ctx context.Context, id string) (orchestrator.Promotion, error)
	GetDeployment(ctx context.Context, id string) (orchestrator.Deployment, error)
	ListDeployments(ctx context.Context, f registry.DeploymentFilter) (registry.Page, error)
	LatestDeployment(ctx context.Context, s orchestrator.Scope) (orchestrator.Deployment, error)
	LastActed(ctx context.Context, s orchestrator.Scope, n int64) (d orchestrator.Deployment, found bool, err error)
	OpenDeployments(ctx context.Context, team, application, environment string) ([]orchestrator.Deployment, error)
	Cancel(ctx context.Context, id string, c orchestrator.Cancellation) (known bool, err error)
	CancelSent(ctx context.Context, id string, c orchestrator.Cancellation) error
	CancelLost(ctx context.Context, id string, c orchestrator.Cancellation) error
	NodeStates(ctx context.Context, deployment string) ([]orchestrator.NodeRun, error)
	Heads(ctx context.Context, s orchestrator.Scope) ([]orchestrator.NodeHead, error)
	Tenures(ctx context.Context, s orchestrator.Scope) ([]orchestrator.Tenure, error)
	Unlock(ctx context.Context, st registry.Statement) (orchestrator.Tenure, error)
	Forget(ctx context.Context, st registry.Statement) (orchestrator.NodeHead, error)
	ForgetSnapshot(ctx context.Context, st registry.Statement, n int64) (orchestrator.Snapshot, error)
	Outputs(ctx context.Context, head orchestrator.NodeHead) ([]registry.OutputValue, error)
	Scope(ctx context.Context, s orchestrator.Scope) (registry.ScopeState, error)
	Requested(ctx context.Context, s orchestrator.Scope, request string) (bool, error)
	PutSource(ctx context.Context, s orchestrator.Scope, request string, source registry.Source) (created bool, err error)
	DropSource(ctx context.Context, s orchestrator.Scope, request string) error
	Applications(ctx context.Context, team string) ([]orchestrator.Scope, error)
	GetGraph(ctx context.Context, digest string) (composer.Graph, error)
	Logs(ctx context.Context, deployment, node string, after int64) ([]registry.LogChunk, error)
}

var _ Records = (*registry.Registry)(nil)

// Compositions keeps a team's compositions and releases. It is
// composer/registry's *Registry.
type Compositions interface {
	PutComposition(ctx context.Context, p store.Principal, c composer.Composition, ifRevision int64) (compositions.StoredComposition, bool, error)
	GetComposition(ctx context.Context, team, name string) (compositions.StoredComposition, error)
	ListCompositions(ctx context.Context, team, cursor string, limit int) (compositions.CompositionPage, error)
	DeleteComposition(ctx context.Context, p store.Principal, team, name string, ifRevision int64) error
	GetRelease(ctx context.Context, team, application, digest string) (composer.Release, error)
	ListReleases(ctx context.Context, team, application, cursor string, limit int) (compositions.ReleasePage, error)
}

var _ Compositions = (*compositions.Registry)(nil)

// Compiler turns requests into records, and refuses what cannot be done before
// Temporal is asked. It is orchestrator/compile's *Compiler.
type Compiler interface {
	Plan(ctx context.Context, p store.Principal, r compile.PlanRequest) (orchestrator.Plan, error)
	CreateRelease(ctx context.Context, p store.Principal, r compile.ReleaseRequest) (release composer.Release, created bool, err error)
	Promotion(ctx context.Context, p store.Principal, r compile.PromotionRequest) (orchestrator.Promotion, error)
	CheckDeploy(ctx context.Context, r contract.DeployRequest) error
	Drift(ctx context.Context, r compile.DriftRequest) (report orchestrator.Drift, created bool, err error)
}

var _ Compiler = (*compile.Compiler)(nil)
