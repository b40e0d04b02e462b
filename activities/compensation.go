// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"errors"
	"slices"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// compensation is the way back from what a step is about to do. It is nil where
// the run has one already: what an earlier attempt or step recorded counts.
func (s *Steps) compensation(
	ctx context.Context, j *job, created bool, counts orchestrator.Counts, saved *orchestrator.Snapshot,
) (*orchestrator.Compensation, error) {
	run, head := j.attempt.Run, j.attempt.Head
	if run.Compensation != nil || j.in.Action != orchestrator.StepApply {
		return nil, nil //nolint:nilnil // there is one
	}
	class, err := s.class(ctx, j)
	if err != nil {
		return nil, err
	}
	way := &orchestrator.Compensation{Action: orchestrator.CompensateNone, Class: string(class)}
	whole := run.BeforeRef != "" && head != nil && head.InputsRef != ""
	if whole {
		before, err := s.Registry.RevealInputs(ctx, *head, run.BeforeRef)
		if err != nil {
			return nil, err
		}
		if way.SealedInputs, err = s.Registry.SealInputs(ctx, run, before); err != nil {
			return nil, err
		}
	}
	switch {
	case !j.canGoBack() || class == catalog.ForwardOnly:
	case created || run.Created:
		if j.node.DeletionPolicy != catalog.RetainPolicy {
			way.Action = orchestrator.CompensateDestroy
		}
	case !whole: // taken up as it was, or never whole
	case counts.Replace > 0 && saved == nil: // what it holds is gone then
	default:
		way.Action, way.Graph = orchestrator.CompensateRestore, run.BeforeRef
	}
	if saved != nil {
		way.Snapshot = saved.Address
	}
	return way, nil
}

// class that counts for a node: forward-only as soon as either of its graphs
// says so, otherwise the one of the step's.
func (s *Steps) class(ctx context.Context, j *job) (catalog.RollbackClass, error) {
	if j.node.RollbackClass == catalog.ForwardOnly || j.attempt.Run.BeforeRef == "" {
		return j.node.RollbackClass, nil
	}
	before, err := s.node(ctx, j.attempt.Run.BeforeRef, j.in.Node)
	if errors.Is(err, store.ErrNotFound) {
		return j.node.RollbackClass, nil
	}
	if before.RollbackClass == catalog.ForwardOnly {
		return catalog.ForwardOnly, err
	}
	return j.node.RollbackClass, err
}

// untouched says that it is proven that nothing came of what the deployment
// wanted of a node: no engine was asked, or the state is the one that was
// recorded before and shows no difference to what was applied then.
func (s *Steps) untouched(ctx context.Context, j *job, seen engine.Observation) (bool, error) {
	run, head := j.attempt.Run, j.attempt.Head
	way := run.Compensation
	switch {
	case !seen.Exists:
		return false, nil
	case way == nil:
		return true, nil
	case run.Created:
		return false, nil
	case head == nil || head.Intended == "" || head.InputsRef == "" || run.BeforeRef == "":
		return false, nil
	case seen.Lineage == "" || seen.Lineage != head.Lineage || seen.Serial != head.Serial:
		return false, nil
	}
	before, err := s.node(ctx, run.BeforeRef, j.in.Node)
	if err != nil {
		return false, err
	}
	req, err := s.asApplied(ctx, j, before, run.BeforeRef)
	if err != nil {
		return false, err
	}
	preview, err := s.Engine.Preview(ctx, req)
	return err == nil && preview.Empty(), err
}

// asBefore says that a node which is to be taken back is what it was: no engine
// was asked to change it, and it gets what it got before. It is then left alone:
// what somebody else has made of it is not the deployment's to undo, and nobody
// has approved that.
func (s *Steps) asBefore(ctx context.Context, j *job, inputs []registry.OutputValue) (bool, error) {
	head := j.attempt.Head
	switch {
	case j.in.Action != orchestrator.StepRestore, j.attempt.Run.Compensation != nil:
		return false, nil
	case head == nil, head.InputsRef == "", head.Intended != "", head.GraphDigest != j.in.GraphDigest:
		return false, nil
	}
	names, err := s.otherThanHad(ctx, j, inputs)
	return err == nil && len(names) == 0, err
}

// otherThanHad names the inputs of a step's node that are not what its head has on
// record, as far as they count.
func (s *Steps) otherThanHad(ctx context.Context, j *job, inputs []registry.OutputValue) ([]string, error) {
	had, err := s.Registry.RevealInputs(ctx, *j.attempt.Head, j.in.GraphDigest)
	if err != nil {
		return nil, err
	}
	names, err := registry.ChangedValues(had, inputs)
	return slices.DeleteFunc(names, j.keptElsewhere), err
}

