// SPDX-License-Identifier: Apache-2.0

// Package fake is a deterministic engine for tests. Its world is a directory of
// files: one a resource, one a node's state, and a ledger to which each side
// effect appends a line. Resources and ledger can be in a process of their own
// instead (see package cloud). It keeps the whole contract of package engine (package
// enginetest proves it), survives being killed anywhere, and behaves as badly
// as a node's settings ask it to (see Behaviour).
//
// A resource has an identity, made of its node and its immutable inputs. So a
// create that was cut off is found again and never made twice: every creation
// has a number, which is part of the resource's id. Nodes that are told to be
// forgetful do not see that by themselves (see Behaviour).
//
// It is not for anything but tests, benchmarks and trying Nestor out: it keeps
// sensitive values in clear.
package fake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// Name is the engine's name where Config gives none.
const Name = "fake"

// Version is what the engine calls itself.
const Version = "fake 1.0.0"

// Config says where the world is.
type Config struct {
	// Dir is the world's directory; it is made if need be. Several engines, in
	// several processes, may share it.
	Dir string
	// World is the address of a cloud.Server, which then has the resources and
	// the ledger; Dir keeps the states and the locks. Empty keeps all in Dir.
	World string
	// Name lets it stand in for another engine in definitions; empty means Name.
	Name string
}

// Engine is the fake engine. It is safe for concurrent use.
type Engine struct {
	dir     string
	name    string
	outside outside
}

var (
	_ engine.Engine  = (*Engine)(nil)
	_ engine.Adopter = (*Engine)(nil)
	_ engine.Claimer = (*Engine)(nil)
)

// New opens the world.
func New(c Config) (*Engine, error) {
	if c.Dir == "" {
		return nil, errors.New("fake engine: no world directory is configured")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("fake engine: %w", err)
	}
	for _, sub := range []string{"state", "resources", "locks"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("fake engine: %w", err)
		}
	}
	if c.Name == "" {
		c.Name = Name
	}
	e := &Engine{dir: dir, name: c.Name, outside: directory{path: dir}}
	if c.World == "" {
		return e, nil
	}
	client, err := cloud.Dial(c.World)
	if err != nil {
		return nil, fmt.Errorf("fake engine: %w", err)
	}
	e.outside = remote{client: client}
	return e, nil
}

// Name implements engine.Engine.
func (e *Engine) Name() string { return e.name }

// Version implements engine.Engine.
func (e *Engine) Version(context.Context) (string, error) { return Version, nil }

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

// node is one request at work, for one verb.
type node struct {
	engine    *Engine
	req       engine.Request
	behaviour Behaviour
	key       string // the address as a file's name
	turn      *supervise.Turn
	fault     *Fault // that the present verb runs into
}

func (e *Engine) open(ctx context.Context, req engine.Request) (*node, error) {
	n := &node{engine: e, req: req, key: key(req.Address)}
	if req.Address == "" {
		return nil, n.fail(engine.Invalid, "the request has no address")
	}
	var err error
	if n.behaviour, err = behaviourOf(req); err != nil {
		return nil, n.fail(engine.Invalid, "%v", err)
	}
	if err := n.lock(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// lock takes the node's lock. The kernel gives back that of a killed process;
// the holder's file beside it is what other hosts would see.
func (n *node) lock(ctx context.Context) error {
	dir := filepath.Join(n.engine.dir, "locks", n.key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return n.broken(err)
	}
	turn, err := supervise.Acquire(ctx, dir, func(h supervise.Holder) {
		_, _ = fmt.Fprintf(n.req.Log, "waiting for another attempt at %s to end\n", n.req.Node)
		n.req.WaitsFor(h.Occupant())
	})
	n.req.WaitsFor(nil)
	if ctx.Err() != nil {
		return errors.Join(n.canceled(ctx), err)
	}
	if err != nil {
		return n.broken(err)
	}
	var held holder
	err = readJSON(n.holderFile(), &held)
	if err == nil && !held.dead() {
		return errors.Join(n.fail(engine.Locked, "the state is locked by %s since %s, who is not provably dead; "+
			"if nobody is at work there, remove the lock %s and try again",
			held.Host, held.Since.UTC().Format(time.RFC3339), n.holderFile()), turn.Release())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(n.broken(err), turn.Release())
	}
	self, err := supervise.Self()
	if err == nil {
		err = writeJSON(n.holderFile(), holder{Lease: self, Since: time.Now()})
	}
	if err != nil {
		return errors.Join(n.broken(err), turn.Release())
	}
	n.turn = turn
	return nil
}

func (n *node) close() {
	if err := errors.Join(os.Remove(n.holderFile()), n.turn.Release()); err != nil {
		_, _ = fmt.Fprintf(n.req.Log, "unlock %s: %v\n", n.req.Node, err)
	}
}

func (n *node) holderFile() string {
	return filepath.Join(n.engine.dir, "locks", n.key, "holder.json")
}

// address of the one resource that a node has.
func (n *node) address() string { return "fake_resource." + n.req.Node }

func (n *node) fail(class engine.Class, format string, args ...any) error {
	return &engine.Error{Class: class, Engine: n.engine.name, Message: fmt.Sprintf(format, args...)}
}

// broken is a failure of the world's files.
func (n *node) broken(err error) error {
	return &engine.Error{Class: engine.Transient, Engine: n.engine.name, Message: "the world: " + err.Error(), Err: err}
}

func (n *node) canceled(ctx context.Context) error {
	return &engine.Error{
		Class: engine.Canceled, Engine: n.engine.name, Resource: n.address(), Message: "stopped as asked", Err: context.Cause(ctx),
	}
}
