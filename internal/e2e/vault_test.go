// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"os"
	"testing"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workers"
)

// TestRollbackOfOpenTofu: a store that a deployment has replaced gets back what it
// held when somebody goes back, as the plan has said, and nothing beyond the plan.
func TestRollbackOfOpenTofu(t *testing.T) {
	t.Parallel()
	s := newVault(t)
	s.wantStatus(s.Await(s.apply(s.vault("1", "first")), patience), orchestrator.StatusSucceeded)
	older := s.vault("1", "second") // what it is made with is another; what it holds is not
	s.wantStatus(s.Await(s.apply(older), patience), orchestrator.StatusSucceeded)
	s.wantHeld("first")
	s.wantStatus(s.Await(s.apply(s.vault("2", "second")), patience), orchestrator.StatusSucceeded)
	s.wantHeld("second")

	plan := s.Plan(compile.PlanRequest{Scope: s.scope("staging"), Kind: orchestrator.KindRollback, Release: older.Digest})
	from := plan.Nodes[0].Restore
	if from == nil || from.Snapshot != s.scope("staging").String()+"/web.store.snapshot-3" || from.Release != older.Digest {
		t.Fatalf("the plan restores it from %+v", from)
	}
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindRollback, Release: older.Digest, PlanID: plan.ID,
	})
	s.must(err)
	s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)
	s.wantHeld("first")
}

// newVault is a site with a store that its definition saves first.
func newVault(t *testing.T) *site {
	t.Helper()
	s := &site{
		Platform: testplatform.New(t, testplatform.StartTemporal(t, "vault"), "vault"),
		t:        t, team: "alpha", application: "vault",
	}
	s.Config.Roles, s.Config.Slots = []string{workers.RoleControl, workers.RoleTerraform}, 2
	definitions, err := catalog.ParseDefinitions("vault.yaml", s.read("catalog/vault.yaml"))
	s.must(err)
	files, err := bundle.Pack(os.DirFS("testdata/catalog"), []string{"modules/vault", "modules/vault-copy"})
	s.must(err)
	_, _, err = s.Catalog.Publish(t.Context(), "user:platform", definitions[0], files)
	s.must(err)
	compositions, err := composer.ParseComposition("vault.yaml", s.read("vault.yaml"))
	s.must(err)
	_, _, err = s.Compositions.PutComposition(t.Context(), "user:alpha", compositions[0], -1)
	s.must(err)
	s.environments()
	s.StartWorker()
	return s
}

// vault is a release of the store.
func (s *site) vault(level, content string) composer.Release {
	s.t.Helper()
	r, _, err := s.Compiler.CreateRelease(s.t.Context(), "user:ada", compile.ReleaseRequest{
		Team: s.team, Application: s.application, Claims: []composer.Claim{{
			Instance: "web", Composition: "vault", Parameters: map[string]string{"level": level, "content": content}, File: "main.go", Line: 1,
		}},
	})
	s.must(err)
	return r
}

func (s *site) wantHeld(want string) {
	s.t.Helper()
	head, err := s.Registry.Head(s.t.Context(), s.scope("staging"), "web.store")
	s.must(err)
	outputs, err := s.Registry.Outputs(s.t.Context(), head)
	s.must(err)
	if len(outputs) != 1 || outputs[0].Value != want {
		s.t.Fatalf("the store holds %+v, want %q", outputs, want)
	}
}
