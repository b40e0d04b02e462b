// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/chaos/check"
	"github.com/HatiCode/nestor/chaos/story"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/orchestrator"
)

// unlockPatience is how long an attempt that was given up may still hold what it
// held, before that counts as a lock that is left.
const unlockPatience = 10 * time.Second

// tell brings a story's deployments through, one after the other, each with its
// points. It ends early when there are no more points, and when a node is
// uncertain: then a person has to look first.
func (r *runner) tell(ctx context.Context, s story.Story) error {
	for n := range s.Steps {
		if r.points.over() {
			return nil
		}
		on, err := r.step(ctx, s, n)
		if err != nil {
			return fmt.Errorf("%s (%s): %w", s.Steps[n].Name, s.Application, err)
		}
		if !on {
			return nil
		}
	}
	return nil
}

// step is one deployment: asked for, disturbed, awaited and checked. on says
// whether the story can go on.
func (r *runner) step(ctx context.Context, s story.Story, n int) (on bool, err error) {
	step := s.Steps[n]
	before, err := r.effects(ctx)
	if err != nil {
		return false, err
	}
	w := &watch{site: r.site}
	r.points.add(w)
	defer r.points.remove(w)
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return r.disturb(inner, s, n, w) })
	run := check.Run{Story: s, Step: step, Token: r.token}
	group.Go(func() (err error) {
		defer w.end()
		id, err := r.request(inner, s, n)
		if err != nil {
			return err
		}
		group.Go(func() (err error) {
			run.Streamed, err = r.stream(inner, id)
			return err
		})
		run.Deployment, err = w.follow(inner, id)
		return err
	})
	err = group.Wait()
	var hangs *hangError
	if errors.As(err, &hangs) {
		r.add(check.Findings{Lost: []string{hangs.Error()}})
		return false, nil
	}
	if err != nil {
		return false, err
	}
	after, err := r.effects(ctx)
	if err != nil {
		return false, err
	}
	run.Ledger = after[len(before):]
	if run.RealLedger, err = r.realLedger(step.Environment); err != nil {
		return false, err
	}
	r.measure(run.Deployment.ID, s, w)
	if err := r.lostLeases(w); err != nil {
		return false, err
	}
	found, err := r.look(ctx, run)
	if err != nil {
		return false, err
	}
	r.add(found)
	r.ended(run, found)
	return found.None() && run.AsWanted(), nil
}

// disturb brings the step's points about.
func (r *runner) disturb(ctx context.Context, s story.Story, n int, w *watch) error {
	step := s.Steps[n]
	for _, p := range plan(r.Seed, s, n) {
		at := int(math.Floor(p.at * float64(step.Events())))
		if err := w.reach(ctx, at); err != nil {
			return err
		}
		if err := remote.Wait(ctx, p.after); err != nil {
			return err
		}
		where := fmt.Sprintf("%.0f%% in the %s of %s", 100*p.at, step.Name, s.Application)
		done, err := r.points.strike(ctx, p, w, where)
		if err != nil {
			return fmt.Errorf("%s at %s: %w", p.kind, where, err)
		}
		if done != nil {
			r.say("%5d  %-18s %s; %s", done.N, done.Kind, done.What, where)
		}
	}
	return nil
}

// look checks a deployment that has ended. A lock counts when it stays.
func (r *runner) look(ctx context.Context, run check.Run) (check.Findings, error) {
	deadline := time.Now().Add(unlockPatience)
	for {
		found, err := check.Deployment(ctx, r.site, run)
		if err != nil || len(found.Locks) == 0 || time.Now().After(deadline) {
			if err != nil {
				return found, err
			}
			leaks, err := r.leaked(ctx, run.Deployment)
			found.Add(leaks)
			return found, err
		}
		if err := remote.Wait(ctx, poll); err != nil {
			return found, err
		}
	}
}

// leaked looks for the secret in what Temporal and the API tell of a deployment.
func (r *runner) leaked(ctx context.Context, d orchestrator.Deployment) (check.Findings, error) {
	var found check.Findings
	err := persist(ctx, func() error {
		answers, err := r.answers(ctx, d)
		found = answers
		return err
	})
	if err != nil {
		return found, err
	}
	for range historyTries {
		var histories check.Findings
		var illegible *check.IllegibleError
		histories, err = check.Histories(ctx, r.site, r.canary, d.ID, orchestrator.ApplicationWorkflowID(d.Team, d.Application))
		if err == nil {
			found.Add(histories)
			return found, nil
		}
		if errors.As(err, &illegible) {
			return found, err
		}
		if err := errors.Join(r.site.AwaitTemporal(ctx), remote.Wait(ctx, poll)); err != nil {
			return found, err
		}
	}
	return found, fmt.Errorf("read the histories of %s: %w", d.ID, err)
}

// historyTries bounds how often a history is asked for, while Temporal is being
// disturbed for somebody else or has not listed a workflow yet.
const historyTries = 100

// ended keeps a deployment's outcome and tells of it.
func (r *runner) ended(run check.Run, found check.Findings) {
	d := run.Deployment
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, outcome{step: run.Step.Name, asWanted: run.AsWanted(), listed: run.Listed()})
	verdict := "as it should be"
	switch {
	case !found.None():
		verdict = fmt.Sprintf("%d findings", len(found.All()))
	case run.Listed():
		verdict = "uncertain and listed: " + d.Residue[0].Node
	}
	r.say("       %s (%s, %d nodes) %s after %s: %s", d.ID, run.Step.Name, max(len(run.Step.Graph), len(run.Step.Before)),
		d.Status, d.FinishedAt.Sub(d.QueuedAt).Round(time.Millisecond), verdict)
}
