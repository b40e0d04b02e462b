// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/orchestrator"
)

//go:embed terraform-module
var terraformModule embed.FS

// terraform is OpenTofu with the local provider: a file.
func terraform(_ context.Context, s setup) (contestant, error) {
	const module = "terraform-module"
	files, err := bundle.Pack(terraformModule, []string{module})
	if err != nil {
		return contestant{}, err
	}
	source, err := fs.Sub(terraformModule, module)
	if err != nil {
		return contestant{}, err
	}
	if err := os.MkdirAll(s.under("bare"), 0o700); err != nil {
		return contestant{}, err
	}
	settings := fmt.Sprintf("disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n",
		filepath.Join(s.bin, "mirror"))
	if err := os.WriteFile(s.under("rc"), []byte(settings), 0o600); err != nil {
		return contestant{}, err
	}
	b := tofu{setup: s, source: source}
	return contestant{
		definition: catalog.Definition{
			APIVersion: catalog.APIVersion, Kind: catalog.Kind,
			Metadata: catalog.Metadata{Name: "file", Version: "1.0.0"},
			Spec: catalog.Spec{
				Provider: live.Provider, Category: "file", ResourceType: "file", Engines: []string{orchestrator.EngineTerraform},
				Inputs:          []catalog.Field{{Name: "path", Type: catalog.TypeString, Required: true}},
				Outputs:         []catalog.Field{{Name: "path", Type: catalog.TypeString}},
				Implementations: map[string]catalog.Implementation{orchestrator.EngineTerraform: {Module: module}},
			},
		},
		files:  files,
		inputs: func(name string) map[string]any { return map[string]any{"path": s.under(name + ".txt")} },
		bare:   func(ctx context.Context, name string) error { return b.run(ctx, name, initialise, plan, apply) },
		// What was planned is read before it is applied: approvals bind it.
		same: func(ctx context.Context, name string) error { return b.run(ctx, name, initialise, plan, show, apply) },
		note: "init, plan and apply of OpenTofu in a fresh directory, local provider",
	}, nil
}

// tofu is the engine without Nestor.
type tofu struct {
	setup
	source fs.FS
}

// The calls of the program.
const (
	initialise = "init -input=false -no-color"
	plan       = "plan -input=false -no-color -out=plan"
	show       = "show -json plan"
	apply      = "apply -input=false -no-color plan"
)

// run makes calls in a fresh checkout.
func (b tofu) run(ctx context.Context, name string, calls ...string) error {
	work, err := os.MkdirTemp(b.under("bare"), "work-")
	if err != nil {
		return err
	}
	if err := os.CopyFS(work, b.source); err != nil {
		return err
	}
	for file, content := range map[string]any{
		"backend.tf.json": map[string]any{"terraform": map[string]any{"backend": map[string]any{
			"local": map[string]any{"path": b.under("bare", name+".tfstate")},
		}}},
		"terraform.tfvars.json": map[string]any{"path": b.under("bare", name+".txt")},
	} {
		encoded, err := json.Marshal(content)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(work, file), encoded, 0o600); err != nil {
			return err
		}
	}
	environ := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_CONFIG_FILE=" + b.under("rc"),
	}
	for _, args := range calls {
		if err := call(ctx, work, environ, filepath.Join(b.bin, "tofu"), strings.Fields(args)...); err != nil {
			return err
		}
	}
	return nil
}
