// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/secretref"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// Secrets resolves a secret reference ("secret://<source>/<path>") to its
// value, at the moment it is needed, if it belongs to owner: a team, or
// secretref.Platform.
type Secrets interface {
	Resolve(ctx context.Context, owner, ref string) (string, error)
}

// Bundles gives a bundle's files as a read-only directory.
type Bundles interface {
	Directory(ctx context.Context, digest string) (string, error)
}

// Steps holds the activities of an engine's queue.
type Steps struct {
	Registry *registry.Registry
	Engine   engine.Engine
	Bundles  Bundles
	Secrets  Secrets
	// WorkDir holds a workspace per node, StateDir the state of environments
	// that name no backend.
	WorkDir  string
	StateDir string
	// Beat is how often a running step says that it lives.
	Beat time.Duration
	// Backoff before a step that failed is tried again, doubled with each
	// failure; zero means a second.
	Backoff time.Duration
	// Host and process that act, for the run's record.
	Lease orchestrator.Lease
	// Graphs that the steps are about.
	Graphs *Graphs
	// LeaseTTL is how long the store may be out of reach before a step stops its
	// engine; 0 means orchestrator.LeaseTTL.
	LeaseTTL time.Duration

	blocked blockedOnce
}

// Register makes the activities known to a worker.
func (s *Steps) Register(w Registrar) {
	w.RegisterActivityWithOptions(s.RunStep, activity.RegisterOptions{Name: contract.ActivityRunStep})
	w.RegisterActivityWithOptions(s.PlanNode, activity.RegisterOptions{Name: contract.ActivityPlanNode})
}

// job is one step with everything it was given.
type job struct {
	in          contract.StepInput
	deployment  orchestrator.Deployment
	environment orchestrator.Environment
	node        composer.Node
	attempt     registry.Attempt
	log         *logWriter
	mask        *mask
	// stateRef of what this attempt has adopted, for a head that fails.
	stateRef string
	// tenancy of the attempt, once it has begun to work.
	tenancy *tenancy
	// owned names what the step's claims stand for, by their keys.
	owned map[string]string
}

// RunStep performs one action on one node: it records the intent, finds out
// what is there if an earlier attempt was cut off, acts, and commits. Running
// it again continues the same work.
func (s *Steps) RunStep(ctx context.Context, in contract.StepInput) (contract.StepResult, error) {
	stop := Beat(ctx, s.Beat)
	defer stop()
	j, err := s.open(ctx, in)
	if errors.Is(err, errTaken) && in.Action == orchestrator.StepForget {
		return contract.StepResult{Status: orchestrator.NodeReverted}, nil // nothing of it is this deployment's
	}
	if blocked := (*heldError)(nil); errors.As(err, &blocked) {
		return contract.StepResult{}, s.waitForProof(ctx, in, blocked)
	}
	if err != nil {
		return contract.StepResult{}, toTemporal(err)
	}
	working, held := s.hold(ctx, j)
	commit, res, err := s.act(working, j)
	held.release(j)
	if lost := j.log.close(); lost != nil {
		activity.GetLogger(ctx).Error("a part of the engine's log could not be stored", "node", in.Node, "error", lost)
	}
	// What was done is recorded even when the step itself was canceled.
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err != nil {
		return res, s.fail(recording, j, commit, explain(working, err))
	}
	err = s.commit(recording, j, commit)
	if claimed := (*registry.ClaimedError)(nil); errors.As(err, &claimed) {
		refused := registry.Commit{Counts: commit.Counts, ChangeDigest: commit.ChangeDigest}
		return contract.StepResult{}, s.fail(recording, j, refused, err)
	}
	return res, err
}

// recordTimeout bounds the commit of a step that was canceled.
const recordTimeout = 30 * time.Second