// keptElsewhere says that an input of the step's node is a secret that it takes
// from no other node: when such a secret is exchanged where it is kept, that is
// none of the deployment's doing.
func (j *job) keptElsewhere(name string) bool {
	in := slices.IndexFunc(j.node.Inputs, func(in composer.NodeInput) bool { return in.Name == name })
	return in >= 0 && j.node.Inputs[in].Sensitive && len(j.node.Inputs[in].Value.References()) == 0
}

// leftAlone ends the restoration of a node that is as before.
func leftAlone(j *job) (registry.Commit, contract.StepResult) {
	head := *j.attempt.Head
	head.Status, head.Error = orchestrator.NodeReady, nil
	return registry.Commit{Status: orchestrator.NodeReverted, Head: &head},
		contract.StepResult{Status: orchestrator.NodeReverted}
}

// proveBack reads a node back after a restoration that changed something: only
// when the engine finds nothing more to change is the node as its graph says.
func (s *Steps) proveBack(ctx context.Context, req engine.Request) error {
	preview, err := s.Engine.Preview(ctx, req)
	if err != nil || preview.Empty() {
		return err
	}
	return &engine.Error{
		Class: engine.Rejected, Engine: s.Engine.Name(), Resource: preview.Changes[0].Address,
		Message: "still differs from what it was: " + changeList(preview.Changes),
	}
}

// differs says that a restored node gets from others what it did not get before
// the deployment, or was changed although the deployment had not changed it. What
// comes from a node that was made anew from its snapshot has to be another (an ID,
// say), and is no difference; renewed says that there is such, so that the node's
// own dependents are asked no more of than it is.
func (s *Steps) differs(
	ctx context.Context, j *job, inputs []registry.OutputValue, changed bool,
) (differs, renewed bool, err error) {
	way, head := j.attempt.Run.Compensation, j.attempt.Head
	var names []string
	switch {
	case j.in.Action != orchestrator.StepRestore, way == nil && !changed, way != nil && way.SealedInputs == "":
		return false, false, nil
	case way != nil:
		names, err = s.Registry.ChangedInputs(ctx, j.attempt.Run, way.SealedInputs, inputs)
	case head != nil && head.InputsRef != "":
		names, err = s.otherThanHad(ctx, j, inputs)
	}
	if err != nil || len(names) == 0 {
		return way == nil, false, err
	}
	for _, name := range names {
		if anew, err := s.fromRenewed(ctx, j, name); err != nil || !anew {
			return true, false, err
		}
	}
	return false, true, nil
}

// fromRenewed says that whatever an input of the step's node refers to was made
// anew from its snapshot in this deployment's rollback, or gets something from what
// was.
func (s *Steps) fromRenewed(ctx context.Context, j *job, name string) (bool, error) {
	in := slices.IndexFunc(j.node.Inputs, func(in composer.NodeInput) bool { return in.Name == name })
	if in < 0 {
		return false, nil
	}
	references := j.node.Inputs[in].Value.References()
	for _, ref := range references {
		if ref.External() {
			return false, nil
		}
		run, err := s.Registry.Run(ctx, j.in.Deployment, ref.Node)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil || run.Action != orchestrator.StepRestore || !run.Refilled && !run.Renewed {
			return false, err
		}
	}
	return len(references) > 0, nil
}

// destroyProven destroys, and believes it when nothing is found any more.
func (s *Steps) destroyProven(ctx context.Context, req engine.Request) error {
	req.Destroy = true
	if err := s.Engine.Destroy(ctx, req); err != nil {
		return err
	}
	req.Destroy = false
	seen, err := s.Engine.Observe(ctx, req)
	if err != nil || !seen.Exists {
		return err
	}
	return &engine.Error{
		Class: engine.Rejected, Engine: s.Engine.Name(),
		Message: "it was destroyed, and reading it back still finds something of it",
	}
}

// compensates says that a step belongs to a rollback.
func compensates(a orchestrator.StepAction) bool {
	switch a {
	case orchestrator.StepObserve, orchestrator.StepRestore, orchestrator.StepDestroy, orchestrator.StepForget:
		return true
	case orchestrator.StepApply, orchestrator.StepRemove, orchestrator.StepAdopt, orchestrator.StepPrune:
	}
	return false
}

// patient makes a step of a rollback try again where another step would not:
// what it leaves behind has to be cleared up by hand, so a refusal or a lock
// that may be over in a moment gets the moment. What took all of its time gets no more.
func patient(a orchestrator.StepAction, err error, ne *orchestrator.NodeError) {
	class := engine.Class(ne.Class)
	if compensates(a) && !errors.Is(err, errOverTime) && (class == engine.Rejected || class == engine.Locked) {
		ne.Retryable = true
	}
}
