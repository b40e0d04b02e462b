// SPDX-License-Identifier: Apache-2.0

// Package workers is the composition root of the worker process: it reads the
// configuration, opens the stores, and serves the task queues of the roles it
// was given.
//
// It decides nothing about deployments; see workflows and activities.
package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/activities/bundle"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/internal/temporalclient"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workers/admission"
	"github.com/HatiCode/nestor/workflows"
)

// Tuning of the workers; DESIGN's budgets say why.
const (
	// pollers of each kind: with the SDK's default of two a chain's step costs
	// six times as much.
	pollers = 8
	// stickyTimeout is how long a workflow task waits for the worker that has
	// the workflow cached, before another takes it.
	stickyTimeout = 500 * time.Millisecond
	// beat is how often a step says that it lives; four beats fit into the
	// heartbeat timeout.
	beat = 500 * time.Millisecond
	// stopTimeout is how long running activities may take when the worker is
	// asked to stop. Engines continue under their supervisors' care.
	stopTimeout = 10 * time.Second
	// pruneEvery is how often old logs are looked for.
	pruneEvery = time.Hour
	// sourceRetention is how long a state waits for the adoption that it was
	// handed in for.
	sourceRetention = 24 * time.Hour
	// graphMemory is about what the graphs may take that a worker keeps at hand:
	// one of 10,000 nodes takes 20 to 60 MiB.
	graphMemory = 128 << 20
	// cachedWorkflows is how many workflows a process keeps ready to go on. One
	// that is not is replayed when something happens to it: for an application
	// that rests, a few dozen events.
	cachedWorkflows = 500
	// decisionTime is how long a workflow may think before the SDK takes it for
	// stuck: on loaded cores, one of 10,000 nodes takes longer than its second.
	decisionTime = 5 * time.Second
)

// Run serves until the context ends, then stops cleanly. ready is called once
// every role polls its queue.
func Run(ctx context.Context, c Config, logger *slog.Logger, ready func()) (err error) {
	opened, err := records.OpenWith(ctx, records.Options{DataDir: c.DataDir, Keyset: c.Keyset})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	worker.SetStickyWorkflowCacheSize(cachedWorkflows)
	temporal, err := dial(ctx, c, opened.Keys, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()

	started := make([]worker.Worker, 0, len(c.Roles))
	defer func() {
		for _, w := range started {
			w.Stop()
		}
	}()
	build := builder{
		config: c, temporal: temporal, records: opened, pool: admission.NewPool(admission.ThisMachine()), logger: logger,
		graphs: activities.NewGraphs(opened.Registry, graphMemory), secrets: c.resolver(),
	}
	for _, role := range c.Roles {
		w, err := build.worker(role)
		if err != nil {
			return fmt.Errorf("role %s: %w", role, err)
		}
		if err := w.Start(); err != nil {
			return fmt.Errorf("role %s: start: %w", role, err)
		}
		started = append(started, w)
	}
	ready()
	var keeping sync.WaitGroup
	keeping.Go(func() { schedules(ctx, c, opened.Registry, temporal, logger) })
	prune(ctx, c, opened, logger)
	keeping.Wait()
	return nil
}

// dial connects to Temporal, waiting for it while the context lasts, and sees
// to the search attributes that workflows set.
func dial(ctx context.Context, c Config, keys codec.Keys, logger *slog.Logger) (client.Client, error) {
	options := temporalclient.Options{
		Address: c.TemporalAddress, Namespace: c.TemporalNamespace, Logger: log.NewStructuredLogger(logger),
		Codec: codec.New(keys, c.PayloadEncryption),
	}
	for {
		temporal, err := temporalclient.Dial(ctx, options)
		if err == nil {
			return temporal, registerAttributes(ctx, temporal, c.TemporalNamespace)
		}
		logger.Warn("Temporal does not answer; waiting for it", "address", c.TemporalAddress, "error", err)
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(time.Second):
		}
	}
}

// builder makes the workers of the roles.
type builder struct {
	config   Config
	temporal client.Client
	records  *records.Records
	pool     *admission.Pool
	graphs   *activities.Graphs
	logger   *slog.Logger
	secrets  *secret.Resolver
}

