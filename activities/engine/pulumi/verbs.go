// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optremove"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/atomicfile"
	"github.com/HatiCode/nestor/orchestrator"
)

func (n *node) observe(ctx context.Context) (engine.Observation, error) {
	d, err := n.readState(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	return n.observed(ctx, d)
}

func (n *node) observed(ctx context.Context, d deployment) (engine.Observation, error) {
	outputs, err := n.outputs(ctx, d, false)
	if err != nil {
		return engine.Observation{}, err
	}
	return engine.Observation{
		Exists: d.occupied(), Outputs: outputs, State: d.state(),
		Uncertain: d.uncertain(), StateRef: n.stack.ref(), Instances: n.instances(d),
	}, nil
}

func (n *node) preview(ctx context.Context) (engine.Preview, error) {
	d, uncertain, err := n.known(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	p, err := n.previewOf(ctx, d, uncertain)
	p.State, p.Instances = d.state(), n.instances(d)
	return p, err
}

// instances tell of each resource its ID and when Pulumi made it. Two with one
// address, below different parents, cannot be told apart.
func (n *node) instances(d deployment) map[string]string {
	out, seen := map[string]string{}, map[string]bool{}
	for _, r := range d.Resources {
		address := n.redact.Text(addressOf(r.URN))
		if !r.Custom || own(r.Type) || r.Delete {
			continue
		}
		if r.Created != "" && !seen[address] {
			out[address] = r.Created + " " + r.ID
		} else {
			delete(out, address)
		}
		seen[address] = true
	}
	return out
}

func (n *node) previewOf(ctx context.Context, d deployment, uncertain []string) (engine.Preview, error) {
	if n.req.Destroy {
		return engine.Preview{Changes: n.deletions(d), Token: unchanged}, nil
	}
	if len(uncertain) > 0 {
		return engine.Preview{}, n.uncertainError(uncertain)
	}
	s, err := n.salt(ctx, d)
	if err != nil {
		return engine.Preview{}, err
	}
	backendURL, err := n.stage(ctx, d, s)
	if err != nil {
		return engine.Preview{}, err
	}
	path, err := n.newPlan()
	if err != nil {
		return engine.Preview{}, failed("create plan file", err)
	}
	p, err := n.planned(ctx, d, s, backendURL, path)
	if err != nil || p.Token == unchanged || len(n.req.Unknown) > 0 {
		if dropErr := dropPlan(path); err == nil && dropErr != nil {
			err = failed("remove plan", dropErr)
		}
	}
	return p, err
}

// stage makes everything ready for a preview and says in which backend it is to
// run. A node that has no stack yet is previewed in a backend of its own, so
// that a plan leaves nothing behind.
func (n *node) stage(ctx context.Context, d deployment, s salt) (backendURL string, err error) {
	if err := n.checkNames(); err != nil {
		return "", err
	}
	settings := n.settings
	if len(n.req.Unknown) > 0 {
		if err := n.readyUnknown(ctx); err != nil {
			return "", err
		}
		if n.project.wraps() {
			settings = slices.DeleteFunc(slices.Clone(settings), func(s setting) bool { return s.unknown != "" })
		} else {
			settings = n.project.standins(settings)
		}
	} else if err := n.ready(ctx); err != nil {
		return "", err
	}
	if err := n.checkHost(); err != nil {
		return "", err
	}
	if err := n.configure(ctx, s, settings); err != nil {
		return "", err
	}
	if d.exists {
		return n.backend.url, nil
	}
	return n.scratch()
}

// planned runs the preview and reads what it says.
func (n *node) planned(ctx context.Context, d deployment, s salt, backendURL, path string) (engine.Preview, error) {
	rec, err := n.runPreview(ctx, backendURL, path)
	if err != nil {
		return engine.Preview{}, err
	}
	saved, err := readPlan(path)
	if err != nil {
		return engine.Preview{}, failed("read the plan", err)
	}
	planned, err := n.planOutputs(ctx, saved, s)
	if err != nil {
		return engine.Preview{}, failed("read the plan", err)
	}
	if err := n.checkOutputs(saved, planned); err != nil {
		return engine.Preview{}, err
	}
	kept := n.kept(ctx, d, planned)
	if len(n.req.Unknown) > 0 {
		t := newTracer(n.project, n.settings)
		t.depends = saved.dependencies()
		return engine.Preview{Changes: n.changes(rec, t), OutputsKept: kept}, nil // never applied
	}
	p := engine.Preview{Changes: n.changes(rec, &tracer{}), OutputsKept: kept, Token: filepath.Base(path)}
	if d.exists && len(p.Changes) == 0 && rec.quiet() && len(kept) == len(n.req.Outputs) {
		p.Token = unchanged
		return p, nil
	}
	if err := atomicfile.Write(path+statedSuffix, []byte(stated(d))); err != nil {
		return engine.Preview{}, failed("keep the plan", err)
	}
	return p, nil
}

// stated names the checkpoint that a plan was made for.
func stated(d deployment) string { return strconv.FormatInt(d.serial(), 10) + " " + d.lineage() }

// deletions of everything in a stack.
func (n *node) deletions(d deployment) []orchestrator.Change {
	var out []orchestrator.Change
	for _, r := range d.Resources {
		if !r.Custom || own(r.Type) {
			continue
		}
		df := &differ{node: n, urn: r.URN, tracer: &tracer{}}
		for _, name := range slices.Sorted(maps.Keys(r.Inputs)) {
			df.walk(name, r.Inputs[name], nil)
		}
		out = append(out, orchestrator.Change{
			Address: n.redact.Text(addressOf(r.URN)), Action: orchestrator.ActionDelete, Attributes: df.out,
		})
	}
	slices.SortStableFunc(out, func(a, b orchestrator.Change) int { return strings.Compare(a.Address, b.Address) })
	return out
}

func (n *node) apply(ctx context.Context, p engine.Preview) (engine.Result, error) {
	if len(n.req.Unknown) > 0 || p.Token == "" {
		return engine.Result{}, invalid("a preview with unknown inputs cannot be applied; preview again once they are known")
	}
	d, uncertain, err := n.known(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	if len(uncertain) > 0 {
		return engine.Result{}, n.uncertainError(uncertain)
	}
	if p.Token != unchanged {
		path, err := n.savedPlan(p.Token)
		if err != nil {
			return engine.Result{}, err
		}
		if d, err = n.carryOut(ctx, path, d); err != nil {
			return engine.Result{}, err
		}
	}
	outputs, err := n.outputs(ctx, d, true)
	if err != nil {
		return engine.Result{}, err
	}
	return engine.Result{Outputs: outputs, Serial: d.serial(), Lineage: d.lineage()}, nil
}

// overtaken is the error of a preview that is not what would be done now.
func overtaken(how string) error {
	return &engine.Error{Class: engine.Transient, Engine: Name, Message: how + "; preview again"}
}

// carryOut applies a saved plan and returns the state after it.
func (n *node) carryOut(ctx context.Context, path string, before deployment) (deployment, error) {
	made, err := os.ReadFile(path + statedSuffix) //nolint:gosec // inside the workspace
	if err != nil {
		return before, overtaken("the previewed plan is gone")
	}
	if string(made) != stated(before) {
		return before, errors.Join(overtaken("the state has moved since the preview"), dropPlan(path))
	}
	s, err := n.salt(ctx, before)
	if err != nil {
		return before, err
	}
	if err := n.ready(ctx); err != nil {
		return before, err
	}
	if err := n.checkHost(); err != nil {
		return before, err
	}
	if err := n.configure(ctx, s, n.settings); err != nil {
		return before, err
	}
	if !before.exists {
		if err := n.create(ctx, n.backend.url); err != nil {
			return before, err
		}
	}
	err = n.runUp(ctx, path)
	if dropErr := dropPlan(path); err == nil && dropErr != nil {
		err = failed("remove plan", dropErr)
	}
	return n.settled(ctx, err)
}

// settled is the state after a run that ended with err. A program that did not
// end by itself leaves either nothing in doubt (another try continues) or
// resources that are.
func (n *node) settled(ctx context.Context, err error) (deployment, error) {
	if err != nil {
		if ctx.Err() != nil {
			return deployment{}, err // the next attempt settles what is left
		}
		awaitErr := n.turn.Await(ctx, n.waiting)
		n.req.WaitsFor(nil)
		if awaitErr != nil {
			return deployment{}, canceled(ctx)
		}
		if buryErr := n.bury(); buryErr != nil {
			return deployment{}, errors.Join(buryErr, err)
		}
	}
	d, readErr := n.readState(ctx)
	if readErr != nil {
		return d, errors.Join(readErr, err)
	}
	uncertain := d.uncertain()
	if len(uncertain) > 0 {
		if n.identified(d) {
			return d, overtaken("a creation was cut off, and is looked up by its identity")
		}
		return d, n.uncertainError(uncertain)
	}
	return d, err
}

func (n *node) destroy(ctx context.Context) error {
	d, uncertain, err := n.known(ctx)
	if err != nil || (!d.exists && len(uncertain) == 0) {
		return err
	}
	if len(d.held()) > 0 {
		s, err := n.salt(ctx, d)
		if err != nil {
			return err
		}
		if err := n.ready(ctx); err != nil {
			return err
		}
		if err := n.configure(ctx, s, n.settings); err != nil {
			return err
		}
		if d, err = n.settled(ctx, n.runDestroy(ctx, len(uncertain) == 0)); err != nil {
			return err
		}
		if !d.exists { // Pulumi removes an empty stack alone
			return n.tidy()
		}
	}
	// The proof: the state, read back, holds nothing.
	if left := d.held(); len(left) > 0 {
		return &engine.Error{
			Class: engine.Rejected, Engine: Name, Resource: left[0],
			Message: "still in the state after the destruction: " + strings.Join(left, ", "),
		}
	}
	if len(uncertain) > 0 {
		return n.uncertainError(uncertain)
	}
	return n.remove(ctx)
}

// remove the stack, which may still hold Pulumi's own bookkeeping, and whatever
// resources the caller wants to be left alone.
func (n *node) remove(ctx context.Context) error {
	if err := n.ready(ctx); err != nil {
		return err
	}
	if err := n.removeStack(ctx, optremove.Force()); err != nil {
		return err
	}
	d, err := n.readState(ctx)
	if err != nil {
		return err
	}
	if d.exists {
		return unreadable("stack %s is still there after its removal", n.stack.ref())
	}
	return n.tidy()
}

// tidy drops what the workspace holds of a stack that is gone.
func (n *node) tidy() error {
	if err := n.drop(journalFile, exitFile); err != nil {
		return failed("clear workspace", err)
	}
	return nil
}
