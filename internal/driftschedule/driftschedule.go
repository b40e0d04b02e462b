// SPDX-License-Identifier: Apache-2.0

// Package driftschedule keeps Temporal's schedules as the environments' drift
// policies ask for them: one schedule for each environment that has one, whose
// workflow goes through everything that is deployed there.
//
// What it is not for: deciding what a round does. That is the DriftSweep
// workflow's, which reads the policy anew each time.
package driftschedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// catchUp is how late a round may begin after Temporal was away; the next one
// is never far.
const catchUp = time.Minute

// ID of an environment's schedule.
func ID(environment string) string { return "drift/" + environment }

// Reconcile makes an environment's schedule what its policy asks for, or
// deletes it where there is no policy. Doing it again changes nothing, and a
// schedule that somebody has paused stays paused.
func Reconcile(ctx context.Context, schedules client.ScheduleClient, e orchestrator.Environment) error {
	handle := schedules.GetHandle(ctx, ID(e.Metadata.Name))
	there, err := handle.Describe(ctx)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		there = nil
	case err != nil:
		return fmt.Errorf("describe the schedule %s: %w", ID(e.Metadata.Name), err)
	}
	policy := e.Spec.Drift
	switch {
	case policy == nil && there == nil:
		return nil
	case policy == nil:
		err = handle.Delete(ctx)
	case there == nil:
		err = create(ctx, schedules, e.Metadata.Name, *policy)
	case there.Schedule.State != nil && there.Schedule.State.Note == note(*policy):
		return nil
	default:
		err = change(ctx, handle, *policy)
	}
	if err != nil && !errors.As(err, &missing) {
		return fmt.Errorf("bring the schedule %s to spec.drift: %w", ID(e.Metadata.Name), err)
	}
	return nil
}

// note tells people, and the next Reconcile, what a schedule was made for.
func note(p orchestrator.DriftPolicy) string {
	return fmt.Sprintf("spec.drift of the environment: %s, jitter %s", p.Schedule, time.Duration(p.Jitter))
}

func create(ctx context.Context, schedules client.ScheduleClient, environment string, p orchestrator.DriftPolicy) error {
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID:            ID(environment),
		Spec:          spec(p),
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: catchUp,
		Note:          note(p),
		Action: &client.ScheduleWorkflowAction{
			ID: "drift-round/" + environment, Workflow: contract.WorkflowDriftSweep, TaskQueue: contract.QueueControl,
			Args:          []any{contract.DriftSweepInput{Environment: environment}},
			StaticSummary: "look for drift in " + environment,
			TypedSearchAttributes: temporal.NewSearchAttributes(
				temporal.NewSearchAttributeKeyKeyword(contract.AttributeEnvironment).ValueSet(environment)),
		},
	})
	var raced *serviceerror.AlreadyExists
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) || errors.As(err, &raced) {
		return nil // by another worker, from the same policy
	}
	return err
}

func change(ctx context.Context, handle client.ScheduleHandle, p orchestrator.DriftPolicy) error {
	return handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			next := in.Description.Schedule
			wanted := spec(p)
			next.Spec = &wanted
			if next.State == nil {
				next.State = &client.ScheduleState{}
			}
			next.State.Note = note(p)
			return &client.ScheduleUpdate{Schedule: &next}, nil
		},
	})
}

func spec(p orchestrator.DriftPolicy) client.ScheduleSpec {
	s := client.ScheduleSpec{Jitter: time.Duration(p.Jitter)}
	if p.Schedule.Cron != "" {
		s.CronExpressions = []string{p.Schedule.Cron}
	} else {
		s.Intervals = []client.ScheduleIntervalSpec{{Every: time.Duration(p.Schedule.Every)}}
	}
	return s
}
