// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/expand"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// saveFirst takes the snapshot that a node of that class gets before it is
// changed, or finds the one that an earlier attempt has taken. It is nil where
// there is nothing to save, or nothing that could be taken back.
func (s *Steps) saveFirst(ctx context.Context, j *job, changes []orchestrator.Change) (*orchestrator.Snapshot, error) {
	head, run := j.attempt.Head, j.attempt.Run
	if j.node.RollbackClass != catalog.SnapshotFirst || !j.saves() || !loses(changes) ||
		head == nil || head.InputsRef == "" || run.BeforeRef == "" {
		return nil, nil //nolint:nilnil // there is nothing to save
	}
	before, err := s.node(ctx, run.BeforeRef, j.in.Node)
	if err != nil {
		return nil, err
	}
	if before.Implementation.Snapshot == nil {
		j.log.sayf("%s@%s, which it is made by, says nowhere how a snapshot is taken: none is", before.Definition, before.Version)
		return nil, nil //nolint:nilnil // nothing says how
	}
	snapshot, known := snapshotOf(head.Snapshots, j.in.Deployment)
	switch {
	case known && snapshot.Taken:
		return &snapshot, nil
	case run.Compensation != nil:
		// The change has begun without one: what is there now is no more what was.
		return nil, nil //nolint:nilnil // too late
	case !known:
		if err := s.makeRoom(ctx, j); err != nil {
			return nil, unsaved(err)
		}
		if snapshot, err = s.beginSnapshot(ctx, j, before); err != nil {
			return nil, err
		}
	}
	if err := s.takeSnapshot(ctx, j, before, &snapshot); err != nil {
		return nil, unsaved(err)
	}
	return &snapshot, nil
}

// canGoBack says that a change by this step may be followed by a rollback.
func (j *job) canGoBack() bool {
	return j.in.Action == orchestrator.StepApply && j.deployment.OnFailure == orchestrator.OnFailureRollback
}

// saves says that what a node holds is saved before this step changes it: where a
// rollback may follow, and always in a deployment to an earlier release, whose
// own way back that is.
func (j *job) saves() bool {
	return j.canGoBack() || j.in.Action == orchestrator.StepApply && j.deployment.Kind == orchestrator.KindRollback
}

// loses says that changes touch what is there already.
func loses(changes []orchestrator.Change) bool {
	return slices.ContainsFunc(changes, func(c orchestrator.Change) bool { return c.Action != orchestrator.ActionCreate })
}

// anew says that changes make a resource, which then holds nothing yet.
func anew(changes []orchestrator.Change) bool {
	return slices.ContainsFunc(changes, func(c orchestrator.Change) bool {
		return c.Action == orchestrator.ActionCreate || c.Action == orchestrator.ActionReplace
	})
}

func snapshotOf(all []orchestrator.Snapshot, deployment string) (orchestrator.Snapshot, bool) {
	i := slices.IndexFunc(all, func(s orchestrator.Snapshot) bool { return s.Deployment == deployment })
	if i < 0 {
		return orchestrator.Snapshot{}, false
	}
	return all[i], true
}

// beginSnapshot records what the engine is about to be asked for.
func (s *Steps) beginSnapshot(ctx context.Context, j *job, before composer.Node) (orchestrator.Snapshot, error) {
	snapshot := orchestrator.Snapshot{
		Deployment: j.in.Deployment, Address: orchestrator.SnapshotName(j.attempt.Head.Address, j.deployment.N),
		Backend: j.environment.Spec.StateOf(before.Engine), GraphDigest: j.attempt.Run.BeforeRef, Time: time.Now().UTC(),
	}
	graph, err := s.Graphs.Get(ctx, snapshot.GraphDigest)
	if err != nil {
		return snapshot, err
	}
	snapshot.Release = graph.ReleaseOf(before)
	inputs, err := s.snapshotInputs(ctx, j, *before.Implementation.Snapshot)
	if err != nil {
		return snapshot, unsaved(&inputError{err})
	}
	return snapshot, s.Registry.RecordSnapshot(ctx, &j.attempt, snapshot, inputs, nil)
}

