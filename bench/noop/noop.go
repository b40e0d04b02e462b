// SPDX-License-Identifier: Apache-2.0

// Package noop measures what Nestor adds to a real engine when there is nothing
// to do: a deployment of one unchanged resource, over OpenTofu's own init, plan
// and apply of the same module and state in a fresh working directory.
package noop

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
)

const (
	application = "noop"
	// rounds of both contestants in turn; the medians count.
	rounds = 9
	budget = 1.15
)

//go:embed module
var module embed.FS

// Run starts a platform and measures.
func Run(ctx context.Context, bin string) (measurements []bench.Measurement, err error) {
	dir, err := os.MkdirTemp("", "nestor-bench-noop-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := live.Start(ctx, bin, dir, "control,terraform")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	release, err := prepare(ctx, p, filepath.Join(dir, "nestor.txt"))
	if err != nil {
		return nil, err
	}
	bare := bare{program: filepath.Join(bin, "tofu"), mirror: filepath.Join(bin, "mirror"), dir: filepath.Join(dir, "bare")}
	if err := bare.prepare(); err != nil {
		return nil, err
	}

	var ours, floor []time.Duration
	for round := range rounds + 1 { // the first creates, and is not counted
		d, err := p.Deploy(ctx, application, release)
		if err != nil {
			return nil, err
		}
		took, err := bare.run(ctx)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			ours, floor = append(ours, d.FinishedAt.Sub(d.StartedAt)), append(floor, took)
		}
	}
	return []bench.Measurement{bench.Compare("no-op deployment / bare init + plan + apply",
		bench.Median(ours), bench.Median(floor), budget, "one resource, OpenTofu, local provider")}, nil
}

func prepare(ctx context.Context, p *live.Platform, path string) (release string, err error) {
	files, err := bundle.Pack(module, []string{"module"})
	if err != nil {
		return "", err
	}
	if err := p.Publish(ctx, catalog.Definition{
		APIVersion: catalog.APIVersion, Kind: catalog.Kind,
		Metadata: catalog.Metadata{Name: "file", Version: "1.0.0"},
		Spec: catalog.Spec{
			Provider: live.Provider, Category: "file", ResourceType: "file", Engines: []string{"terraform"},
			Inputs:          []catalog.Field{{Name: "path", Type: catalog.TypeString, Required: true}},
			Outputs:         []catalog.Field{{Name: "path", Type: catalog.TypeString}},
			Implementations: map[string]catalog.Implementation{"terraform": {Module: "module"}},
		},
	}, files); err != nil {
		return "", err
	}
	if err := p.Enable(ctx, 0, "terraform"); err != nil {
		return "", err
	}
	return p.Release(ctx, application, composer.CompositionSpec{
		Resources: []composer.Resource{{Name: "file", CatalogRef: "file", Config: map[string]any{"path": path}}},
	})
}

// bare is the engine without Nestor.
type bare struct {
	program, mirror string
	dir             string // holds the state, the settings and the working directories
}

func (b bare) prepare() error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	settings := fmt.Sprintf("disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", b.mirror)
	return os.WriteFile(filepath.Join(b.dir, "rc"), []byte(settings), 0o600)
}

// run does what a person would in a fresh checkout, and says how long it took.
func (b bare) run(ctx context.Context) (took time.Duration, err error) {
	work, err := os.MkdirTemp(b.dir, "work-")
	if err != nil {
		return 0, err
	}
	source, err := fs.Sub(module, "module")
	if err != nil {
		return 0, err
	}
	if err := os.CopyFS(work, source); err != nil {
		return 0, err
	}
	files := map[string]any{
		"backend.tf.json":       map[string]any{"terraform": map[string]any{"backend": map[string]any{"local": map[string]any{"path": filepath.Join(b.dir, "state")}}}},
		"terraform.tfvars.json": map[string]any{"path": filepath.Join(b.dir, "bare.txt")},
	}
	for name, content := range files {
		encoded, err := json.Marshal(content)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(work, name), encoded, 0o600); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	for _, args := range [][]string{
		{"init", "-input=false", "-no-color"},
		{"plan", "-input=false", "-no-color", "-out=plan"},
		{"apply", "-input=false", "-no-color", "plan"},
	} {
		command := exec.CommandContext(ctx, b.program, args...) //nolint:gosec // the repository's own program
		command.Dir = work
		command.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1",
			"TF_CLI_CONFIG_FILE=" + filepath.Join(b.dir, "rc"),
		}
		if output, err := command.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("tofu %s: %w: %s", args[0], err, output)
		}
	}
	return time.Since(began), nil
}