func (b builder) worker(name string) (worker.Worker, error) {
	if name == RoleControl {
		return b.control(), nil
	}
	r, known := findRole(name)
	if !known {
		return nil, fmt.Errorf("unknown; expected one of %s", strings.Join(RoleNames(), ", "))
	}
	steps, err := b.steps(r)
	if err != nil {
		return nil, err
	}
	queue, err := b.queue(r)
	if err != nil {
		return nil, err
	}
	o := options(b.config.Versioning)
	if o.Tuner, err = queue.Tuner(); err != nil {
		return nil, err
	}
	// It runs no workflows, and asks for them all the same: so that it is seen to
	// be there while its slots are all taken, when it asks for no activity.
	o.MaxConcurrentWorkflowTaskPollers = 2
	w := worker.New(b.temporal, contract.EngineQueue(r.name), o)
	steps.Register(w)
	return w, nil
}

// control serves workflows and records. It waits for no engine's budget: its
// activities are short writes, of which there is room for many.
func (b builder) control() worker.Worker {
	const least, perEngineSlot = 100, 4
	o := options(b.config.Versioning)
	o.MaxConcurrentActivityExecutionSize = max(b.config.Slots*perEngineSlot, least)
	o.MaxConcurrentLocalActivityExecutionSize = 100
	o.Interceptors = []interceptor.WorkerInterceptor{&heartbeats{every: beat}}
	w := worker.New(b.temporal, contract.QueueControl, o)
	workflows.Register(w)
	(&activities.Control{
		Registry: b.records.Registry, Compiler: b.records.Compiler, Temporal: b.temporal, Queues: b.temporal, Graphs: b.graphs,
		Deployer: deployer{b.temporal},
	}).Register(w)
	b.logger.Info("serving", "role", RoleControl)
	return w
}

// queue admits the steps of a role, and says by what.
func (b builder) queue(r role) (*admission.Queue, error) {
	a, chosen := b.config.Admission[r.name]
	if !chosen {
		a.Budget.Slots = b.config.Slots
		if a.Budget.Slots == 0 {
			a.Budget.Slots = defaultSlots()
		}
	}
	queue, err := admission.NewQueue(contract.EngineQueue(r.name), a.Budget, a.Weight, b.pool, b.logger)
	if err != nil {
		return nil, err
	}
	said := []any{"role", r.name, "stepsAtOnce", queue.MaxSlots()}
	if a.Weight.Memory > 0 {
		said = append(said, "memory", admission.Bytes(a.Budget.Memory), "stepMemory", admission.Bytes(a.Weight.Memory))
	}
	if a.Weight.CPU > 0 {
		said = append(said, "cpu", a.Budget.CPU, "stepCPU", a.Weight.CPU)
	}
	b.logger.Info("serving", said...)
	return queue, nil
}

func (b builder) steps(r role) (*activities.Steps, error) {
	e, err := r.open(b.config)
	if err != nil {
		return nil, err
	}
	lease, err := supervise.Self()
	if err != nil {
		return nil, fmt.Errorf("find out who this process is: %w", err)
	}
	return &activities.Steps{
		Registry: b.records.Registry,
		Engine:   e,
		Bundles:  bundle.NewCache(b.records.Catalog, filepath.Join(b.config.DataDir, "bundles")),
		Secrets:  b.secrets,
		WorkDir:  filepath.Join(b.config.DataDir, "work"),
		StateDir: filepath.Join(b.config.DataDir, "state"),
		Beat:     beat,
		Backoff:  b.config.Backoff,
		Lease:    lease,
		LeaseTTL: b.config.LeaseTTL,
		Graphs:   b.graphs,
	}, nil
}

func options(v Versioning) worker.Options {
	return worker.Options{
		DeploymentOptions:                v.options(),
		MaxConcurrentActivityTaskPollers: pollers,
		MaxConcurrentWorkflowTaskPollers: pollers,
		StickyScheduleToStartTimeout:     stickyTimeout,
		MaxHeartbeatThrottleInterval:     beat,
		DefaultHeartbeatThrottleInterval: beat,
		WorkerStopTimeout:                stopTimeout,
		DeadlockDetectionTimeout:         decisionTime,
	}
}

// prune deletes old logs now and then, until the context ends.
func prune(ctx context.Context, c Config, r *records.Records, logger *slog.Logger) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		if c.LogRetention > 0 {
			n, err := r.Registry.PruneLogs(ctx, "worker:"+RoleControl, time.Now().Add(-c.LogRetention))
			if err != nil && ctx.Err() == nil {
				logger.Error("old logs could not be deleted", "error", err)
			}
			if n > 0 {
				logger.Info("old logs deleted", "deployments", n)
			}
		}
		if _, err := r.Registry.PruneSources(ctx, time.Now().Add(-sourceRetention)); err != nil && ctx.Err() == nil {
			logger.Error("states of adoptions that never began could not be deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
