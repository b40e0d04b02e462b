// SPDX-License-Identifier: Apache-2.0

// Package rollout brings new versions of the workers into use: it lists the
// versions of a worker deployment and what still runs on each, makes one the
// current version, and moves runs from one to another.
//
// It decides nothing by itself: an operator, a pipeline or a controller says
// when. What it does can be done with Temporal's own tools, too, except for the
// proof that a run may be moved, for which the new program is needed.
package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

// State of a version.
type State string

// The states of a version.
const (
	// Inactive was never the current version, or is one to which nothing is
	// routed and of which Temporal does not know yet what still runs on it.
	Inactive State = "inactive"
	// Current gets what begins, and every run that moves on.
	Current State = "current"
	// Ramping gets a share of it.
	Ramping State = "ramping"
	// Draining gets nothing new, and runs are open that stay with it.
	Draining State = "draining"
	// Drained has no open run.
	Drained State = "drained"
)

// fresh is how long a worker counts as being there after it last asked for
// work: a long poll takes up to a minute.
const fresh = 90 * time.Second

// Version of the workers, and what is true of it.
type Version struct {
	BuildID string `json:"buildId"`
	State   State  `json:"state"`
	// Created is when its first worker came.
	Created time.Time `json:"created"`
	// Open counts the runs that stay with it until their end.
	Open int64 `json:"open"`
	// Workers counts the processes that serve workflows now.
	Workers int `json:"workers"`
}

// MayStop says that nothing needs the version's workers any more.
func (v Version) MayStop() bool {
	return v.Open == 0 && (v.State == Drained || v.State == Inactive)
}

// Rollout is about one worker deployment in one namespace.
type Rollout struct {
	client    client.Client
	namespace string
	name      string
}

// New is about the named worker deployment.
func New(c client.Client, namespace, deployment string) *Rollout {
	return &Rollout{client: c, namespace: namespace, name: deployment}
}

func (r *Rollout) handle() client.WorkerDeploymentHandle {
	return r.client.WorkerDeploymentClient().GetHandle(r.name)
}

// Versions lists the versions that Temporal knows, the latest first. It forgets
// those that are drained and without workers. Drainage is looked at by Temporal
// now and then, Open and Workers are counted now.
func (r *Rollout) Versions(ctx context.Context) ([]Version, error) {
	described, err := r.handle().Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe worker deployment %s: %w", r.name, err)
	}
	workers, err := r.workers(ctx)
	if err != nil {
		return nil, err
	}
	versions := make([]Version, 0, len(described.Info.VersionSummaries))
	for _, s := range described.Info.VersionSummaries {
		v := Version{BuildID: s.Version.BuildID, Created: s.CreateTime, Workers: workers[s.Version.BuildID]}
		v.State = state(described.Info.RoutingConfig, s)
		if v.Open, err = r.open(ctx, v.BuildID); err != nil {
			return nil, err
		}
		versions = append(versions, v)
	}
	slices.SortFunc(versions, func(a, b Version) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.BuildID, b.BuildID))
	})
	return versions, nil
}

func state(routing client.WorkerDeploymentRoutingConfig, s client.WorkerDeploymentVersionSummary) State {
	is := func(v *worker.WorkerDeploymentVersion) bool { return v != nil && *v == s.Version }
	switch {
	case is(routing.CurrentVersion):
		return Current
	case is(routing.RampingVersion):
		return Ramping
	case s.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDraining:
		return Draining
	case s.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDrained:
		return Drained
	default:
		return Inactive
	}
}

// workers counts the processes that serve workflows, by build id.
func (r *Rollout) workers(ctx context.Context) (map[string]int, error) {
	answer, err := r.client.DescribeTaskQueue(ctx, contract.QueueControl, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return nil, fmt.Errorf("describe task queue %s: %w", contract.QueueControl, err)
	}
	counts := map[string]int{}
	for _, p := range answer.GetPollers() {
		of := p.GetDeploymentOptions()
		if of.GetDeploymentName() == r.name && time.Since(p.GetLastAccessTime().AsTime()) < fresh {
			counts[of.GetBuildId()]++
		}
	}
	return counts, nil
}

// open counts the runs that stay with a version.
func (r *Rollout) open(ctx context.Context, build string) (int64, error) {
	answer, err := r.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: r.namespace, Query: r.staying(build),
	})
	if err != nil {
		return 0, fmt.Errorf("count what runs on version %s: %w", build, err)
	}
	return answer.GetCount(), nil
}

// staying selects the open runs that stay with a version.
func (r *Rollout) staying(build string) string {
	return fmt.Sprintf("TemporalWorkerDeploymentVersion = '%s:%s' AND TemporalWorkflowVersioningBehavior = 'Pinned' AND ExecutionStatus = 'Running'",
		r.name, build)
}

// look is how often a version is looked at that does not serve what it should.
const look = 250 * time.Millisecond

// SetCurrent makes a version the current one. It refuses, without force, a
// version that does not serve every task queue that the present one serves:
// what is queued there would wait for nobody. Temporal learns of a worker's
// queues one after the other, so that it waits for them while the context lasts.
func (r *Rollout) SetCurrent(ctx context.Context, build string, force bool) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		notYet, err := r.setCurrent(ctx, build, force)
		if notYet == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("version %s was not made the current one: %w", build, notYet)
		case <-ticker.C:
		}
	}
}

// setCurrent tries once; notYet is why a later try may do better.
func (r *Rollout) setCurrent(ctx context.Context, build string, force bool) (notYet, err error) {
	serves, err := r.serves(ctx, build)
	if err != nil {
		return nil, err
	}
	if !serves {
		return fmt.Errorf("no worker of it serves workflows (queue %s); start one with NESTOR_WORKER_DEPLOYMENT=%s and NESTOR_BUILD_ID=%s",
			contract.QueueControl, r.name, build), nil
	}
	_, err = r.handle().SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{
		BuildID: build, IgnoreMissingTaskQueues: force,
	})
	var refused *serviceerror.FailedPrecondition
	if errors.As(err, &refused) {
		return fmt.Errorf("%w; start its workers for every queue that the present version serves (NESTOR_QUEUES), or force it", err), nil
	}
	if err != nil {
		return nil, fmt.Errorf("make version %s the current one: %w", build, err)
	}
	return nil, nil
}

// serves says whether a version was ever seen to serve workflows.
func (r *Rollout) serves(ctx context.Context, build string) (bool, error) {
	described, err := r.handle().DescribeVersion(ctx, client.WorkerDeploymentDescribeVersionOptions{BuildID: build})
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("describe version %s of worker deployment %s: %w", build, r.name, err)
	}
	return slices.ContainsFunc(described.Info.TaskQueuesInfos, func(q client.WorkerDeploymentTaskQueueInfo) bool {
		return q.Name == contract.QueueControl && q.Type == client.TaskQueueTypeWorkflow
	}), nil
}
