// SPDX-License-Identifier: Apache-2.0

package location_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/activities/secret/location"
	"github.com/HatiCode/nestor/internal/secretref"
)

func TestPrefix(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"nestor/{team}/":         "nestor/alpha/db",
		"/nestor/{team}":         "nestor/alpha/db",
		"{team}":                 "alpha/db",
		"secret/{team}/nestor.x": "secret/alpha/nestor.x/db",
		"nestor/":                "", // all teams would share it
		"nestor-{team}/":         "", // alpha-x's begins with alpha's
		"{team}/{team}/":         "",
		"nestor/../{team}/":      "",
		"nestor//{team}/":        "",
		"nestor/%s/{team}/":      "",
		"":                       "",
	} {
		p, err := location.NewPrefix(template)
		if (err != nil) != (want == "") {
			t.Errorf("%q: %v", template, err)
			continue
		}
		if err == nil && p.Of(secretref.Reference{Owner: "alpha", Path: "db"}) != want {
			t.Errorf("%q leads to %q, want %q", template, p.Of(secretref.Reference{Owner: "alpha", Path: "db"}), want)
		}
	}
}

func TestNamespace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ template, platform, owner, want, reason string }{
		"team":           {"team-{team}", "nestor-platform", "alpha", "team-alpha", "a team's own"},
		"platform":       {"team-{team}", "nestor-platform", secretref.Platform, "nestor-platform", "the platform's own"},
		"called so":      {"nestor-{team}", "nestor-platform", "platform", "", "a team's name must not lead to the platform's namespace"},
		"Kubernetes'":    {"{team}", "nestor-platform", "kube-system", "", "the cluster's own Secrets are nobody's"},
		"too long":       {"team-{team}", "nestor-platform", strings.Repeat("a", 60), "", "no namespace has such a name"},
		"no placeholder": {"teams", "nestor-platform", "alpha", "", "all teams would share it"},
		"capitals":       {"Team-{team}", "nestor-platform", "alpha", "", "no namespace has such a name"},
		"no platform":    {"team-{team}", "", "alpha", "", "the platform's must be known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := location.NewNamespace(tc.template, tc.platform)
			got := ""
			if err == nil {
				got, err = n.Of(tc.owner)
			}
			if got != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("%s: got %q, %v; want %q", tc.reason, got, err, tc.want)
			}
		})
	}
}

// TestNoPlaceHasTwoOwners draws teams whose names are alike, and whatever
// paths their references may have.
func TestNoPlaceHasTwoOwners(t *testing.T) {
	t.Parallel()
	team := rapid.StringMatching(`[ab](-{0,2}[ab]){0,3}`)
	path := rapid.StringMatching(`[ab-]{1,3}(/[ab-]{1,3}){0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		one, two := team.Draw(t, "one"), team.Draw(t, "two")
		if one == two {
			return
		}
		p, err := location.NewPrefix("nestor/{team}/")
		if err != nil {
			t.Fatal(err)
		}
		first := p.Of(secretref.Reference{Owner: one, Path: path.Draw(t, "first")})
		if second := p.Of(secretref.Reference{Owner: two, Path: path.Draw(t, "second")}); first == second {
			t.Fatalf("%s is of both %s and %s", first, one, two)
		}
		n, err := location.NewNamespace("a-{team}-b", "nestor-platform")
		if err != nil {
			t.Fatal(err)
		}
		here, _ := n.Of(one)
		if there, _ := n.Of(two); here == there {
			t.Fatalf("%s is of both %s and %s", here, one, two)
		}
	})
}
