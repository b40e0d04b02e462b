// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// forgotten: a node whose state was lost, and of which somebody says that nothing
// recorded holds. A deployment that fails takes back what it made of it, and the
// next one makes it.
func forgotten(s *site) {
	s.wantStatus(s.Await(s.apply(s.release(nil)), patience), orchestrator.StatusSucceeded)
	created := s.effects()
	s.loseState("web.database")
	d := s.Await(s.apply(s.release(nil)), patience)
	if d.Status == orchestrator.StatusSucceeded || !strings.Contains(d.Error, "nestor forget web.database --env staging") {
		s.t.Errorf("a lost state: %s (%s)", d.Status, d.Error)
	}
	s.wantEffects(created)
	_, err := s.Registry.Forget(s.t.Context(), registry.Statement{
		Scope: s.scope("staging"), Node: "web.database", Principal: "user:ada", Reason: "its state was lost",
	})
	s.must(err)

	d = s.Await(s.apply(s.release(map[string]string{"fail": "true"})), patience)
	s.wantStatus(d, orchestrator.StatusRolledBack)
	s.wantEffects(append(created, "create web-database", "destroy web-database"))
	head, err := s.Registry.Head(s.t.Context(), s.scope("staging"), "web.database")
	s.must(err)
	if !head.Forgotten || head.InputsRef != "" {
		s.t.Errorf("it is not forgotten again: %+v", head)
	}

	s.wantStatus(s.Await(s.apply(s.release(nil)), patience), orchestrator.StatusSucceeded)
	s.wantEffects(append(created, "create web-database", "destroy web-database", "create web-database"))
	s.wantOutputs("staging", "web.database", map[string]any{"address": "web-database:1", "upstream": "", "secret": nil})

	_, err = s.Registry.Forget(s.t.Context(), registry.Statement{
		Scope: s.scope("staging"), Node: "web.deployment", Principal: "user:ada", Reason: "it was removed by hand", Gone: true,
	})
	s.must(err)
	s.wantDrift(s.drift(false), orchestrator.DriftDrifted, "web.deployment missing")
}

// loseState removes a node's state.
func (s *site) loseState(node string) {
	s.t.Helper()
	lost := 0
	s.must(filepath.WalkDir(filepath.Join(s.Config.DataDir, "state"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !strings.Contains(path, node) {
			return err
		}
		lost++
		return os.Remove(path)
	}))
	if lost == 0 {
		s.t.Fatalf("there is no state of %s", node)
	}
}
