// SPDX-License-Identifier: Apache-2.0

package dev_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/dev"
)

// nowhere is a PATH without programs.
func nowhere(string) (string, error) { return "", exec.ErrNotFound }

// TestRunNamesMissingTools: one error names everything that a cluster lacks, and
// one command that makes it.
func TestRunNamesMissingTools(t *testing.T) {
	t.Parallel()
	all := []string{
		"etcd", "kube-apiserver", "kube-controller-manager", "kwok", "crossplane-v1",
		"crossplane-provider-kubernetes", "crossplane-function-patch-and-transform", "minio",
	}
	for name, test := range map[string]struct {
		reason   string
		cluster  dev.Kubernetes
		present  []string
		programs []string
		crds     []string
		cure     string
	}{
		"everything": {
			"nothing is built",
			dev.Kubernetes{Local: true, Crossplane: "v1"},
			nil, all,
			[]string{"crossplane-v1", "crossplane-provider-kubernetes"},
			"tools/build crossplane-function-patch-and-transform crossplane-provider-kubernetes crossplane-v1 etcd kubernetes kwok minio`",
		},
		"one of two of a tool": {
			"the tool is named once",
			dev.Kubernetes{Local: true},
			[]string{"etcd", "kube-apiserver", "kwok", "minio"},
			[]string{"kube-controller-manager"},
			nil, "tools/build kubernetes`",
		},
		"CRDs": {
			"the programs alone are not enough",
			dev.Kubernetes{Local: true, Crossplane: "v1"},
			append(slices.Clone(all), "crds/crossplane-v1/"), nil,
			[]string{"crossplane-provider-kubernetes"},
			"tools/build crossplane-provider-kubernetes`",
		},
		"object store": {
			"a cluster that is there already needs nothing else",
			dev.Kubernetes{Kubeconfig: "config"},
			nil,
			[]string{"minio"},
			nil, "tools/build minio`",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, func(o *dev.Options) {
				o.Kubernetes, o.Search.LookPath = test.cluster, nowhere
				for _, program := range test.present {
					present(t, filepath.Join(o.Search.Dirs[0], program), strings.HasSuffix(program, "/"))
				}
			})
			err := p.end(t)
			var missing *dev.MissingToolsError
			if !errors.As(err, &missing) {
				t.Fatalf("%s: got %v", test.reason, err)
			}
			if diff := cmp.Diff(test.programs, missing.Programs); diff != "" {
				t.Errorf("%s: programs (-want +got):\n%s", test.reason, diff)
			}
			if diff := cmp.Diff(test.crds, missing.CRDs); diff != "" {
				t.Errorf("%s: CRDs (-want +got):\n%s", test.reason, diff)
			}
			for _, want := range append(slices.Clone(test.programs), test.cure, "make tools", p.options.Search.Dirs[0]) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q does not name %q", test.reason, err, want)
				}
			}
		})
	}
}

// present makes a program, or a folder.
func present(t *testing.T, path string, folder bool) {
	t.Helper()
	if folder {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestRunRefusesKubeconfig: what is wrong with a given file is said before
// anything is started.
func TestRunRefusesKubeconfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason, content string
		want            []string
	}{
		"missing":    {"the cure is named", "", []string{"no such file", "--kubeconfig", "--kubernetes"}},
		"not one":    {"some other file", "name: x", []string{"it is no kubeconfig", "names no clusters"}},
		"damaged":    {"no YAML at all", "{{", []string{"it is no kubeconfig"}},
		"no context": {"which cluster is meant?", "clusters: [{name: a, cluster: {server: x}}]", []string{"no current context", "use-context"}},
		"dangling": {
			"the context leads nowhere",
			"current-context: b\nclusters: [{name: a, cluster: {server: x}}]\ncontexts: [{name: b, context: {cluster: c}}]",
			[]string{`current context "b" leads to no cluster`},
		},
		"file gone": {
			"what it refers to is read", "current-context: a\nclusters: [{name: a, cluster: {server: x, certificate-authority: gone.crt}}]",
			[]string{`cluster "a"`, "certificate-authority", "gone.crt"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config")
			if test.content != "" {
				if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := run(t, func(o *dev.Options) {
				o.Kubernetes = dev.Kubernetes{Kubeconfig: path}
				present(t, filepath.Join(o.Search.Dirs[0], "minio"), false)
			})
			err := p.end(t)
			if err == nil {
				t.Fatalf("%s: no error", test.reason)
			}
			for _, want := range append(test.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q does not name %q", test.reason, err, want)
				}
			}
			if told := readJournal(t, p.options.DataDir); len(told) > 0 {
				t.Errorf("%s: %v were started", test.reason, told)
			}
		})
	}
}

// TestCommandRefuses checks flags that contradict each other.
func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason string
		args   []string
		want   []string
	}{
		"unknown": {"a version that there is not", []string{"--kubernetes", "--crossplane", "v3"}, []string{`"v3"`, "v1, v2 or none"}},
		"alone":   {"it would do nothing", []string{"--crossplane", "v1"}, []string{"--crossplane", "--kubernetes"}},
		"two":     {"that cluster has a Crossplane or not", []string{"--kubeconfig", "x", "--crossplane", "v1"}, []string{"--crossplane", "--kubeconfig"}},
		"port":    {"that cluster has its port", []string{"--kubeconfig", "x", "--kubernetes-port", "1"}, []string{"--kubernetes-port", "--kubeconfig"}},
		"no file": {"an unset variable in a script", []string{"--kubeconfig", ""}, []string{"--kubeconfig names no file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := dev.NewCommand(&cli.Factory{})
			command.SetArgs(test.args)
			command.SilenceErrors, command.SilenceUsage = true, true
			err := command.Execute()
			if err == nil {
				t.Fatalf("%s: no error", test.reason)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q does not name %q", test.reason, err, want)
				}
			}
		})
	}
}
