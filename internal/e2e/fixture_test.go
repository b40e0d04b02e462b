// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workers"
)

// canary is a secret that must be found nowhere in clear.
const canary = "canary-5b1f0c"

// site is a platform with the test catalog, one composition and two
// environments, and a ledger of what OpenTofu did.
type site struct {
	*testplatform.Platform
	t                 *testing.T
	team, application string
	ledger            string
}

// errNotYet is what a condition says that does not hold so far.
var errNotYet = errors.New("not yet")

// newSite makes a site in the Temporal namespace of the application's name.
func newSite(t *testing.T, temporal *testplatform.Temporal, application string) *site {
	t.Helper()
	return newSiteOn(t, testplatform.New(t, temporal, application), application)
}

// newSiteOn is newSite on a platform that is there already.
func newSiteOn(t *testing.T, p *testplatform.Platform, application string) *site {
	t.Helper()
	p.Config.Roles = []string{workers.RoleControl, workers.RoleTerraform}
	p.Config.Slots = 8
	s := &site{Platform: p, t: t, team: "alpha", application: application, ledger: filepath.Join(t.TempDir(), "ledger")}
	s.publish()
	s.environments()
	return s
}

func (s *site) publish() {
	s.t.Helper()
	ctx := s.t.Context()
	definitions, err := catalog.ParseDefinitions("ledger.yaml", s.read("catalog/ledger.yaml"))
	s.must(err)
	files, err := bundle.Pack(os.DirFS("testdata/catalog"), []string{"modules/ledger"})
	s.must(err)
	_, _, err = s.Catalog.Publish(ctx, "user:platform", definitions[0], files)
	s.must(err)
	compositions, err := composer.ParseComposition("stack.yaml", s.read("stack.yaml"))
	s.must(err)
	_, _, err = s.Compositions.PutComposition(ctx, "user:alpha", compositions[0], -1)
	s.must(err)
}

func (s *site) environments() {
	s.t.Helper()
	for _, e := range []struct{ name, after string }{{"staging", ""}, {"production", "staging"}} {
		_, err := s.Registry.PutEnvironment(s.t.Context(), "user:platform", orchestrator.Environment{
			APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
			Metadata: orchestrator.EnvironmentMetadata{Name: e.name},
			Spec:     orchestrator.EnvironmentSpec{Provider: "aws", Engines: []string{"terraform"}, After: e.after},
		}, -1)
		s.must(err)
	}
}

func (s *site) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	s.must(err)
	return data
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// release makes a release of the application "shop" with one instance "web".
func (s *site) release(params map[string]string) composer.Release {
	s.t.Helper()
	all := map[string]string{"ledger": s.ledger}
	for k, v := range params {
		all[k] = v
	}
	r, _, err := s.Compiler.CreateRelease(s.t.Context(), "user:ada", compile.ReleaseRequest{
		Team: s.team, Application: s.application,
		Claims: []composer.Claim{{Instance: "web", Composition: "stack", Parameters: all, File: "main.go", Line: 1}},
	})
	s.must(err)
	return r
}

func (s *site) scope(environment string) orchestrator.Scope {
	return orchestrator.Scope{Team: s.team, Application: s.application, Environment: environment}
}

// apply asks for a deployment to staging and returns its id.
func (s *site) apply(r composer.Release) string {
	s.t.Helper()
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindApply, Release: r.Digest, AutoApprove: true,
	})
	s.must(err)
	return id
}

// effects are the ledger's lines, in order.
func (s *site) effects() []string {
	s.t.Helper()
	data, err := os.ReadFile(s.ledger)
	if os.IsNotExist(err) {
		return nil
	}
	s.must(err)
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

func (s *site) wantEffects(want []string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.effects()); diff != "" {
		s.t.Errorf("side effects (-want +got):\n%s", diff)
	}
}

// wantNoDuplicate fails when anything was created while it was there already.
func (s *site) wantNoDuplicate() {
	s.t.Helper()
	there := map[string]bool{}
	for _, line := range s.effects() {
		verb, name, _ := strings.Cut(line, " ")
		if verb == "create" && there[name] {
			s.t.Errorf("%s was created twice: %v", name, s.effects())
		}
		there[name] = verb == "create"
	}
}

// hold makes a file that holds the deployment node's creation up.
func (s *site) hold() string {
	s.t.Helper()
	path := s.ledger + ".hold"
	s.must(os.WriteFile(path, nil, 0o600))
	return path
}

func (s *site) letGo() {
	s.t.Helper()
	s.must(os.Remove(s.ledger + ".hold"))
}

func (s *site) eventuallyEffect(line string) {
	s.t.Helper()
	testplatform.Eventually(s.t, patience, "the side effect "+line, func() error {
		if slices.Contains(s.effects(), line) {
			return nil
		}
		return errNotYet
	})
}

// outputs of a node, sensitive ones as nil.
func (s *site) outputs(environment, node string) map[string]any {
	s.t.Helper()
	head, err := s.Registry.Head(s.t.Context(), s.scope(environment), node)
	s.must(err)
	values, err := s.Registry.Outputs(s.t.Context(), head)
	s.must(err)
	out := map[string]any{}
	for _, v := range values {
		out[v.Name] = v.Value
	}
	return out
}

func (s *site) wantStatus(d orchestrator.Deployment, want orchestrator.Status) {
	s.t.Helper()
	if d.Status != want {
		s.t.Fatalf("deployment %s ended %s (%s), want %s; residue %v", d.ID, d.Status, d.Error, want, d.Residue)
	}
}

func (s *site) wantOutputs(environment, node string, want map[string]any) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.outputs(environment, node)); diff != "" {
		s.t.Errorf("outputs of %s in %s (-want +got):\n%s", node, environment, diff)
	}
}
