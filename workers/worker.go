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
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/activities/bundle"
	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/activities/engine/terraform"
	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/orchestrator/contract"
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
)

// Run serves until the context ends, then stops cleanly. ready is called once
// every role polls its queue.
func Run(ctx context.Context, c Config, logger *slog.Logger, ready func()) (err error) {
	opened, err := records.Open(ctx, c.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	temporal, err := dial(ctx, c, logger)
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
	for _, role := range c.Roles {
		w, err := newWorker(ctx, c, role, temporal, opened)
		if err != nil {
			return fmt.Errorf("role %s: %w", role, err)
		}
		if err := w.Start(); err != nil {
			return fmt.Errorf("role %s: start: %w", role, err)
		}
		started = append(started, w)
		logger.Info("serving", "role", role)
	}
	ready()
	prune(ctx, c, opened, logger)
	return nil
}

// dial connects to Temporal, waiting for it while the context lasts, and sees
// to the search attributes that workflows set.
func dial(ctx context.Context, c Config, logger *slog.Logger) (client.Client, error) {
	options := client.Options{
		HostPort: c.TemporalAddress, Namespace: c.TemporalNamespace, Logger: log.NewStructuredLogger(logger),
	}
	for {
		temporal, err := client.DialContext(ctx, options)
		if err == nil {
			return temporal, registerAttributes(ctx, temporal, c.TemporalNamespace)
		}
		logger.Warn("Temporal does not answer; waiting for it", "address", c.TemporalAddress, "error", err)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("temporal at %s: %w", c.TemporalAddress, errors.Join(ctx.Err(), err))
		case <-time.After(time.Second):
		}
	}
}

func newWorker(ctx context.Context, c Config, role string, t client.Client, r *records.Records) (worker.Worker, error) {
	if role == RoleControl {
		w := worker.New(t, contract.QueueControl, options(c.Slots*4))
		workflows.Register(w)
		(&activities.Control{Registry: r.Registry, Compiler: r.Compiler, Temporal: t, Queues: t}).Register(w)
		return w, nil
	}
	steps, err := newSteps(c, role, r)
	if err != nil {
		return nil, err
	}
	o := options(c.Slots)
	// It runs no workflows, and asks for them all the same: so that it is seen to
	// be there while its slots are all taken, when it asks for no activity.
	o.MaxConcurrentWorkflowTaskPollers = 2
	w := worker.New(t, contract.EngineQueue(role), o)
	steps.Register(w)
	return w, ctx.Err()
}

func options(slots int) worker.Options {
	return worker.Options{
		MaxConcurrentActivityExecutionSize:      slots,
		MaxConcurrentActivityTaskPollers:        pollers,
		MaxConcurrentWorkflowTaskPollers:        pollers,
		StickyScheduleToStartTimeout:            stickyTimeout,
		MaxHeartbeatThrottleInterval:            beat,
		DefaultHeartbeatThrottleInterval:        beat,
		WorkerStopTimeout:                       stopTimeout,
		MaxConcurrentLocalActivityExecutionSize: 100,
	}
}

func newSteps(c Config, role string, r *records.Records) (*activities.Steps, error) {
	e, err := newEngine(c, role)
	if err != nil {
		return nil, err
	}
	lease, err := supervise.Self()
	if err != nil {
		return nil, fmt.Errorf("find out who this process is: %w", err)
	}
	return &activities.Steps{
		Registry: r.Registry,
		Engine:   e,
		Bundles:  bundle.NewCache(r.Catalog, filepath.Join(c.DataDir, "bundles")),
		Secrets:  secret.New(os.LookupEnv, c.SecretsDir),
		WorkDir:  filepath.Join(c.DataDir, "work"),
		StateDir: filepath.Join(c.DataDir, "state"),
		Beat:     beat,
		Lease:    lease,
	}, nil
}

func newEngine(c Config, role string) (engine.Engine, error) {
	if role == RoleFake {
		return fake.New(fake.Config{Dir: filepath.Join(c.DataDir, "fake")})
	}
	return terraform.New(terraform.Config{
		SearchPath: c.BinDirs, MirrorDir: c.MirrorDir, DataDir: c.DataDir, Grace: c.Grace,
	})
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
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
