// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// apply makes a node as its graph says: preview, compare with what was
// approved, apply exactly that, and hand over the outputs.
func (s *Steps) apply(
	ctx context.Context, j *job, status orchestrator.NodeStatus,
) (commit registry.Commit, res contract.StepResult, err error) {
	commit = registry.Commit{Status: status}
	ctx, cancel := withTimeout(ctx, j.node.Timeouts.Apply)
	defer cancel()
	defer func() { err = overTime(ctx, s.Engine.Name(), err) }()
	req, inputs, err := s.prepare(ctx, j)
	if err != nil {
		return commit, res, err
	}
	if same, err := s.asBefore(ctx, j, inputs); err != nil {
		return commit, res, err
	} else if same {
		commit, res = leftAlone(j)
		return commit, res, nil
	}
	created, err := s.lookFirst(ctx, j, req)
	if err != nil {
		return commit, res, err
	}
	preview, err := s.Engine.Preview(ctx, req)
	if err != nil {
		return commit, res, err
	}
	filled, preview, from, err := s.refill(ctx, j, req, preview)
	if err != nil {
		return commit, res, err
	}
	if err := s.sameState(ctx, j, preview.State); err != nil {
		return commit, res, err
	}
	claims, err := s.claims(j, req, nil)
	if err != nil {
		return commit, res, err
	}
	commit.Claims = claims
	commit.Changed = !preview.Empty()
	shown := j.mask.changes(preview.Changes)
	commit.Counts = orchestrator.CountChanges(shown)
	if commit.ChangeDigest, err = canonical.Digest(shown); err != nil {
		return commit, res, err
	}
	if commit.Changed {
		if err := s.ready(ctx, j, shown, registry.Intent{
			Created: created, Counts: commit.Counts, ChangeDigest: commit.ChangeDigest,
			Graph: j.in.GraphDigest, Inputs: inputs, Claims: claims, Refilled: from != nil, Replacing: replacing(preview),
		}, from); err != nil {
			commit.Changed = j.attempt.Intended == j.in.GraphDigest
			return commit, res, err
		}
	}
	result, err := s.Engine.Apply(ctx, filled, preview)
	if err != nil {
		return commit, res, err
	}
	if commit.Changed && (status == orchestrator.NodeReverted || from != nil) {
		if err := s.proveBack(ctx, req); err != nil {
			return commit, res, err
		}
	}
	if err := s.settle(ctx, j, &commit, inputs, result); err != nil {
		return commit, res, err
	}
	run := j.attempt.Run
	res = contract.StepResult{
		Status: status, Created: run.Created,
		Changed:     commit.Changed || run.Changed,
		Replaced:    j.madeAgain(commit.Counts),
		Snapshotted: j.snapshotted(),
	}
	res.Differs, commit.Renewed, err = s.differs(ctx, j, inputs, res.Changed)
	return commit, res, err
}

// ready clears the way for a change: it was approved, what it would lose is
// saved, and the intent is recorded with the way back. from is the snapshot that
// it is made anew from, nil for none.
func (s *Steps) ready(
	ctx context.Context, j *job, changes []orchestrator.Change, intent registry.Intent, from *orchestrator.Snapshot,
) error {
	if j.in.Action == orchestrator.StepApply {
		if err := s.approved(ctx, j, changes, from, intent.ChangeDigest); err != nil {
			return err
		}
	}
	saved, err := s.saveFirst(ctx, j, changes)
	if err != nil {
		return err
	}
	if intent.Compensation, err = s.compensation(ctx, j, intent.Created, intent.Counts, saved); err != nil {
		return err
	}
	return s.Registry.Intend(ctx, &j.attempt, intent)
}

// snapshotted says that the content was saved before the change, or that a
// restoration gave it back.
func (j *job) snapshotted() bool {
	run := j.attempt.Run
	if j.in.Action == orchestrator.StepRestore {
		return run.Refilled
	}
	return run.Compensation != nil && run.Compensation.Snapshot != ""
}

