// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// known reads the state and settles what the last apply left behind.
func (n *node) known(ctx context.Context) (state, []string, error) {
	s, err := n.readState(ctx)
	if err != nil {
		return s, nil, err
	}
	if err := n.inherit(ctx, s); err != nil {
		return s, nil, err
	}
	uncertain, err := n.settle(s)
	if err != nil {
		return s, nil, failed("read the journal of the last apply", err)
	}
	held := s.current()
	n.succeeded = slices.DeleteFunc(slices.Clone(uncertain), func(address string) bool { return held[address] == "" })
	return s, uncertain, nil
}

// settled is known, and looks up what is in doubt.
func (n *node) settled(ctx context.Context) (state, []string, error) {
	s, uncertain, err := n.known(ctx)
	if err != nil || len(uncertain) == 0 {
		return s, uncertain, err
	}
	return n.recover(ctx, s, uncertain)
}

func (n *node) observe(ctx context.Context) (engine.Observation, error) {
	s, uncertain, err := n.known(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	outputs, err := n.outputs(s, false)
	if err != nil {
		return engine.Observation{}, err
	}
	return engine.Observation{
		Exists:  s.exists() || len(uncertain) > 0,
		Outputs: outputs, State: engine.State{Lineage: s.Lineage, Serial: s.Serial}, Uncertain: uncertain, Instances: s.current(),
	}, nil
}

// Saved plans live in the workspace for a while: two attempts may each have
// made one, and each applies its own.
const (
	planPrefix = "plan-"
	planSuffix = ".tfplan"
	keepPlans  = 4
	// Files with values in them, which are there for one run of the program.
	inputsPattern = "inputs-*.tfvars.json"
	pushPattern   = "push-*.tfstate"
)

// unchanged is the token of a preview that needs no run of the program.
const unchanged = "unchanged"

func (n *node) preview(ctx context.Context) (engine.Preview, error) {
	if _, err := identities(n.req, n.impl); err != nil {
		return engine.Preview{}, err
	}
	s, uncertain, err := n.settled(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	p, err := n.previewOf(ctx, s, uncertain)
	p.State = engine.State{Lineage: s.Lineage, Serial: s.Serial}
	return p, err
}

func (n *node) previewOf(ctx context.Context, s state, uncertain []string) (engine.Preview, error) {
	if len(uncertain) > 0 && !n.req.Destroy {
		return engine.Preview{}, n.uncertainError(uncertain)
	}
	if n.req.Destroy && len(s.addresses()) == 0 {
		return engine.Preview{Token: unchanged}, nil
	}
	if !n.req.Destroy {
		if err := n.checkAnnounced(ctx); err != nil {
			return engine.Preview{}, err
		}
	}
	plan, changed, err := n.plan(ctx, n.req.Destroy)
	if err != nil {
		return engine.Preview{}, err
	}
	if !changed {
		return engine.Preview{Token: unchanged}, n.dropPlan(plan)
	}
	shown, err := n.runShow(ctx, plan)
	if err != nil {
		return engine.Preview{}, errors.Join(err, n.dropPlan(plan))
	}
	err = n.checkOutputs(shown)
	if err == nil && !n.req.Destroy {
		err = n.checkTakenOver(shown)
	}
	if err != nil {
		return engine.Preview{}, errors.Join(err, n.dropPlan(plan))
	}
	p := engine.Preview{
		Changes: n.changes(shown), OutputsKept: n.kept(shown), Token: filepath.Base(plan), Instances: instances(s, shown),
	}
	if len(n.req.Unknown) > 0 {
		p.Token = "" // it holds the plan-only resource and is never applied
		return p, n.dropPlan(plan)
	}
	return p, nil
}

// plan makes a saved plan and says whether there is anything to do.
func (n *node) plan(ctx context.Context, destroy bool) (path string, changed bool, err error) {
	if err := n.ready(ctx); err != nil {
		return "", false, err
	}
	if err := n.prunePlans(); err != nil {
		return "", false, failed("remove old plans", err)
	}
	// The plan is a file of this user alone before the program fills it.
	path, err = private(n.req.Workspace, planPrefix+"*"+planSuffix, nil)
	if err != nil {
		return "", false, failed("create plan file", err)
	}
	err = n.withInputs(func(variables string) error {
		changed, err = n.runPlan(ctx, variables, path, destroy, true)
		if destroy && engine.ClassOf(err) == engine.Rejected {
			// What somebody else took away can be in the way of a refresh, and is
			// no reason to keep the rest.
			n.say("planning the destruction with what the state says, since it could not be refreshed: %v", err)
			changed, err = n.runPlan(ctx, variables, path, destroy, false)
		}
		return err
	})
	if err != nil {
		return "", false, errors.Join(err, n.dropPlan(path))
	}
	return path, changed, nil
}

// withInputs calls use with a file of the inputs, which is there for that long.
func (n *node) withInputs(use func(variables string) error) error {
	text, err := variablesFile(n.args)
	if err != nil {
		return err
	}
	variables, err := private(n.req.Workspace, inputsPattern, text)
	if err != nil {
		return failed("write inputs", err)
	}
	err = use(variables)
	if removeErr := os.Remove(variables); removeErr != nil && err == nil {
		err = failed("remove inputs", removeErr)
	}
	return err
}

func (n *node) apply(ctx context.Context, p engine.Preview) (engine.Result, error) {
	if len(n.req.Unknown) > 0 || p.Token == "" {
		return engine.Result{}, invalid("a preview with unknown inputs cannot be applied; preview again once they are known")
	}
	s, uncertain, err := n.known(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	if len(uncertain) > 0 {
		return engine.Result{}, n.uncertainError(uncertain)
	}
	if p.Token == unchanged {
		// What was taken over has become what is asked for.
		if err := n.forget(importedFile); err != nil {
			return engine.Result{}, failed("clear workspace", err)
		}
	} else {
		plan, err := n.savedPlan(p.Token)
		if err != nil {
			return engine.Result{}, err
		}
		if s, err = n.carryOut(ctx, plan, s); err != nil {
			return engine.Result{}, err
		}
	}
	outputs, err := n.outputs(s, true)
	if err != nil {
		return engine.Result{}, err
	}
	return engine.Result{Outputs: outputs, Serial: s.Serial, Lineage: s.Lineage}, nil
}

// carryOut applies a saved plan and returns the state after it. A program that
// did not end by itself leaves either nothing in doubt (another try continues)
// or resources that are.
func (n *node) carryOut(ctx context.Context, plan string, before state) (state, error) {
	if err := n.ready(ctx); err != nil {
		return state{}, err
	}
	ids, err := identities(n.req, n.impl)
	if err != nil {
		return state{}, err
	}
	j := journal{Existed: before.Lineage != "", Before: before.current(), Identities: ids}
	// What was there before is settled by now; what follows is this run's own.
	n.req.Settled, n.req.Announced = false, nil
	err = n.unlocked(ctx, func() error { return n.runApply(ctx, plan, j) })
	if dropErr := n.dropPlan(plan); err == nil && dropErr != nil {
		err = failed("remove plan", dropErr)
	}
	if err != nil && ctx.Err() != nil {
		return state{}, err // the next attempt settles what is left
	}
	awaitErr := n.turn.Await(ctx, n.waiting)
	n.req.WaitsFor(nil)
	if awaitErr != nil {
		return state{}, canceled(ctx)
	}
	if saveErr := n.saveErrored(ctx); saveErr != nil {
		return state{}, errors.Join(saveErr, engine.ErrUnsettled, err)
	}
	after, uncertain, readErr := n.settled(ctx)
	if err == nil && readErr == nil {
		readErr = n.forget(importedFile)
	}
	switch {
	case readErr != nil:
		return state{}, errors.Join(readErr, engine.ErrUnsettled, err)
	case len(uncertain) > 0:
		return state{}, n.uncertainError(uncertain)
	case err != nil:
		return state{}, err
	}
	return after, nil
}

func (n *node) destroy(ctx context.Context) error {
	s, uncertain, err := n.settled(ctx)
	if err != nil {
		return err
	}
	if len(s.addresses()) > 0 {
		plan, _, err := n.plan(ctx, true)
		if err != nil {
			return err
		}
		if s, err = n.carryOut(ctx, plan, s); err != nil {
			return err
		}
	}
	// The proof: the state, read back, holds nothing.
	if left := s.addresses(); len(left) > 0 {
		return &engine.Error{
			Class: engine.Rejected, Engine: Name, Resource: left[0],
			Message: "still in the state after the destruction: " + strings.Join(left, ", "),
		}
	}
	if len(uncertain) > 0 {
		return n.uncertainError(uncertain)
	}
	return nil
}

// savedPlan is the path of a token's plan. A token is a file's name in this
// workspace, nothing else.
func (n *node) savedPlan(token string) (string, error) {
	if filepath.Base(token) != token || !strings.HasPrefix(token, planPrefix) || !strings.HasSuffix(token, planSuffix) {
		return "", invalid("preview token %q is none of this engine", token)
	}
	path := n.path(token)
	if _, err := os.Stat(path); err != nil {
		return "", &engine.Error{
			Class: engine.Transient, Engine: Name, Message: "the previewed plan is gone; preview again", Err: err,
		}
	}
	return path, nil
}

func (n *node) dropPlan(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// prunePlans removes all but the newest saved plans, and the files with values
// in them that a killed worker left.
func (n *node) prunePlans() error {
	var left []string
	for _, pattern := range []string{inputsPattern, pushPattern, scratchDir} {
		found, err := filepath.Glob(n.path(pattern))
		if err != nil {
			return err
		}
		left = append(left, found...)
	}
	plans, err := filepath.Glob(n.path(planPrefix + "*" + planSuffix))
	if err != nil {
		return err
	}
	age := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	slices.SortFunc(plans, func(a, b string) int { return int(min(max(age(b)-age(a), -1), 1)) })
	return n.forget(bases(slices.Concat(left, plans[min(len(plans), keepPlans-1):]))...)
}

func bases(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = filepath.Base(p)
	}
	return out
}

// private creates a file that only this user can read.
func private(dir, pattern string, text []byte) (string, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	return f.Name(), errors.Join(err, f.Close())
}
