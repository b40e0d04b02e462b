// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got any) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test ./composer -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

// TestGolden fixes releases and graphs, digests included: if one changes, every
// stored release and every head's graph digest is at stake, and ADR 0009 says
// what to do.
func TestGolden(t *testing.T) {
	t.Parallel()
	claimed := claim("web", "stack", "replicas=2")
	claimed.Environments = map[string]map[string]string{"production": {"replicas": "5"}}
	tests := map[string]struct {
		composition string
		claim       composer.Claim
	}{
		"web-app": {webApp, claim("web-app", "web-app", "size=small", "replicas=3")},
		"stack":   {stack, claimed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustParse(t, tc.composition)
			in := releaseInput(byName(c), tc.claim)
			r, err := composer.NewRelease(in)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".release.json", r)
			for _, env := range in.Environments {
				g, err := composer.NewGraph(composer.GraphInput{Release: r, Environment: env, Compositions: byDigest(t, c), Definitions: in.Catalog})
				if err != nil {
					t.Fatal(err)
				}
				golden(t, name+"."+env.Name+".json", g)
				again := roundTrip(t, r)
				h, err := composer.NewGraph(composer.GraphInput{
					Release: again, Environment: env, Compositions: byDigest(t, roundTrip(t, c)),
					Definitions: catalog.NewSnapshot(roundTrip(t, published())),
				})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(g, h); diff != "" {
					t.Errorf("a release that went through JSON gives another graph:\n%s", diff)
				}
			}
		})
	}
}

// roundTrip is v as a store gives it back.
func roundTrip[T any](t *testing.T, v T) T {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
