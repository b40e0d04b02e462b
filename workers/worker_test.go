// SPDX-License-Identifier: Apache-2.0

package workers_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/HatiCode/nestor/bench/memory"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/parts"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workers"
	"github.com/HatiCode/nestor/workers/admission"
)

const (
	patience = 8 * time.Minute
	// limit is the promise for twenty nodes of Terraform at once.
	limit  = 2_000_000_000
	twenty = 20
)

// TestWorkerProcess runs real workers against one Temporal dev server.
func TestWorkerProcess(t *testing.T) {
	t.Parallel()
	program := build(t)
	temporal := testplatform.StartTemporal(t, "alone", "budget", "at-once")
	t.Run("one engine needs no other's programs", func(t *testing.T) {
		t.Parallel()
		needsNoOthers(t, program, testplatform.New(t, temporal, "alone"))
	})
	// One after the other: they measure.
	t.Run("twenty nodes", func(t *testing.T) {
		t.Parallel()
		for namespace, test := range map[string]struct {
			reason string
			env    []string
		}{
			"budget": {
				"a budget of 2 GiB keeps it, whatever is ready", []string{"NESTOR_TERRAFORM_MEMORY=2GiB", "NESTOR_TERRAFORM_CPU=20"},
			},
			"at-once": {
				"even all twenty at the same moment", []string{"NESTOR_TERRAFORM_SLOTS=20", "NESTOR_TERRAFORM_STEP_MEMORY=100MiB", "NESTOR_TERRAFORM_CPU=20"},
			},
		} {
			p := testplatform.New(t, temporal, namespace)
			pid := start(t, program, p, append(test.env, "NESTOR_QUEUES=control,terraform",
				"NESTOR_BIN="+parts.Bin(t), "NESTOR_PROVIDER_MIRROR="+parts.Mirror(t), "PATH="+os.Getenv("PATH"))...)
			peak := watch(t, pid)
			deploy(t, p, twenty)
			used := peak()
			t.Logf("%d nodes, %s: at most %d processes with %s (%s, shared pages once)", twenty, strings.Join(test.env, " "),
				used.Processes, admission.Bytes(used.Resident), admission.Bytes(used.Proportional))
			if used.Resident > limit {
				t.Errorf("%s: the worker and its programs took %s, more than %s", test.reason, admission.Bytes(used.Resident), admission.Bytes(limit))
			}
		}
	})
}

// build the worker, with the small supervisor beside it.
func build(t *testing.T) (worker string) {
	t.Helper()
	dir := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "./cmd/nestor-worker", "./cmd/nestor-supervisor")
	command.Dir = parts.Root(t)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the worker: %v\n%s", err, said)
	}
	return filepath.Join(dir, "nestor-worker")
}

// needsNoOthers deploys with OpenTofu alone, while every other engine's program
// would tell if it was started.
func needsNoOthers(t *testing.T, program string, p *testplatform.Platform) {
	t.Helper()
	dir := t.TempDir()
	bin, traps := filepath.Join(dir, "bin"), filepath.Join(dir, "path")
	for _, d := range []string{bin, traps} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(parts.OpenTofu(t), filepath.Join(bin, "tofu")); err != nil {
		t.Fatal(err)
	}
	sprung := filepath.Join(dir, "sprung")
	for _, name := range []string{"terraform", "pulumi", "pulumi-language-yaml", "pulumi-language-go", "helm", "kubectl", "crossplane", "git"} {
		script := fmt.Sprintf("#!/bin/sh\necho %s >> %s\nexit 1\n", name, sprung)
		if err := os.WriteFile(filepath.Join(traps, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	start(t, program, p, "NESTOR_QUEUES=control,terraform", "NESTOR_BIN="+bin, "NESTOR_PROVIDER_MIRROR="+parts.Mirror(t), "PATH="+traps)
	deploy(t, p, 1)
	if names, err := os.ReadFile(sprung); !os.IsNotExist(err) {
		t.Errorf("a worker that serves Terraform started %q (%v)", names, err)
	}
}

// start a worker in a process of its own, with these variables alone, until the
// test ends.
func start(t *testing.T, program string, p *testplatform.Platform, env ...string) (pid int) {
	t.Helper()
	command := exec.Command(program) //nolint:noctx // ended by Cleanup, and waited for
	command.Env = append([]string{
		"HOME=" + t.TempDir(), "NESTOR_LOG_LEVEL=error", "NESTOR_DATA=" + p.Config.DataDir,
		"NESTOR_TEMPORAL_ADDRESS=" + p.Config.TemporalAddress, "NESTOR_TEMPORAL_NAMESPACE=" + p.Config.TemporalNamespace,
	}, env...)
	command.Stderr = t.Output()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop the worker: %v", err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("the worker ended with %v", err)
		}
	})
	return command.Process.Pid
}

