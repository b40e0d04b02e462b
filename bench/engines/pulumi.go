// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/orchestrator"
)

//go:embed pulumi-program
var pulumiProgram embed.FS

const (
	pulumiProgramDir = "pulumi-program"
	// thingPlugin makes things of files; the suite of engine tests has it, too.
	thingPlugin  = "pulumi-resource-thing"
	thingPackage = "github.com/HatiCode/nestor/activities/engine/pulumi/" + thingPlugin
)

// pulumi is a YAML program with one resource of a local plugin.
func pulumi(ctx context.Context, s setup) (contestant, error) {
	files, err := bundle.Pack(pulumiProgram, []string{pulumiProgramDir})
	if err != nil {
		return contestant{}, err
	}
	source, err := fs.Sub(pulumiProgram, pulumiProgramDir)
	if err != nil {
		return contestant{}, err
	}
	b := up{setup: s, source: source, plugins: s.under("plugins"), world: s.under("world")}
	for _, dir := range []string{b.plugins, b.world, s.under("bare"), s.under("pulumi-state")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return contestant{}, err
		}
	}
	if err := call(ctx, "", os.Environ(), "go", "build", "-o", filepath.Join(b.plugins, thingPlugin), thingPackage); err != nil {
		return contestant{}, err
	}
	return contestant{
		definition: catalog.Definition{
			APIVersion: catalog.APIVersion, Kind: catalog.Kind,
			Metadata: catalog.Metadata{Name: "thing", Version: "1.0.0"},
			Spec: catalog.Spec{
				Provider: live.Provider, Category: "thing", ResourceType: "thing", Engines: []string{orchestrator.EnginePulumi},
				Inputs: []catalog.Field{
					{Name: "world", Type: catalog.TypeString, Required: true}, {Name: "name", Type: catalog.TypeString, Required: true},
				},
				Outputs:         []catalog.Field{{Name: "name", Type: catalog.TypeString}},
				Implementations: map[string]catalog.Implementation{orchestrator.EnginePulumi: {Module: pulumiProgramDir}},
			},
		},
		files:     files,
		variables: []string{"PATH=" + b.path()},
		inputs:    func(name string) map[string]any { return map[string]any{"world": b.world, "name": name} },
		bare:      b.run,
		// A run takes seconds.
		chains: 3, gaps: 3, noops: 5,
		note: "pulumi up of a YAML program, local plugin and backend; a new stack is made first",
	}, nil
}

// up is the engine without Nestor.
type up struct {
	setup
	source         fs.FS
	plugins, world string
}

func (b up) path() string {
	return b.plugins + string(filepath.ListSeparator) + b.bin + string(filepath.ListSeparator) + os.Getenv("PATH")
}

// run does what a person would in a checkout of the program, which is fresh when
// the stack is new.
func (b up) run(ctx context.Context, name string) error {
	work := b.under("bare", name)
	environ := []string{
		"PATH=" + b.path(), "HOME=" + b.under("bare"), "PULUMI_HOME=" + b.under("bare", "home"), "PULUMI_BACKEND_URL=file://" + b.under("pulumi-state"),
		"PULUMI_CONFIG_PASSPHRASE=bench", "PULUMI_SKIP_UPDATE_CHECK=true", "NO_COLOR=1",
	}
	program := filepath.Join(b.bin, "pulumi")
	_, err := os.Stat(work)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.CopyFS(work, b.source); err != nil {
			return err
		}
		if err := call(ctx, work, environ, program, "stack", "init", name, "--non-interactive"); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return call(ctx, work, environ, program, "up", "--yes", "--non-interactive", "--stack", name,
		"--config", "world="+b.world, "--config", "name="+name)
}
