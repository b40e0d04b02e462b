// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// adopt takes over into a node what exists already: the engine makes it the
// node's state, and then must find nothing to change. Nothing is applied but
// that: an apply without a change, which brings the definition's outputs into
// the state. Running it again continues the same work.
func (s *Steps) adopt(ctx context.Context, j *job) (commit registry.Commit, res contract.StepResult, err error) {
	adopter, adoption, err := s.adopter(j)
	if err != nil {
		return commit, res, err
	}
	ctx, cancel := withTimeout(ctx, j.node.Timeouts.Apply)
	defer cancel()
	defer func() { err = overTime(ctx, s.Engine.Name(), err) }()
	req, inputs, err := s.prepare(ctx, j)
	if err != nil {
		return commit, res, err
	}
	source, err := s.source(ctx, j, adoption)
	if err != nil {
		return commit, res, err
	}
	if commit.Claims, err = s.claims(j, req, &source); err != nil {
		return commit, res, err
	}
	if err := s.intendAdoption(ctx, j, req, inputs, commit.Claims); err != nil {
		return commit, res, err
	}
	j.log.sayf("adopting %s into %s", describeSource(adoption, source), j.in.Node)
	seen, err := adopter.Adopt(ctx, req, source)
	if err != nil {
		return commit, res, err
	}
	req.StateRef = cmp.Or(seen.StateRef, req.StateRef)
	j.stateRef = req.StateRef
	preview, err := s.Engine.Preview(ctx, req)
	if err != nil {
		return commit, res, err
	}
	if commit.ChangeDigest, err = canonical.Digest(preview.Changes); err != nil {
		return commit, res, err
	}
	if !preview.Empty() && !adoption.AllowChanges {
		return commit, res, &inputError{wouldChange(j.in.Node, preview.Changes)}
	}
	result, whole, err := s.adopted(ctx, j, req, preview)
	if err != nil {
		return commit, res, err
	}
	version, err := s.Engine.Version(ctx)
	if err != nil {
		return commit, res, err
	}
	head := s.headNow(j, version)
	head.StateRef, head.Serial, head.Lineage = req.StateRef, result.Serial, result.Lineage
	commit.Head, commit.Status, commit.Inputs = &head, orchestrator.NodeReady, inputs
	if commit.Outputs, err = outputValues(j.node, result.Outputs); err != nil {
		if whole {
			return commit, res, &inputError{err}
		}
		// The apply that makes the changes gives the outputs, too.
		j.log.sayf("there are no outputs before the next apply: %v", err)
		commit.Outputs = nil
	}
	return commit, contract.StepResult{Status: orchestrator.NodeReady, Created: j.attempt.Run.Created}, nil
}

// adopter is the engine as one that can adopt, and what is to be adopted.
func (s *Steps) adopter(j *job) (engine.Adopter, orchestrator.Adoption, error) {
	if j.deployment.Adoption == nil {
		return nil, orchestrator.Adoption{}, &inputError{fmt.Errorf("deployment %s adopts nothing", j.deployment.ID)}
	}
	adopter, can := s.Engine.(engine.Adopter)
	if !can {
		return nil, orchestrator.Adoption{}, &inputError{fmt.Errorf(
			"%s is made by %s, which cannot take over what exists already; deploy it with `nestor apply`", j.in.Node, s.Engine.Name())}
	}
	return adopter, *j.deployment.Adoption, nil
}

func (s *Steps) source(ctx context.Context, j *job, a orchestrator.Adoption) (engine.Source, error) {
	if !a.State {
		return engine.Source{Ref: a.Reference}, nil
	}
	handed, err := s.Registry.RevealSource(ctx, j.deployment)
	if errors.Is(err, store.ErrNotFound) {
		err = &inputError{fmt.Errorf("the state to adopt is gone; adopt it again: %w", err)}
	}
	if refused := (*orchestrator.Refusal)(nil); errors.As(err, &refused) {
		err = &inputError{err}
	}
	return engine.Source{State: handed.State, Moves: handed.Moves}, err
}

// describeSource names what is adopted, and nothing of its content.
func describeSource(a orchestrator.Adoption, source engine.Source) string {
	if !a.State {
		return a.Reference
	}
	if len(source.Moves) == 0 {
		return fmt.Sprintf("a state of %d bytes", len(source.State))
	}
	return fmt.Sprintf("a state of %d bytes with %d moves", len(source.State), len(source.Moves))
}

// errTaken says that a node is another deployment's: nothing is adopted into
// it, and nothing of it is let go of.
var errTaken = errors.New("it is another deployment's")

// untaken refuses to adopt into a node that an engine was asked for already,
// other than by an adoption that did not succeed.
func (s *Steps) untaken(ctx context.Context, d orchestrator.Deployment, in contract.StepInput) error {
	if in.Action != orchestrator.StepAdopt && in.Action != orchestrator.StepForget {
		return nil
	}
	head, err := s.Registry.Head(ctx, d.Scope, in.Node)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	untried := head.InputsRef == "" && (head.Intended == "" || head.Adopting)
	if head.LastDeployment == in.Deployment || untried {
		return nil
	}
	return fmt.Errorf("nothing can be adopted into %s, which deployment %s has acted on: %w", in.Node, head.LastDeployment, errTaken)
}

