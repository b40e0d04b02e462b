// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
)

// published makes versions of a definition; a version that ends in "!" is
// deprecated.
func published(name, provider string, versions ...string) []catalog.Published {
	var out []catalog.Published
	for _, v := range versions {
		version, deprecated := strings.CutSuffix(v, "!")
		p := catalog.Published{
			Definition: catalog.Definition{
				APIVersion: catalog.APIVersion, Kind: catalog.Kind,
				Metadata: catalog.Metadata{Name: name, Version: version},
				Spec:     catalog.Spec{Provider: provider, Category: "c", ResourceType: "mysql", Engines: []string{"fake"}},
			},
			Digest: "sha256:" + name + version,
		}
		if deprecated {
			p.Deprecated = "use a newer one"
		}
		out = append(out, p)
	}
	return out
}

func TestResolve(t *testing.T) {
	t.Parallel()
	stable := []string{"1.10.0", "1.2.0", "1.2.3", "2.0.0", "2.1.0-rc.1", "0.9.0"}
	tests := map[string]struct {
		reason   string
		versions []string
		rng      string
		want     string
	}{
		"latest":               {"by semver, not by text; pre-releases skipped", stable, "", "2.0.0"},
		"latest by name":       {"the word means the same", stable, "latest", "2.0.0"},
		"caret":                {"same major", stable, "^1.2", "1.10.0"},
		"tilde":                {"same minor", stable, "~1.2.0", "1.2.3"},
		"both ends":            {"two comparisons", stable, ">=1 <2", "1.10.0"},
		"comma":                {"with a comma", stable, ">=1.0, <1.10", "1.2.3"},
		"partial":              {"a part stands for all below it", stable, "1.2", "1.2.3"},
		"wildcard":             {"an x too", stable, "1.x", "1.10.0"},
		"or":                   {"alternatives", stable, "0.9 || ~1.2", "1.2.3"},
		"exact":                {"named", stable, "1.2.0", "1.2.0"},
		"exact with equals":    {"named", stable, "=1.2.0", "1.2.0"},
		"exact pre-release":    {"named exactly", stable, "2.1.0-rc.1", "2.1.0-rc.1"},
		"range pre-release":    {"the range names one", stable, "^2.1.0-rc.0", "2.1.0-rc.1"},
		"range without":        {"the range names none", stable, ">=2", "2.0.0"},
		"deprecated avoided":   {"an older one is better", []string{"1.0.0", "1.1.0!"}, "^1", "1.0.0"},
		"deprecated latest":    {"for latest too", []string{"1.0.0", "1.1.0!"}, "", "1.0.0"},
		"deprecated exact":     {"named exactly", []string{"1.0.0", "1.1.0!"}, "1.1.0", "1.1.0"},
		"deprecated only":      {"nothing else is in the range", []string{"1.0.0!", "1.1.0!", "2.0.0"}, "^1", "1.1.0"},
		"deprecated pre-final": {"a deprecated release before a pre-release", []string{"1.0.0!", "1.1.0-rc.1"}, "", "1.0.0"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := catalog.Resolve(tc.rng, published("db", "aws", tc.versions...))
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if got.Definition.Metadata.Version != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, got.Definition.Metadata.Version, tc.want)
			}
		})
	}
}

func TestResolveFails(t *testing.T) {
	t.Parallel()
	var many []string
	for _, v := range "0123456789abcdef"[:13] {
		many = append(many, "1.0.0-"+string(v))
	}
	tests := map[string]struct {
		reason   string
		versions []string
		rng      string
		want     string
	}{
		"no version":       {"says what there is, newest first", []string{"1.0.0", "1.10.0", "1.9.0!"}, "^2", `db has no version for "^2"; there are 1.10.0, 1.9.0, 1.0.0`},
		"only pre-release": {"says why latest finds none", []string{"1.0.0-a", "1.0.0-b"}, "", "db has only pre-releases: 1.0.0-b, 1.0.0-a; name one exactly"},
		"many":             {"a long list is cut", many, "^2", " and 3 older"},
		"no range":         {"shows how to write one", []string{"1.0.0"}, "newest", `"newest" is not a version range; write one such as 1.2.3, ^1.2, ~1.2.3 or ">=1 <2"`},
		"long range":       {"no work for nonsense", []string{"1.0.0"}, strings.Repeat("1 ||", 1000), "is not a version range"},
		"nothing":          {"nothing is published", nil, "", "no version is published: not in the catalog"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := catalog.Resolve(tc.rng, published("db", "aws", tc.versions...))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%s:\n got %v\nwant %s", tc.reason, err, tc.want)
			}
			var rangeError *catalog.RangeError
			if !errors.Is(err, catalog.ErrNotFound) && !errors.As(err, &rangeError) {
				t.Errorf("%s: %T is neither ErrNotFound nor *RangeError", tc.reason, err)
			}
		})
	}
}

