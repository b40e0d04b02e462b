// SPDX-License-Identifier: Apache-2.0

// Package script is a complete small engine, for those who want to add one of
// their own: it makes a resource by running a definition's shell scripts. The
// developer guide goes through it (docs/developer-guide/engines.md).
//
// Implementation.Module is a directory with the scripts create, read, update
// and delete. They get their inputs as variables INPUT_<name> (a string as it
// is, anything else as JSON) and, once it is known, the resource's ID. What they
// write to their standard error is the log; to their standard output they write
// results, one a line:
//
//	id=<id>               the resource exists under this ID
//	output.<name>=<value> an output; one that is not written is the input of its name
//	input.<name>=<value>  (read) what an input is in truth, where that can be seen
//	absent                (read) there is no such resource
//
// What was written counts, however the script ended. A script that fails says
// why in its last line; with status 75 another try can help.
//
// Settings: "immutable" lists inputs whose change replaces the resource.
// Implementation.Identity may map "resource" to an ID that read understands,
// so that an interrupted create is found again.
//
// What this package is not for: production. It keeps its state, outputs
// included, in a directory of the worker, and one host alone can use that.
package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// Name is what definitions list under engines.
const Name = "script"

// Config of the engine.
type Config struct {
	// DataDir holds the states.
	DataDir string
	// Shell runs the scripts; empty means the "sh" of PATH.
	Shell string
	// Grace is how long a script may take to stop when it was asked to, and
	// Linger how long it may go on when its worker died. 0 means
	// supervise.DefaultGrace and no time at all.
	Grace, Linger time.Duration
}

// Engine runs scripts. It is safe for concurrent use.
type Engine struct {
	config Config
	self   string // an executable that calls supervise.Main first
}

var _ engine.Engine = (*Engine)(nil)

// New prepares the engine; that the shell is missing is for Version to say.
func New(c Config) (*Engine, error) {
	if c.DataDir == "" {
		return nil, errors.New("script engine: no data directory is configured")
	}
	if c.Shell == "" {
		c.Shell = "sh"
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("script engine: find own executable: %w", err)
	}
	return &Engine{config: c, self: self}, nil
}

// Name implements engine.Engine.
func (e *Engine) Name() string { return Name }

// Version implements engine.Engine.
func (e *Engine) Version(context.Context) (string, error) {
	path, err := e.shell()
	if err != nil {
		return "", err
	}
	return "scripts by " + filepath.Base(path), nil
}

func (e *Engine) shell() (string, error) {
	path, err := exec.LookPath(e.config.Shell)
	if err != nil {
		return "", &engine.Error{
			Class: engine.Unavailable, Engine: Name, Err: err,
			Message: fmt.Sprintf("the shell %s is needed to run scripts; looked in PATH: %v", e.config.Shell, err),
		}
	}
	return path, nil
}

// Observe implements engine.Engine.
func (e *Engine) Observe(ctx context.Context, req engine.Request) (engine.Observation, error) {
	var seen engine.Observation
	err := e.with(ctx, req, func(n *node) (err error) { seen, err = n.observe(ctx); return err })
	return seen, err
}

// Preview implements engine.Engine.
func (e *Engine) Preview(ctx context.Context, req engine.Request) (engine.Preview, error) {
	var p engine.Preview
	err := e.with(ctx, req, func(n *node) (err error) { p, err = n.preview(ctx); return err })
	return p, err
}

// Apply implements engine.Engine.
func (e *Engine) Apply(ctx context.Context, req engine.Request, p engine.Preview) (engine.Result, error) {
	var r engine.Result
	err := e.with(ctx, req, func(n *node) (err error) { r, err = n.apply(ctx, p); return err })
	return r, err
}

// Destroy implements engine.Engine.
func (e *Engine) Destroy(ctx context.Context, req engine.Request) error {
	return e.with(ctx, req, func(n *node) error { return n.destroy(ctx) })
}

// with does the work of one verb when it is this attempt's turn: nobody else is
// at work in the workspace, and no script of an earlier attempt is alive.
func (e *Engine) with(ctx context.Context, req engine.Request, work func(*node) error) error {
	n := &node{engine: e, req: req, secrets: secretsOf(req)}
	if err := n.check(); err != nil {
		return err
	}
	if _, err := e.shell(); err != nil {
		return err
	}
	if err := os.MkdirAll(req.Workspace, 0o700); err != nil {
		return fail(engine.Transient, "create workspace: %v", err)
	}
	turn, err := supervise.Acquire(ctx, req.Workspace, func(h supervise.Holder) {
		n.say("waiting for %s to end", h)
		req.WaitsFor(h.Occupant())
	})
	req.WaitsFor(nil)
	if ctx.Err() != nil {
		return errors.Join(fail(engine.Canceled, "canceled"), release(turn))
	}
	if err != nil {
		return fail(engine.Transient, "lock workspace: %v", err)
	}
	n.turn = turn
	return errors.Join(work(n), release(turn))
}

func release(turn *supervise.Turn) error {
	if turn == nil {
		return nil
	}
	return turn.Release()
}

// fail makes the error of a class.
func fail(class engine.Class, format string, args ...any) error {
	return &engine.Error{Class: class, Engine: Name, Resource: resourceAddress, Message: fmt.Sprintf(format, args...)}
}