// settle takes what an engine has made into the node's head.
func (s *Steps) settle(
	ctx context.Context, j *job, commit *registry.Commit, inputs []registry.OutputValue, result engine.Result,
) error {
	outputs, err := outputValues(j.node, result.Outputs)
	if err != nil {
		return &inputError{err}
	}
	version, err := s.Engine.Version(ctx)
	if err != nil {
		return err
	}
	head := s.headNow(j, version)
	head.Serial, head.Lineage = result.Serial, result.Lineage
	commit.Head, commit.Inputs, commit.Outputs = &head, inputs, outputs
	return nil
}

// lookFirst observes a node that no engine was asked for yet, to know whether
// it will be made, and a node whose last step was cut off, so that a state that
// cannot be read stops the node before anything is planned on it.
func (s *Steps) lookFirst(ctx context.Context, j *job, req engine.Request) (created bool, err error) {
	untried := j.untried()
	if !untried && !j.attempt.Interrupted {
		return false, nil
	}
	seen, err := s.Engine.Observe(ctx, req)
	return untried && !seen.Exists, err
}

// withTimeout lets an engine stop cleanly when its time is up.
func withTimeout(ctx context.Context, d catalog.Duration) (context.Context, context.CancelFunc) {
	timeout := time.Duration(d)
	if timeout == 0 {
		timeout = contract.DefaultStepTimeout
	}
	return context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the timeout of %s is over", timeout))
}

// errOverTime is in the chain of what overTime returns.
var errOverTime = errors.New("out of time")

// overTime tells a step that ran out of its definition's time from one that was
// asked to stop: to its engine both are a context that ended.
func overTime(ctx context.Context, name string, err error) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) || engine.ClassOf(err) != engine.Canceled {
		return err
	}
	return &engine.Error{
		Class: engine.Rejected, Engine: name, Err: errors.Join(errOverTime, err),
		Message: context.Cause(ctx).Error() + "; raise timeouts in the definition if it needs longer",
	}
}

// prepare renders a node's inputs with the live outputs of what it depends on.
func (s *Steps) prepare(ctx context.Context, j *job) (engine.Request, []registry.OutputValue, error) {
	req, err := s.request(ctx, j.node, j.deployment.Scope, j.environment, j.log)
	j.mask.request(req)
	if err != nil {
		return req, nil, err
	}
	req.Workspace = s.workspace(j.deployment.Scope, j.in.Node, "nodes")
	j.known(&req)
	if head := j.attempt.Head; head != nil {
		req.Address, req.StateRef, req.Backend = head.Address, head.StateRef, s.backend(head.Backend)
	}
	if err := s.announced(ctx, j, &req); err != nil {
		return req, nil, err
	}
	live := s.liveOutputs(ctx, j.deployment.Scope)
	from := parts{mask: j.mask, req: &req, live: live, secret: s.secret(ctx, j.deployment.Team)}
	values := make([]registry.OutputValue, 0, len(j.node.Inputs))
	for _, in := range j.node.Inputs {
		// What an output is now counts, not what it was when the graph was made.
		in.Sensitive = sensitive(in) || live.sensitive(in.Value)
		v, err := from.resolve(in)
		if err != nil {
			return req, nil, err
		}
		if in.Sensitive {
			j.mask.learn(v)
		}
		value := registry.OutputValue{Name: in.Name, Type: string(in.Type), Value: v, Sensitive: in.Sensitive}
		give(&req, value)
		values = append(values, value)
	}
	return req, values, nil
}

// resolve is composer.ResolveInput with an error that says where the value comes
// from and whether another try can help: a value of the wrong type stays one.
func resolve(in composer.NodeInput, lookup composer.Lookup, secret composer.SecretLookup) (any, error) {
	v, err := composer.ResolveInput(in, lookup, secret)
	var wrong *catalog.ValueError
	if !errors.Is(err, composer.ErrUnresolved) && !errors.As(err, &wrong) {
		return v, err
	}
	references := in.Value.References()
	from := make([]string, 0, len(references))
	for _, ref := range references {
		from = append(from, ref.String())
	}
	if len(from) > 0 {
		err = fmt.Errorf("%w (it comes from %s)", err, strings.Join(from, ", "))
	}
	return nil, &inputError{err}
}

