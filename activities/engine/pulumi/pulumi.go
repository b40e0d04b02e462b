// SPDX-License-Identifier: Apache-2.0

// Package pulumi is the engine for Pulumi, on its Automation API and its real
// program.
//
// Each node is a stack of its own. The definition's program (Pulumi YAML, or
// any language whose host the worker has) is copied into the node's workspace;
// inputs become its configuration, the sensitive ones encrypted. State is a
// checkpoint in the environment's backend, encrypted with a passphrase.
//
//   - A preview refreshes in memory, so it sees drift, and saves an update plan.
//     Apply hands the plan back: Pulumi checks every step against it before it
//     acts, and refuses one that the preview did not have.
//   - Unknown inputs are Pulumi's own unknowns: in a YAML program, outputs of
//     resources that are planned and never made; see unknown.go for the rest.
//   - A creation that was cut off is in the checkpoint, as a pending operation.
//     With an identity it is looked up and taken over; without one it is listed
//     and never made again blindly.
//   - A lock is broken only when the process in it is this workspace's own and
//     dead.
//
// What it is not for: deciding what to do with a node, keeping a second truth
// beside the checkpoint, and the Pulumi Cloud as a backend.
package pulumi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/program"
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// Name is what definitions list under engines.
const Name = "pulumi"

// DefaultLinger is how long a program whose worker died may finish what it is
// at before it is asked to stop.
const DefaultLinger = 15 * time.Minute

// Config says which program to run and where to keep what.
type Config struct {
	// Program is the path of pulumi. Empty means: the first that is new enough,
	// in SearchPath and then in PATH. Language hosts and plugins are looked for
	// beside it, in SearchPath and in PATH.
	Program    string
	SearchPath []string
	// DataDir is the worker's data directory: the local backend's state is in
	// its "pulumi-state"; Pulumi's home with its plugins, and the passphrase
	// that is made where the environment gives none, are in "pulumi".
	DataDir string
	// SupervisorPath is an executable whose main calls supervise.Main; empty
	// means supervise.Executable.
	SupervisorPath string
	// Grace is how long the program may take to stop when it was asked to;
	// 0 means supervise.DefaultGrace.
	Grace time.Duration
	// Linger replaces DefaultLinger; negative means none.
	Linger time.Duration
}

// Engine drives Pulumi. It is safe for concurrent use.
type Engine struct {
	config   Config
	programs *program.Finder
	vault    *vault
}

var (
	_ engine.Engine  = (*Engine)(nil)
	_ engine.Adopter = (*Engine)(nil)
	_ engine.Claimer = (*Engine)(nil)
)

// New prepares the engine. It does not look for the program yet: a worker
// starts without it, and Version says what is missing.
func New(c Config) (*Engine, error) {
	if c.DataDir == "" {
		return nil, errors.New("pulumi engine: no data directory is configured")
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("pulumi engine: data directory: %w", err)
	}
	c.DataDir = dir
	if c.SupervisorPath == "" {
		if c.SupervisorPath, err = supervise.Executable(); err != nil {
			return nil, fmt.Errorf("pulumi engine: find own executable: %w", err)
		}
	}
	if c.Linger == 0 {
		c.Linger = DefaultLinger
	}
	e := &Engine{config: c, programs: program.NewFinder(programKind(), c.Program, c.SearchPath), vault: newVault(filepath.Join(dir, "pulumi"))}
	if err := os.MkdirAll(e.userHome(), 0o700); err != nil {
		return nil, fmt.Errorf("pulumi engine: %w", err)
	}
	return e, nil
}

// home is PULUMI_HOME: plugins are kept there, once for all nodes.
func (e *Engine) home() string { return filepath.Join(e.config.DataDir, "pulumi", "home") }

// userHome is HOME of the program, its language hosts and plugins.
func (e *Engine) userHome() string { return filepath.Join(e.config.DataDir, "pulumi", "user") }

// Name implements engine.Engine.
func (e *Engine) Name() string { return Name }

// Version implements engine.Engine. The answer is kept until the program's
// file changes.
func (e *Engine) Version(ctx context.Context) (string, error) {
	p, err := e.programs.Find(ctx)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// Observe implements engine.Engine.
func (e *Engine) Observe(ctx context.Context, req engine.Request) (engine.Observation, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Observation{}, err
	}
	defer n.close()
	return n.observe(ctx)
}

// Preview implements engine.Engine.
func (e *Engine) Preview(ctx context.Context, req engine.Request) (engine.Preview, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Preview{}, err
	}
	defer n.close()
	return n.preview(ctx)
}

// Apply implements engine.Engine.
func (e *Engine) Apply(ctx context.Context, req engine.Request, p engine.Preview) (engine.Result, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Result{}, err
	}
	defer n.close()
	return n.apply(ctx, p)
}

// Destroy implements engine.Engine.
func (e *Engine) Destroy(ctx context.Context, req engine.Request) error {
	n, err := e.open(ctx, req)
	if err != nil {
		return err
	}
	defer n.close()
	return n.destroy(ctx)
}

// Adopt implements engine.Adopter: source is what "pulumi stack export" wrote,
// its secrets in clear (--show-secrets) or under the passphrase that the
// environment gives. The stack becomes the node's, by its name and project.
func (e *Engine) Adopt(ctx context.Context, req engine.Request, source engine.Source) (engine.Observation, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Observation{}, err
	}
	defer n.close()
	return n.adopt(ctx, source)
}

// Forget implements engine.Adopter: it removes the stack, and no resource.
func (e *Engine) Forget(ctx context.Context, req engine.Request) error {
	n, err := e.open(ctx, req)
	if err != nil {
		return err
	}
	defer n.close()
	return n.forget(ctx)
}

// grace is how long a program gets to stop.
func (n *node) grace() time.Duration { return supervise.Grace(n.engine.config.Grace, n.req.Plan) }