// open gathers what a step needs and records that it begins.
func (s *Steps) open(ctx context.Context, in contract.StepInput) (*job, error) {
	d, err := s.Registry.GetDeployment(ctx, in.Deployment)
	if err != nil {
		return nil, err
	}
	if d.Status.Final() {
		return nil, fmt.Errorf("deployment %s is over: %w", d.ID, registry.ErrFenced)
	}
	environment, _, err := s.Registry.GetEnvironment(ctx, d.Environment)
	if err != nil {
		return nil, err
	}
	node, err := s.node(ctx, in.GraphDigest, in.Node)
	if err != nil {
		return nil, err
	}
	if err := s.untaken(ctx, d, in); err != nil {
		return nil, err
	}
	version, err := s.Engine.Version(ctx)
	if err != nil {
		version = "" // the step itself will say so, with its class
	}
	info := activity.GetInfo(ctx)
	run := orchestrator.NodeRun{
		Deployment: in.Deployment, Node: in.Node, Action: in.Action,
		Attempt: info.Attempt, Run: in.Run, Step: in.Step,
		WorkflowRun: info.WorkflowExecution.RunID, Order: order(info), Lease: &s.Lease, TTL: catalog.Duration(s.ttl()),
	}
	attempt, err := s.Registry.BeginAfter(ctx, principal(s.Engine), d.Scope, run, orchestrator.NodeHead{
		Engine: node.Engine, EngineVersion: version,
		Address: address(d.Scope, in.Node), Backend: environment.Spec.StateOf(node.Engine),
		Definition: node.Definition, Version: node.Version, DefinitionDigest: node.DefinitionDigest,
		GraphDigest: in.GraphDigest, InputDigest: node.InputDigest,
	}, s.proof)
	if err != nil {
		return nil, err
	}
	hidden := newMask()
	return &job{
		in: in, deployment: d, environment: environment, node: node, attempt: attempt, mask: hidden,
		log: newLogWriter(ctx, s.Registry, store.Principal(principal(s.Engine)), in.Deployment, in.Node, run.Attempt, hidden),
	}, nil
}

