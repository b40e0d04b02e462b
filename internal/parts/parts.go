// SPDX-License-Identifier: Apache-2.0

// Package parts finds the real programs that tests run against: the ones that
// `make tools` builds into bin/. It never skips a test: a part that is missing
// fails it, and the message says how to get it.
//
// It is for tests alone; the product finds its programs by itself.
package parts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// MirrorHost is the made-up host name of the providers in Mirror. A module asks
// for them as MirrorHost + "/hashicorp/local".
const MirrorHost = "mirror.nestor.internal"

// Temporal is the path of the Temporal CLI, which holds the dev server.
func Temporal(tb testing.TB) string { tb.Helper(); return Program(tb, "temporal") }

// OpenTofu is the path of the pinned OpenTofu.
func OpenTofu(tb testing.TB) string { tb.Helper(); return Program(tb, "tofu") }

// Program is the path of a program in bin/.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join(Bin(tb), name)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		tb.Fatalf("the test needs %s, which is not there; run `make build tools`", path)
	}
	return path
}

// Mirror is the directory of the provider mirror.
func Mirror(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(Bin(tb), "mirror")
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		tb.Fatalf("the test needs %s, which is not there; run `make build tools`", path)
	}
	return path
}

// PulumiProvider is a directory with the Pulumi provider of the examples, built for
// the test; without debug information, which takes the linker most of its time.
func PulumiProvider(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	//nolint:gosec // the repository's own package
	build := exec.CommandContext(tb.Context(), "go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "pulumi-resource-kube"), "./examples/pulumi-provider")
	build.Dir = Root(tb)
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build the Pulumi provider of the examples: %v\n%s", err, out)
	}
	return dir
}

// Bin is the repository's bin/.
func Bin(tb testing.TB) string { tb.Helper(); return filepath.Join(Root(tb), "bin") }

// Root is the repository's root: the nearest folder above the test that holds
// the Makefile beside a go.mod.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		_, noMod := os.Stat(filepath.Join(dir, "go.mod"))
		_, noMake := os.Stat(filepath.Join(dir, "Makefile"))
		if noMod == nil && noMake == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("the test does not run inside the repository")
		}
		dir = parent
	}
}
