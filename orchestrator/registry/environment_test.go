// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func environment(name, after string) orchestrator.Environment {
	return orchestrator.Environment{
		APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
		Metadata: orchestrator.EnvironmentMetadata{Name: name},
		Spec:     orchestrator.EnvironmentSpec{Provider: "local", Engines: []string{"tiny"}, After: after},
	}
}

func (f *fixture) push(name, after string) {
	f.tb.Helper()
	_, err := f.PutEnvironment(f.tb.Context(), ada, environment(name, after), -1)
	f.must(err)
}

func TestEnvironmentsInPipelineOrder(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.push("sandbox", "")
	f.push("dev", "")
	f.push("staging", "dev")
	f.push("production", "staging")
	f.push("canary", "staging")
	all, err := f.ListEnvironments(t.Context())
	f.must(err)
	var names []string
	for _, e := range all {
		names = append(names, e.Metadata.Name)
	}
	want := []string{"dev", "sandbox", "staging", "canary", "production"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestPipelineRefusals(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.push("dev", "")
	f.push("staging", "dev")
	f.push("production", "staging")
	for name, tc := range map[string]struct {
		environment orchestrator.Environment
		want        string
		reason      string
	}{
		"unknown": {environment("qa", "nowhere"), `"nowhere", which does not exist`, "the predecessor must be there first"},
		"itself":  {environment("qa", "qa"), "qa after qa", "an environment after itself"},
		"cycle":   {environment("dev", "production"), "dev after production after staging after dev", "the cycle is printed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := f.PutEnvironment(t.Context(), ada, tc.environment, -1)
			if !errors.Is(err, registry.ErrPipeline) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: got %v", tc.reason, err)
			}
			if stored, _, err := f.GetEnvironment(t.Context(), "dev"); err != nil || stored.Spec.After != "" {
				t.Errorf("%s: dev is now %+v, %v", tc.reason, stored, err)
			}
		})
	}
}

func TestTwoEnvironmentsAfterEachOther(t *testing.T) {
	t.Parallel()
	for range 10 {
		f := open(t)
		f.push("east", "")
		f.push("west", "")
		results := make([]error, 2)
		var g errgroup.Group
		for i, e := range []orchestrator.Environment{environment("east", "west"), environment("west", "east")} {
			g.Go(func() error {
				_, results[i] = f.PutEnvironment(t.Context(), ada, e, -1)
				return nil
			})
		}
		f.must(g.Wait())
		if (results[0] == nil) == (results[1] == nil) {
			t.Fatalf("one of them closes a cycle and must be refused: %v, %v", results[0], results[1])
		}
		if refused := errors.Join(results...); !errors.Is(refused, registry.ErrPipeline) {
			t.Errorf("the refused one: %v", refused)
		}
		if all, err := f.ListEnvironments(t.Context()); err != nil || len(all) != 2 {
			t.Errorf("environments: %v %v", all, err)
		}
	}
}

func TestEnvironmentRevisions(t *testing.T) {
	t.Parallel()
	f := open(t)
	put := func(condition int64, region string) (int64, error) {
		e := environment("staging", "")
		e.Spec.Region = region
		return f.PutEnvironment(t.Context(), ada, e, condition)
	}
	if _, err := put(3, "nowhere"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a revision of nothing: %v", err)
	}
	for i, condition := range []int64{0, 1, -1} {
		if revision, err := put(condition, "ok"); err != nil || revision != int64(i+1) {
			t.Errorf("condition %d: revision %d, %v", condition, revision, err)
		}
	}
	for _, condition := range []int64{0, 1, 9} {
		if _, err := put(condition, "lost"); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "environment staging") {
			t.Errorf("condition %d does not hold: %v", condition, err)
		}
	}
	e, revision, err := f.GetEnvironment(t.Context(), "staging")
	if err != nil || revision != 3 || e.Spec.Region != "ok" {
		t.Errorf("at the end: %+v, revision %d, %v", e, revision, err)
	}
	if _, _, err := f.GetEnvironment(t.Context(), "qa"); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "environment qa") {
		t.Errorf("no such environment: %v", err)
	}
}