// order of a step in its workflow's run: the SDK numbers activities in the order
// in which they are scheduled, all attempts alike. 0 where it is none of its own.
func order(info activity.Info) int64 {
	n, err := strconv.ParseInt(info.ActivityID, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// principal of what an engine's steps write.
func principal(e engine.Engine) string { return "worker:" + e.Name() }

// address of a node's state. It is made once; the head keeps it.
func address(s orchestrator.Scope, node string) string { return s.String() + "/" + node }

func (s *Steps) act(ctx context.Context, j *job) (registry.Commit, contract.StepResult, error) {
	switch j.in.Action {
	case orchestrator.StepApply:
		return s.apply(ctx, j, orchestrator.NodeReady)
	case orchestrator.StepRestore:
		return s.apply(ctx, j, orchestrator.NodeReverted)
	case orchestrator.StepRemove:
		return s.remove(ctx, j)
	case orchestrator.StepDestroy:
		return s.destroy(ctx, j)
	case orchestrator.StepObserve:
		return s.observe(ctx, j)
	case orchestrator.StepAdopt:
		return s.adopt(ctx, j)
	case orchestrator.StepForget:
		return s.forget(ctx, j)
	case orchestrator.StepPrune:
		commit, err := s.prune(ctx, j)
		return commit, contract.StepResult{Status: orchestrator.NodeReady}, err
	default:
		return registry.Commit{}, contract.StepResult{}, &inputError{fmt.Errorf("step action %q is unknown", j.in.Action)}
	}
}

// fail records a step that did not succeed and turns its error into Temporal's.
func (s *Steps) fail(ctx context.Context, j *job, c registry.Commit, err error) error {
	ne := j.mask.nodeError(j.named(err))
	patient(j.in.Action, err, ne)
	if ne.Class == contract.ErrorNotApproved {
		return s.pause(ctx, j, c.ChangeDigest, *ne, err)
	}
	c.Status = orchestrator.NodeFailed
	if ne.Class == string(engine.Canceled) {
		c.Status = orchestrator.NodeUncertain
	}
	var failure error
	if c.Status == orchestrator.NodeUncertain && stopping(ctx) {
		ne.Retryable, ne.Message = true, "the worker stopped; the step goes on with another"
		failure = temporal.NewApplicationError(ne.Message, errorStopped)
	} else if lost := (*lostError)(nil); errors.As(err, &lost) {
		c.Status = orchestrator.NodeUncertain
		failure = temporal.NewApplicationError(ne.Message, errorStopped)
	} else {
		j.attempt.Run.Failures++
		failure = stepFailure(err, *ne, j.attempt.Run.Failures, s.Backoff)
	}
	c.Unsettled = c.Status == orchestrator.NodeUncertain || engine.ClassOf(err) == engine.Uncertain ||
		errors.Is(err, engine.ErrUnsettled) || errors.Is(err, errOverTime)
	c.Error = ne
	c.Retrying = ne.Retryable && j.attempt.Run.Failures < contract.StepFailures
	switch j.in.Action {
	case orchestrator.StepObserve:
	case orchestrator.StepPrune: // the node is as it should be; its head says what is left
		c.Status = orchestrator.NodeReady
	default:
		head := s.headBefore(j)
		head.Status, head.Error, head.StateRef = c.Status, ne, cmp.Or(j.stateRef, head.StateRef)
		c.Head = &head
	}
	lost := (*lostError)(nil)
	if commitErr := s.commit(ctx, j, c); commitErr != nil && !errors.As(err, &lost) {
		return commitErr
	}
	return failure // with a lost lease another attempt follows, whoever owns the node now
}

// pause records a step that waits for a decision. It has changed nothing: the
// head says again what it said before.
func (s *Steps) pause(ctx context.Context, j *job, digest string, ne orchestrator.NodeError, err error) error {
	c := registry.Commit{Status: orchestrator.NodePending, ChangeDigest: digest, Error: &ne, Paused: true}
	before := j.attempt.Head
	switch {
	case before == nil, before.InputsRef == "" && before.Intended == "" && j.attempt.Run.BeforeRef == "":
		j.dropHead(&c) // nobody but this deployment knows of it
	default:
		head := *before
		if j.attempt.Interrupted && head.InputsRef != "" {
			head.Status = orchestrator.NodeReady // what an attempt that died has written over
		}
		c.Head = &head
	}
	if err := s.commit(ctx, j, c); err != nil {
		return err
	}
	return stepFailure(err, ne, 1, s.Backoff)
}

// errorStopped is the type of the error with which a step leaves a worker that
// stops. Nobody canceled the step, so another attempt follows.
const errorStopped = "worker-stopped"

// stopping says that the worker of this activity was asked to stop.
func stopping(ctx context.Context) bool {
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return false
	}
}

// headBefore is the node's head as it was, or as Begin made it.
func (s *Steps) headBefore(j *job) orchestrator.NodeHead {
	if j.attempt.Head != nil {
		head := *j.attempt.Head
		head.LastDeployment = j.in.Deployment
		return head
	}
	return s.headNow(j, "")
}

// headNow is the node's head as this step makes it.
func (s *Steps) headNow(j *job, version string) orchestrator.NodeHead {
	head := orchestrator.NodeHead{
		Scope: j.deployment.Scope, Node: j.in.Node, Engine: j.node.Engine, EngineVersion: version,
		Address: address(j.deployment.Scope, j.in.Node), Backend: j.environment.Spec.StateOf(j.node.Engine),
		Definition: j.node.Definition, Version: j.node.Version, DefinitionDigest: j.node.DefinitionDigest,
		GraphDigest: j.in.GraphDigest, InputDigest: j.node.InputDigest,
		LastDeployment: j.in.Deployment, Status: orchestrator.NodeReady,
	}
	if before := j.attempt.Head; before != nil {
		head.Address, head.StateRef, head.Backend = before.Address, before.StateRef, before.Backend
		head.InputsRef, head.OutputsRef, head.OutputsDigest = before.InputsRef, before.OutputsRef, before.OutputsDigest
		head.Snapshots = before.Snapshots
	}
	return head
}

// request is the engine's view of a node.
func (s *Steps) request(ctx context.Context, node composer.Node, scope orchestrator.Scope, env orchestrator.Environment, log io.Writer) (engine.Request, error) {
	req := engine.Request{
		Address: address(scope, node.ID), Node: node.ID,
		Implementation: node.Implementation,
		Inputs:         map[string]any{}, Unknown: map[string]string{}, Sensitive: map[string]bool{}, Settings: map[string]bool{},
		Backend: s.backend(env.Spec.StateOf(node.Engine)), Env: map[string]string{}, Log: log,
	}
	if err := s.reach(ctx, &req, scope, env); err != nil {
		return req, err
	}
	req.Outputs = outputSpecs(node)
	for name, ref := range env.Spec.Credentials {
		value, err := s.Secrets.Resolve(ctx, secretref.Platform, ref)
		if err != nil {
			return req, &inputError{fmt.Errorf("credential %s of environment %s: %w", name, env.Metadata.Name, err)}
		}
		req.Env[name] = value
	}
	for name, value := range env.Spec.Variables {
		req.Env[name], req.Settings[name] = value, true
	}
	if node.BundleDigest == "" {
		return req, nil
	}
	dir, err := s.Bundles.Directory(ctx, node.BundleDigest)
	req.Bundle = dir
	return req, err
}

func (s *Steps) backend(b orchestrator.Backend) orchestrator.Backend {
	if b.Type != "" && b.Type != "local" {
		return b
	}
	config := map[string]any{"path": s.StateDir}
	for k, v := range b.Config {
		config[k] = v
	}
	return orchestrator.Backend{Type: "local", Config: config}
}

// workspace of a node: steps and previews each have their own, so that a plan
// never disturbs a deployment.
func (s *Steps) workspace(scope orchestrator.Scope, node, purpose string) string {
	return filepath.Join(s.WorkDir, purpose, scope.Team, scope.Application, scope.Environment, node)
}

func (s *Steps) node(ctx context.Context, digest, id string) (composer.Node, error) {
	graph, err := s.Graphs.Get(ctx, digest)
	if err != nil {
		return composer.Node{}, err
	}
	node, found := graph.Node(id)
	if !found {
		return composer.Node{}, fmt.Errorf("node %s is not in graph %s: %w", id, digest, store.ErrNotFound)
	}
	return node, nil
}
