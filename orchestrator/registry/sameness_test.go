// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"slices"
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
		change func(v []registry.OutputValue) []registry.OutputValue
		want   []string
		reason string
	}{
		"same": {slices.Clone[[]registry.OutputValue], nil, "nothing has changed"},
		"secret": {func(v []registry.OutputValue) []registry.OutputValue {
			v[1].Value = "another"
			return v
		}, []string{sample()[1].Name}, "a secret counts"},
		"inside": {func(v []registry.OutputValue) []registry.OutputValue {
			v[2].Value = map[string]any{"root": "x", "n": 2}
			return v
		}, []string{sample()[2].Name}, "so does one deep inside"},
		"clear": {func(v []registry.OutputValue) []registry.OutputValue {
			v[0].Value = "elsewhere"
			return v
		}, []string{sample()[0].Name}, "so does what is clear"},
		"written": {func(v []registry.OutputValue) []registry.OutputValue {
			v[2].Value = map[string]any{"root": canary, "n": 2}
			return v
		}, nil, "how a number is held does not"},
		"missing": {func(v []registry.OutputValue) []registry.OutputValue {
			return v[1:]
		}, []string{sample()[0].Name}, "what is given no more is another"},
		"added": {func(v []registry.OutputValue) []registry.OutputValue {
			return append(v, registry.OutputValue{Name: "added"})
		}, []string{"added"}, "so is what is given beside, though it is empty"},
	} {
		now := tc.change(sample())
		since, err := f.ChangedInputs(t.Context(), run, sealed, now)
		f.must(err)
		between, err := registry.ChangedValues(sample(), now)
		f.must(err)
		if !slices.Equal(since, tc.want) || !slices.Equal(between, tc.want) {
			t.Errorf("%s: %s: got %v and %v, not %v", name, tc.reason, since, between, tc.want)
		}
	}
	run.Deployment = "alpha/shop/staging/2"
	if _, err := f.ChangedInputs(t.Context(), run, sealed, sample()); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("what was sealed for another deployment: %v", err)
	}
}