func TestSplitRef(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason, ref, name, rng, err string
	}{
		"name":        {"no range", "aws-rds-mysql", "aws-rds-mysql", "", ""},
		"range":       {"with one", "aws-rds-mysql@^1.2", "aws-rds-mysql", "^1.2", ""},
		"spaces":      {"a range may hold spaces", "db@>=1 <2", "db", ">=1 <2", ""},
		"empty range": {"probably a slip", "db@", "", "", `reference "db@" has an empty range; write "db" for the latest version`},
		"no name":     {"a name is needed", "@1", "", "", "definition name is missing"},
		"bad name":    {"a path is no name", "../db@1", "", "", `definition name "../db" is not a DNS label`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, rng, err := catalog.SplitRef(tc.ref)
			if got != tc.name || rng != tc.rng || (err == nil) != (tc.err == "") {
				t.Fatalf("%s: got %q, %q, %v", tc.reason, got, rng, err)
			}
			if err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s:\n got %v\nwant %s", tc.reason, err, tc.err)
			}
		})
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	var all []catalog.Published
	all = append(all, published("mysql", "aws", "2.0.0", "1.0.0")...)
	all = append(all, published("cloudsql", "gcp", "1.0.0")...)
	all = append(all, published("beta", "aws", "1.0.0-a", "1.0.0-b")...)
	s := catalog.NewSnapshot(all)
	if diff := cmp.Diff([]string{"beta", "cloudsql", "mysql"}, s.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if p, err := s.Resolve("mysql@^1"); err != nil || p.Definition.Ref() != "mysql@1.0.0" {
		t.Errorf("mysql@^1 is %s, %v", p.Definition.Ref(), err)
	}
	_, err := s.Resolve("msyql")
	var unknown *catalog.UnknownDefinitionError
	if !errors.As(err, &unknown) || !errors.Is(err, catalog.ErrNotFound) || err.Error() != `the catalog has no definition "msyql"; did you mean "mysql"?` {
		t.Errorf("unknown name: %v", err)
	}
	var refs []string
	for _, p := range s.FindByType("aws", "mysql") {
		refs = append(refs, p.Definition.Ref())
	}
	if diff := cmp.Diff([]string{"beta@1.0.0-a", "beta@1.0.0-b", "mysql@1.0.0", "mysql@2.0.0"}, refs); diff != "" {
		t.Errorf("by type (-want +got):\n%s", diff)
	}
	if p, ok := s.ByDigest("sha256:cloudsql1.0.0"); !ok || p.Definition.Metadata.Name != "cloudsql" {
		t.Errorf("by digest: %t", ok)
	}
	if p, ok := s.Preferred("beta"); !ok || p.Definition.Metadata.Version != "1.0.0-b" {
		t.Errorf("preferred of pre-releases alone: %s, %t", p.Definition.Ref(), ok)
	}
	only := s.Only("beta", "nothing")
	if diff := cmp.Diff([]string{"beta"}, only.Names()); diff != "" {
		t.Errorf("only (-want +got):\n%s", diff)
	}
	if _, ok := only.ByDigest("sha256:cloudsql1.0.0"); ok {
		t.Error("only beta still knows another's digest")
	}
	var empty catalog.Snapshot
	if _, err := empty.Resolve("mysql"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the empty snapshot: %v", err)
	}
}