// give an engine one input.
func give(req *engine.Request, v registry.OutputValue) {
	req.Inputs[v.Name] = v.Value
	if v.Sensitive {
		req.Sensitive[v.Name] = true
	}
}

func sensitive(in composer.NodeInput) bool { return in.Sensitive || in.Value.Sensitive() }

// secret looks up what belongs to a team.
func (s *Steps) secret(ctx context.Context, team string) func(string) (string, error) {
	return func(ref string) (string, error) {
		v, err := s.Secrets.Resolve(ctx, team, ref)
		if err != nil {
			return "", &inputError{err}
		}
		return v, nil
	}
}

// liveOutputs looks up what nodes give now. It reads each node once.
type liveOutputs struct {
	ctx      context.Context //nolint:containedctx // lives as long as one step
	registry *registry.Registry
	scope    orchestrator.Scope
	nodes    map[string]map[string]registry.OutputValue
}

func (s *Steps) liveOutputs(ctx context.Context, scope orchestrator.Scope) *liveOutputs {
	return &liveOutputs{ctx: ctx, registry: s.Registry, scope: scope, nodes: map[string]map[string]registry.OutputValue{}}
}

// value is the whole output that a reference names; the path into it is the
// expression's to follow.
func (l *liveOutputs) value(ref composer.Reference) (registry.OutputValue, error) {
	outputs, err := l.node(ref)
	if err != nil {
		return registry.OutputValue{}, err
	}
	value, given := outputs[ref.Output]
	if !given {
		return registry.OutputValue{}, &inputError{fmt.Errorf("%s gives no output %s; it gives %s", ref.Node, ref.Output, names(outputs))}
	}
	return value, nil
}

// sensitive says whether an expression that was resolved holds a sensitive
// output.
func (l *liveOutputs) sensitive(e composer.Expression) bool {
	for _, ref := range e.References() {
		if outputs, err := l.node(ref); err == nil && outputs[ref.Output].Sensitive {
			return true
		}
	}
	return false
}

func (l *liveOutputs) node(ref composer.Reference) (map[string]registry.OutputValue, error) {
	scope := l.scope
	if ref.External() {
		scope.Team, scope.Application = ref.Team, ref.Application
	}
	key := scope.String() + "/" + ref.Node
	if outputs, known := l.nodes[key]; known {
		return outputs, nil
	}
	head, err := l.registry.Head(l.ctx, scope, ref.Node)
	if errors.Is(err, store.ErrNotFound) || err == nil && head.Forgotten {
		return nil, &inputError{fmt.Errorf("%s is not deployed in %s, so its output %s is not there", ref.Node, scope.Environment, ref.Output)}
	}
	if err != nil {
		return nil, err
	}
	values, err := l.registry.RevealOutputs(l.ctx, head)
	if err != nil {
		return nil, err
	}
	outputs := make(map[string]registry.OutputValue, len(values))
	for _, v := range values {
		outputs[v.Name] = v
	}
	l.nodes[key] = outputs
	return outputs, nil
}

func names[V any](outputs map[string]V) string {
	if len(outputs) == 0 {
		return "none"
	}
	list := make([]string, 0, len(outputs))
	for name := range outputs {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// outputValues checks what an engine gave against what the definition declares.
func outputValues(n composer.Node, given map[string]any) ([]registry.OutputValue, error) {
	return declaredValues("the definition "+n.Definition+"@"+n.Version, n.Outputs, given)
}

// declaredValues is outputValues for fields that somebody declares.
func declaredValues(who string, fields []catalog.Field, given map[string]any) ([]registry.OutputValue, error) {
	values := make([]registry.OutputValue, 0, len(fields))
	for _, declared := range fields {
		raw, there := given[declared.Name]
		if !there {
			return nil, fmt.Errorf("%s declares output %s, which the engine did not give; it gave %s",
				who, declared.Name, names(given))
		}
		v, err := catalog.Coerce(declared, raw)
		if err != nil {
			return nil, fmt.Errorf("output of %s: %w", strings.TrimPrefix(who, "the definition "), err)
		}
		values = append(values, registry.OutputValue{
			Name: declared.Name, Type: string(declared.Type), Value: v, Sensitive: declared.Sensitive,
		})
	}
	return values, nil
}
