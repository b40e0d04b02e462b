// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"strings"
	"testing"

	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// TestSealedInputs: what was given before is told from anything else, secrets
// included, and what is stored for that tells nobody anything.
func TestSealedInputs(t *testing.T) {
	t.Parallel()
	f := open(t)
	run := orchestrator.NodeRun{Deployment: "alpha/shop/staging/1", Node: node}
	seal := func() string {
		sealed, err := f.SealInputs(t.Context(), run, sample())
		f.must(err)
		return sealed
	}
	sealed := seal()
	plain, err := canonical.Digest(sample())
	f.must(err)
	if strings.Contains(sealed, plain) || sealed == seal() {
		t.Error("what is stored can be compared with a guess")
	}
	for name, tc := range map[string]struct {
		change func(v []registry.OutputValue)
		same   bool
		reason string
	}{
		"same":    {func([]registry.OutputValue) {}, true, "nothing has changed"},
		"secret":  {func(v []registry.OutputValue) { v[1].Value = "another" }, false, "a secret counts"},
		"inside":  {func(v []registry.OutputValue) { v[2].Value = map[string]any{"root": "x", "n": 2} }, false, "so does one deep inside"},
		"clear":   {func(v []registry.OutputValue) { v[0].Value = "elsewhere" }, false, "so does what is clear"},
		"written": {func(v []registry.OutputValue) { v[2].Value = map[string]any{"root": canary, "n": 2} }, true, "how a number is held does not"},
	} {
		now := sample()
		tc.change(now)
		same, err := f.SameInputs(t.Context(), run, sealed, now)
		f.must(err)
		alike, err := registry.SameValues(sample(), now)
		f.must(err)
		if same != tc.same || alike != tc.same {
			t.Errorf("%s: %s: got %t and %t", name, tc.reason, same, alike)
		}
	}
	run.Deployment = "alpha/shop/staging/2"
	if _, err := f.SameInputs(t.Context(), run, sealed, sample()); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("what was sealed for another deployment: %v", err)
	}
}