// intendAdoption records what is about to be adopted, and whether a rollback
// may let go of it: there was nothing before, or only what an adoption that did
// not succeed has left.
func (s *Steps) intendAdoption(
	ctx context.Context, j *job, req engine.Request, inputs []registry.OutputValue, claims []orchestrator.Claim,
) error {
	ours := j.attempt.Run.Created || j.attempt.Head != nil && j.attempt.Head.Adopting
	if !ours {
		var err error
		if ours, err = s.vacant(ctx, req); err != nil {
			return err
		}
	}
	return s.Registry.Intend(ctx, &j.attempt, registry.Intent{
		Created: ours, Adopting: ours, Graph: j.in.GraphDigest, Inputs: inputs, Claims: claims,
	})
}

// vacant says that there is nothing yet where the node's state belongs. What
// is there, or may be, is not let go of when the adoption fails: it is not
// known to be what this adoption has brought.
func (s *Steps) vacant(ctx context.Context, req engine.Request) (bool, error) {
	seen, err := s.Engine.Observe(ctx, req)
	if engine.ClassOf(err) == engine.Rejected {
		// Somebody else's, such as a release of that name. Whether it is the one
		// that is to be adopted, the engine finds out.
		return false, nil
	}
	return !seen.Exists, err
}

// adopted reads what an adopted node gives. Only with nothing to change is it
// whole: then the engine is asked to apply exactly that.
func (s *Steps) adopted(
	ctx context.Context, j *job, req engine.Request, preview engine.Preview,
) (res engine.Result, whole bool, err error) {
	if preview.Empty() {
		res, err = s.Engine.Apply(ctx, req, preview)
		return res, true, err
	}
	j.log.sayf("the next apply changes: %s", changeList(preview.Changes))
	seen, err := s.Engine.Observe(ctx, req)
	return engine.Result{Outputs: seen.Outputs, Serial: seen.Serial, Lineage: seen.Lineage}, false, err
}

// forget lets go of what this deployment has adopted, as if it had never been.
func (s *Steps) forget(ctx context.Context, j *job) (commit registry.Commit, res contract.StepResult, err error) {
	adopter, adoption, cannot := s.adopter(j)
	// Where nothing can be adopted, nothing was.
	if cannot == nil && j.attempt.Run.Created {
		if err := s.letGo(ctx, j, adopter, adoption); err != nil {
			return commit, res, err
		}
	}
	commit = registry.Commit{Status: orchestrator.NodeReverted}
	j.dropHead(&commit)
	return commit, contract.StepResult{Status: orchestrator.NodeReverted}, nil
}

// letGo asks the engine to forget. Where an attempt died before it could record
// what it had adopted under a name of its own, the engine is asked for it again.
func (s *Steps) letGo(ctx context.Context, j *job, adopter engine.Adopter, adoption orchestrator.Adoption) (err error) {
	ctx, cancel := withTimeout(ctx, j.node.Timeouts.Apply)
	defer cancel()
	defer func() { err = overTime(ctx, s.Engine.Name(), err) }()
	req, err := s.last(ctx, j)
	if err != nil {
		return err
	}
	if req.StateRef != "" || adoption.Reference == "" {
		return adopter.Forget(ctx, req)
	}
	seen, err := adopter.Adopt(ctx, req, engine.Source{Ref: adoption.Reference})
	switch class := engine.ClassOf(err); {
	case err == nil:
		req.StateRef = seen.StateRef
	case class != engine.Invalid && class != engine.Rejected:
		return err
	case s.marks():
		// It cannot be adopted now. The attempt that died may still have marked it.
		named := req
		named.StateRef = adoption.Reference
		if err := adopter.Forget(ctx, named); engine.ClassOf(err) != engine.Invalid {
			return err
		}
		// What is no name was marked by nobody. If it is something else that is
		// wrong, it is so without the name, too.
	}
	return adopter.Forget(ctx, req)
}

// marks says that the engine puts the node's mark on what it adopts by name, and
// forgets nothing without it. Others would forget whatever has that name, such
// as somebody's Pulumi stack.
func (s *Steps) marks() bool {
	switch s.Engine.Name() {
	case orchestrator.EngineHelm, orchestrator.EngineCrossplane:
		return true
	default:
		return false
	}
}

// maxChangeList bounds what an error says of changes, in bytes.
const maxChangeList = 2000

// wouldChange says what stands in the way of an adoption.
func wouldChange(node string, changes []orchestrator.Change) error {
	return fmt.Errorf("adopting %s would change: %s; make the parameters match, or pass --allow-changes", node, changeList(changes))
}

// changeList writes changes for a message, in short and without values: those
// are for a plan to show.
func changeList(changes []orchestrator.Change) string {
	var b strings.Builder
	for i, change := range changes {
		part := fmt.Sprintf("%s %s", change.Action, change.Address)
		if paths := attributeList(change.Attributes); paths != "" && change.Action != orchestrator.ActionDelete {
			part += " (" + paths + ")"
		}
		if i > 0 && b.Len()+len(part) > maxChangeList {
			fmt.Fprintf(&b, ", and %d more", len(changes)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(part)
	}
	return b.String()
}

func attributeList(attributes []orchestrator.AttributeChange) string {
	const most = 8
	parts := make([]string, 0, most)
	for i, a := range attributes {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(attributes)-most))
			break
		}
		parts = append(parts, a.Path)
	}
	return strings.Join(parts, ", ")
}
