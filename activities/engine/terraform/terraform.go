// SPDX-License-Identifier: Apache-2.0

// Package terraform is the engine for OpenTofu and Terraform: one code for
// both, on terraform-exec.
//
// Each node has a workspace with a generated root module (JSON, never HCL text)
// that calls the definition's module and hands its outputs on. Values travel in
// a variables file, where no "${" is ever looked at. Plans are made without the
// state lock, saved, and applied as saved: the program refuses a saved plan
// whose state has moved. State is where the environment's backend says.
//
// Outputs are no resources, so a preview lists none of them. A saved plan that
// changes outputs alone is still applied, because the state has to hold them.
//
// What it is not for: deciding what to do with a node, and keeping a second
// truth beside the program's state.
package terraform

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
	"github.com/HatiCode/nestor/internal/atomicfile"
)

// Name is what definitions list under engines.
const Name = "terraform"

// DefaultLinger is how long a program whose worker died may finish what it is
// at before it is asked to stop.
const DefaultLinger = 15 * time.Minute

// Config says which program to run and where to keep what.
type Config struct {
	// Program is the path of tofu or terraform. Empty means: the first that is
	// new enough, tofu before terraform, in SearchPath and then in PATH.
	Program    string
	SearchPath []string
	// MirrorDir is a provider filesystem mirror (read only); empty: none.
	// Providers that it holds come from nowhere else.
	MirrorDir string
	// DataDir is the worker's data directory: the local backend's state is in
	// its "state", and the program's own configuration in "terraform".
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

// Engine drives OpenTofu or Terraform. It is safe for concurrent use.
type Engine struct {
	config   Config
	rcFile   string
	home     string
	programs *program.Finder
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
		return nil, errors.New("terraform engine: no data directory is configured")
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("terraform engine: data directory: %w", err)
	}
	c.DataDir = dir
	if c.SupervisorPath == "" {
		if c.SupervisorPath, err = supervise.Executable(); err != nil {
			return nil, fmt.Errorf("terraform engine: %w", err)
		}
	}
	if c.Linger == 0 {
		c.Linger = DefaultLinger
	}
	e := &Engine{
		config:   c,
		rcFile:   filepath.Join(dir, "terraform", "cli.tfrc"),
		home:     filepath.Join(dir, "terraform", "home"),
		programs: program.NewFinder(programKind(), c.Program, c.SearchPath),
	}
	if err := os.MkdirAll(e.home, 0o700); err != nil {
		return nil, fmt.Errorf("terraform engine: %w", err)
	}
	rc, err := cliConfig(c.MirrorDir)
	if err != nil {
		return nil, fmt.Errorf("terraform engine: %w", err)
	}
	if err := atomicfile.Write(e.rcFile, rc); err != nil {
		return nil, fmt.Errorf("terraform engine: %w", err)
	}
	return e, nil
}

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

// grace is how long a program gets to stop.
func (n *node) grace() time.Duration { return supervise.Grace(n.engine.config.Grace, n.req.Plan) }
