// SPDX-License-Identifier: Apache-2.0

// Package crossplane is the engine for Crossplane: one claim, composite or
// managed resource per node, in the cluster that the environment names.
//
// There is no program and no state beside the cluster's. The node's object bears
// a mark (a label and annotations with the node's address), by which it is found
// again under whatever name it has; an object without the mark is never touched.
// Objects are created under a name that derives from the node's address and are
// changed by server-side apply with a field manager of its own, so every verb
// can be cut off anywhere and begun again.
//
// A preview is the server's own dry run, compared with what is there. Ready
// means that Crossplane says Synced and Ready about the present version of the
// object, and that what it is composed of agrees; see await. A destruction is
// over when the object and everything that Crossplane composed for it are read
// back as gone.
//
// A definition's later version must keep the group and kind of its object: the
// mark is looked for in that kind alone.
//
// It works with Crossplane 1.20 and 2.x. What it is not for: installing
// Crossplane, providers, XRDs or compositions.
package crossplane

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
)

// Name is what definitions list under engines.
const Name = "crossplane"

// DefaultPatience is how long something that fails, or that nothing works on,
// is waited for: Crossplane tries again by itself.
const DefaultPatience = 5 * time.Minute

// Config of the engine.
type Config struct {
	// DataDir is the worker's data directory. The engine keeps nothing there.
	DataDir string
	// Patience replaces DefaultPatience.
	Patience time.Duration
}

// Engine drives Crossplane. It is safe for concurrent use.
type Engine struct {
	patience time.Duration
}

var (
	_ engine.Engine  = (*Engine)(nil)
	_ engine.Adopter = (*Engine)(nil)
	_ engine.Claimer = (*Engine)(nil)
)

// New prepares the engine. It reaches for no cluster.
func New(c Config) (*Engine, error) {
	if c.Patience < 0 {
		return nil, errors.New("crossplane engine: patience is negative")
	}
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	return &Engine{patience: c.Patience}, nil
}

// Name implements engine.Engine.
func (e *Engine) Name() string { return Name }

// clientModule is the library that speaks to the cluster.
const clientModule = "k8s.io/client-go"

// Version implements engine.Engine: it names the client, since there is no
// program, and each cluster has its own Crossplane.
func (e *Engine) Version(context.Context) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, m := range info.Deps {
			if m.Path == clientModule {
				return "client-go " + m.Version, nil
			}
		}
	}
	return "client-go", nil
}

// Observe implements engine.Engine.
func (e *Engine) Observe(ctx context.Context, req engine.Request) (engine.Observation, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Observation{}, err
	}
	return n.observe(ctx)
}

// Preview implements engine.Engine.
func (e *Engine) Preview(ctx context.Context, req engine.Request) (engine.Preview, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Preview{}, err
	}
	if req.Destroy {
		return n.previewDestroy(ctx)
	}
	p, err := n.plan(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	return p.preview, nil
}

// Apply implements engine.Engine.
func (e *Engine) Apply(ctx context.Context, req engine.Request, p engine.Preview) (engine.Result, error) {
	if len(req.Unknown) > 0 {
		return engine.Result{}, invalid("", "a preview with unknown inputs cannot be applied; preview again once they are known")
	}
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Result{}, err
	}
	done, err := n.takeTurn(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	defer done()
	return n.apply(ctx, p)
}

// Destroy implements engine.Engine.
func (e *Engine) Destroy(ctx context.Context, req engine.Request) error {
	n, err := e.open(ctx, req)
	if err != nil {
		return err
	}
	done, err := n.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return n.destroy(ctx)
}

// Adopt implements engine.Adopter: it marks an object that exists,
// "<namespace>/<name>" or "<name>", as the node's.
func (e *Engine) Adopt(ctx context.Context, req engine.Request, source engine.Source) (engine.Observation, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Observation{}, err
	}
	done, err := n.takeTurn(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	defer done()
	return n.adopt(ctx, source)
}

// Forget implements engine.Adopter: it takes the mark off.
func (e *Engine) Forget(ctx context.Context, req engine.Request) error {
	n, err := e.open(ctx, req)
	if err != nil {
		return err
	}
	done, err := n.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return n.forget(ctx)
}