// watch a process until the returned function is called, which tells the most
// that it took.
func watch(t *testing.T, pid int) (peak func() memory.Usage) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		usage memory.Usage
		err   error
	}
	done := make(chan result, 1)
	go func() {
		usage, err := memory.Peak(ctx, pid)
		done <- result{usage, err}
	}()
	return func() memory.Usage {
		t.Helper()
		cancel()
		got := <-done
		if got.err != nil {
			t.Fatal(got.err)
		}
		return got.usage
	}
}

// deploy so many files that need nothing of each other, and waits for the
// success.
func deploy(t *testing.T, p *testplatform.Platform, nodes int) {
	t.Helper()
	ctx := t.Context()
	files, err := bundle.Pack(os.DirFS("testdata"), []string{"module"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Catalog.Publish(ctx, "user:platform", catalog.Definition{
		APIVersion: catalog.APIVersion, Kind: catalog.Kind,
		Metadata: catalog.Metadata{Name: "file", Version: "1.0.0"},
		Spec: catalog.Spec{
			Provider: "local", Category: "file", ResourceType: "file", Engines: []string{workers.RoleTerraform},
			Inputs:          []catalog.Field{{Name: "path", Type: catalog.TypeString, Required: true}},
			Outputs:         []catalog.Field{{Name: "path", Type: catalog.TypeString}},
			Implementations: map[string]catalog.Implementation{workers.RoleTerraform: {Module: "module"}},
		},
	}, files); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Registry.PutEnvironment(ctx, "user:platform", orchestrator.Environment{
		APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
		Metadata: orchestrator.EnvironmentMetadata{Name: "staging"},
		Spec:     orchestrator.EnvironmentSpec{Provider: "local", Engines: []string{workers.RoleTerraform}},
	}, -1); err != nil {
		t.Fatal(err)
	}
	world := t.TempDir()
	var spec composer.CompositionSpec
	for i := range nodes {
		name := fmt.Sprintf("file-%02d", i)
		spec.Resources = append(spec.Resources, composer.Resource{
			Name: name, CatalogRef: "file", Config: map[string]any{"path": filepath.Join(world, name)},
		})
	}
	if _, _, err := p.Compositions.PutComposition(ctx, "user:alpha", composer.Composition{
		APIVersion: composer.APIVersion, Kind: composer.KindComposition,
		Metadata: composer.CompositionMetadata{Name: "files", Team: "alpha"}, Spec: spec,
	}, -1); err != nil {
		t.Fatal(err)
	}
	release, _, err := p.Compiler.CreateRelease(ctx, "user:ada", compile.ReleaseRequest{
		Team: "alpha", Application: "app",
		Claims: []composer.Claim{{Instance: "web", Composition: "files", File: "main.go", Line: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	id, err := p.Deploy(contract.DeployRequest{
		Scope: orchestrator.Scope{Team: "alpha", Application: "app", Environment: "staging"},
		Kind:  orchestrator.KindApply, Release: release.Digest, AutoApprove: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Await(id, patience); d.Status != orchestrator.StatusSucceeded {
		t.Fatalf("the deployment is %s: %s", d.Status, d.Error)
	}
	made, err := os.ReadDir(world)
	if err != nil || len(made) != nodes {
		t.Errorf("%d files were made, want %d (%v)", len(made), nodes, err)
	}
}