// snapshotInputs fills the companion's templates with what the node was given
// and gives, and with the mark of the deployment.
func (s *Steps) snapshotInputs(ctx context.Context, j *job, step catalog.SnapshotStep) ([]registry.OutputValue, error) {
	given, err := s.Registry.RevealInputs(ctx, *j.attempt.Head, j.attempt.Run.BeforeRef)
	if err != nil {
		return nil, err
	}
	gives, err := s.Registry.RevealOutputs(ctx, *j.attempt.Head)
	if err != nil {
		return nil, err
	}
	j.mask.values(given)
	j.mask.values(gives)
	known := map[string]registry.OutputValue{
		catalog.SnapshotDeployment: {Name: catalog.SnapshotDeployment, Type: string(catalog.TypeString), Value: j.deployment.Mark()},
	}
	for _, v := range given {
		known["inputs."+v.Name] = v
	}
	for _, v := range gives {
		known["outputs."+v.Name] = v
	}
	lookup := func(reference string) (any, error) {
		v, there := known[reference]
		if !there || v.Value == nil {
			return nil, fmt.Errorf("%s %w", reference, expand.ErrAbsent)
		}
		return catalog.Coerce(catalog.Field{Name: v.Name, Type: catalog.Type(v.Type)}, v.Value)
	}
	templates := make(map[string]any, len(step.Inputs))
	for name, template := range step.Inputs {
		templates[name] = template
	}
	filled, err := expand.Value(templates, lookup)
	if err != nil {
		return nil, err
	}
	values, _ := filled.(map[string]any)
	inputs := make([]registry.OutputValue, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		references, err := expand.References(step.Inputs[name])
		if err != nil {
			return nil, err
		}
		in := registry.OutputValue{Name: name, Type: string(catalog.TypeString), Value: values[name]}
		for _, r := range references {
			in.Sensitive = in.Sensitive || known[r].Sensitive
			if len(references) == 1 && !isText(values[name]) {
				in.Type = known[r].Type
			}
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

func isText(v any) bool { _, is := v.(string); return is }

// takeSnapshot asks the engine for it; asked again, the engine finds it made.
func (s *Steps) takeSnapshot(ctx context.Context, j *job, before composer.Node, snapshot *orchestrator.Snapshot) error {
	req, err := s.snapshotRequest(ctx, j, before, *snapshot)
	if err != nil {
		return err
	}
	j.log.sayf("taking a snapshot of %s first: %s", j.in.Node, snapshot.Address)
	preview, err := s.Engine.Preview(ctx, req)
	if err != nil {
		return err
	}
	result, err := s.Engine.Apply(ctx, req, preview)
	if err != nil {
		return err
	}
	outputs, err := declaredValues("the snapshot of "+before.Definition+"@"+before.Version, before.Implementation.Snapshot.Outputs, result.Outputs)
	if err != nil {
		return &inputError{err}
	}
	j.mask.values(outputs)
	snapshot.Taken = true
	return s.Registry.RecordSnapshot(ctx, &j.attempt, *snapshot, nil, outputs)
}

// snapshotRequest is the engine's view of a snapshot, with the inputs that were
// recorded for it. The step's mask knows these, and what it gives.
func (s *Steps) snapshotRequest(
	ctx context.Context, j *job, before composer.Node, snapshot orchestrator.Snapshot,
) (engine.Request, error) {
	step := before.Implementation.Snapshot
	if step == nil {
		return engine.Request{}, &inputError{fmt.Errorf("%s@%s says nowhere how a snapshot is made", before.Definition, before.Version)}
	}
	inputs, outputs, err := s.Registry.RevealSnapshot(ctx, *j.attempt.Head, snapshot)
	if err != nil {
		return engine.Request{}, err
	}
	j.mask.values(inputs)
	j.mask.values(outputs)
	before.Outputs = step.Outputs
	req, err := s.request(ctx, before, j.deployment.Scope, j.environment, j.log)
	j.mask.request(req)
	if err != nil {
		return req, err
	}
	req.Address, req.Node, req.StateRef = snapshot.Address, orchestrator.SnapshotName(j.in.Node, number(snapshot.Deployment)), ""
	req.Backend, req.Implementation = s.backend(snapshot.Backend), step.Implementation()
	req.Workspace = s.workspace(j.deployment.Scope, req.Node, "snapshots")
	j.known(&req)
	// What a person has stated of the node, and what of it was cut off, says nothing of
	// its snapshots.
	req.Settled, req.CutOff = false, 0
	for _, in := range inputs {
		give(&req, in)
	}
	return req, nil
}

// number of a deployment in its scope.
func number(deployment string) int64 {
	_, n, err := registry.ParseDeploymentID(deployment)
	if err != nil {
		return 0
	}
	return n
}

// unsaved says that it was the snapshot that failed. Nothing else has happened.
func unsaved(err error) error {
	const what = "its snapshot could not be taken, so nothing of it was changed: "
	var failed *engine.Error
	var wrong *inputError
	switch {
	case errors.As(err, &failed):
		told := *failed
		told.Message, told.Err = what+told.Message, err
		return &told
	case errors.As(err, &wrong):
		return &inputError{fmt.Errorf("%s%w", what, wrong.err)}
	default:
		return fmt.Errorf("%s%w", what, err)
	}
}
