// SPDX-License-Identifier: Apache-2.0

// Package helm is the engine for Helm charts, on the libraries of Helm 3.
//
// A node is one release. Its state is what Helm itself keeps: a secret for each
// revision in the release's namespace, readable by the helm program. Beside
// Helm's own labels each carries the node it belongs to and, while an attempt is
// under way, which process holds it (see marks and holder).
//
// Charts come from the bundle, an OCI registry or a repository; what is fetched
// has an exact version and is kept under DataDir. The variables
// NESTOR_HELM_USERNAME and NESTOR_HELM_PASSWORD of an environment's credentials
// are the account for the registry or repository.
//
// A preview renders the chart once, compares old manifest, live objects and new
// manifest, asks the API server by dry run what each patch would make, and
// saves all of it; an apply carries out what was saved or asks for another
// preview. Values that are not known yet are found by rendering the chart with
// several values in their place: what differs depends on them.
//
// The install, upgrade, rollback and uninstall actions of Helm's library are not
// used: they render again, cannot be stopped cleanly, and wait for built-in
// kinds alone. Only what they write down, and in which order they work, is kept.
package helm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/HatiCode/nestor/activities/engine"
)

// Name is what definitions list under engines.
const Name = "helm"

// The variables of Request.Env with the account for chart sources.
const (
	usernameVariable = "NESTOR_HELM_USERNAME"
	passwordVariable = "NESTOR_HELM_PASSWORD"
)

// Config says where the engine keeps what it fetched.
type Config struct {
	// DataDir is the worker's data directory; charts are in its "helm/charts".
	DataDir string
}

// Engine works on Helm releases. It is safe for concurrent use and keeps
// nothing from one call to the next but the charts on disk.
type Engine struct {
	charts string
}

var (
	_ engine.Engine  = (*Engine)(nil)
	_ engine.Adopter = (*Engine)(nil)
	_ engine.Claimer = (*Engine)(nil)
)

// New prepares the engine.
func New(c Config) (*Engine, error) {
	if c.DataDir == "" {
		return nil, errors.New("helm engine: no data directory is configured")
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("helm engine: data directory: %w", err)
	}
	e := &Engine{charts: filepath.Join(dir, "helm", "charts")}
	if err := os.MkdirAll(e.charts, 0o700); err != nil {
		return nil, fmt.Errorf("helm engine: %w", err)
	}
	return e, nil
}

// Name implements engine.Engine.
func (e *Engine) Name() string { return Name }

// Version implements engine.Engine. Helm is a library here: its version is the
// one that was built in.
func (e *Engine) Version(context.Context) (string, error) {
	return "helm " + strings.TrimPrefix(chartutil.DefaultCapabilities.HelmVersion.Version, "v"), nil
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
	if req.Destroy {
		return n.previewDestroy(ctx)
	}
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

// Adopt implements engine.Adopter.
func (e *Engine) Adopt(ctx context.Context, req engine.Request, source engine.Source) (engine.Observation, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Observation{}, err
	}
	defer n.close()
	return n.adopt(ctx, source)
}

// Forget implements engine.Adopter.
func (e *Engine) Forget(ctx context.Context, req engine.Request) error {
	n, err := e.open(ctx, req)
	if err != nil {
		return err
	}
	defer n.close()
	return n.forget(ctx)
}
