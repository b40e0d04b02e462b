// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/internal/manifest"
)

// ReleaseInput is everything a release is made of.
type ReleaseInput struct {
	Team        string
	Application string
	Repository  string // URL or name; credentials in it are refused
	Commit      string
	Claims      []Claim
	// Compositions of the team, by name.
	Compositions map[string]Composition
	Catalog      *catalog.Snapshot
	Environments []EnvironmentSettings
	// Environment that is asked about: where the release can go to none, only
	// what is wrong there is said. Empty: what is wrong in any.
	Environment string
}

// NewRelease resolves an application and freezes it. The result depends on
// nothing but the input, not on the order of its lists and maps; CreatedBy and
// CreatedAt are left empty.
//
// An environment that the release cannot go to is named in Unbound with the
// reason. What is wrong in the claims themselves, or in every environment, is an
// error: manifest.Problems with the place of each annotation, all at once.
func NewRelease(in ReleaseInput) (Release, error) {
	b := &releaseBuilder{in: in}
	b.environments = slices.SortedFunc(slices.Values(in.Environments), func(x, y EnvironmentSettings) int {
		return cmp.Compare(x.Name, y.Name)
	})
	b.checkHead()
	b.checkClaims()
	if err := b.problems.OrNil(); err != nil {
		return Release{}, err
	}
	r := Release{
		SchemaVersion: ReleaseSchema, Team: in.Team, Application: in.Application,
		Repository: in.Repository, Commit: in.Commit,
		Claims: b.claims, Bindings: map[string]map[string]Binding{},
	}
	failed := map[string]manifest.Problems{}
	for _, env := range b.environments {
		bindings, problems := b.bind(env)
		if len(problems) > 0 {
			failed[env.Name] = problems.Sorted()
			continue
		}
		r.Bindings[env.Name] = bindings
	}
	if len(r.Bindings) == 0 {
		return Release{}, b.unbound(failed)
	}
	for _, env := range sortedKeys(failed) {
		if r.Unbound == nil {
			r.Unbound = map[string]string{}
		}
		r.Unbound[env] = reasonOf(failed[env])
	}
	digest, err := ReleaseDigest(r)
	if err != nil {
		return Release{}, err
	}
	r.Digest = digest
	return r, nil
}

// ReleaseDigest names a release by its content, as "sha256:<hex>". Digest,
// Unbound, CreatedBy and CreatedAt are no part of it.
func ReleaseDigest(r Release) (string, error) {
	r.Digest, r.Unbound, r.CreatedBy, r.CreatedAt = "", nil, "", time.Time{}
	digest, err := canonical.Digest(r)
	if err != nil {
		return "", fmt.Errorf("digest of the release of %s/%s: %w", r.Team, r.Application, err)
	}
	return digest, nil
}

type releaseBuilder struct {
	in           ReleaseInput
	environments []EnvironmentSettings // by name
	claims       []ResolvedClaim       // by instance
	pinned       map[string]Composition
	rules        map[string]paramRules // by composition digest
	problems     manifest.Problems
}

func (b *releaseBuilder) checkHead() {
	report := func(path, message, cure string) {
		b.problems = append(b.problems, manifest.Problem{Field: path, Message: message, Hint: cure})
	}
	checkName(report, "team", "team", b.in.Team)
	checkName(report, "application", "application", b.in.Application)
	if wrong := checkRepository(b.in.Repository); wrong != "" {
		report("repository", wrong, "give the address without credentials, such as https://git.example.com/team/app.git")
	}
	if len(b.environments) == 0 {
		report("", "there is no environment to release for", "the platform team creates one: nestor environment push FILE")
	}
	for i, env := range b.environments {
		checkName(report, "environments", "environment", env.Name)
		if i > 0 && b.environments[i-1].Name == env.Name {
			report("environments", fmt.Sprintf("environment %q is given twice", env.Name), "")
		}
	}
	if len(b.in.Claims) == 0 {
		report("", fmt.Sprintf("application %s has no annotation", b.in.Application), "write one such as //nestor:web-app size=small and run nestor generate")
	}
}

func claimProblem(c Claim, message, cure string) manifest.Problem {
	p := manifest.Problem{File: c.File, Line: c.Line, Message: message, Hint: cure}
	if c.Line > 0 {
		p.Column = 1
	}
	return p
}

func (b *releaseBuilder) checkClaims() {
	b.pinned, b.rules = map[string]Composition{}, map[string]paramRules{}
	first := map[string]Claim{}
	sorted := slices.SortedFunc(slices.Values(b.in.Claims), func(x, y Claim) int {
		return cmp.Or(cmp.Compare(x.Instance, y.Instance), cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line))
	})
	for _, claim := range sorted {
		report := func(message, cure string) { b.problems = append(b.problems, claimProblem(claim, message, cure)) }
		if err := catalog.CheckName("instance", claim.Instance); err != nil {
			report(err.Error(), "")
		}
		if claim.File != "" && !isRelativePath(claim.File) {
			named := claim
			named.File, named.Line = "", 0
			b.problems = append(b.problems, claimProblem(named, fmt.Sprintf("instance %s: %q is no path inside the repository", clip(claim.Instance), clip(claim.File)), "nestor generate writes such paths"))
		}
		if other, twice := first[claim.Instance]; twice {
			report(fmt.Sprintf("instance %q is claimed twice, first at %s:%d", clip(claim.Instance), other.File, other.Line), "name one of them: name=…")
		} else {
			first[claim.Instance] = claim
		}
		b.checkComposition(claim, report)
	}
}

// isRelativePath says that a path is slash-separated, stays inside its root and
// can be printed.
func isRelativePath(p string) bool {
	const longest = 1024
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' }
	return len(p) <= longest && utf8.ValidString(p) && !strings.ContainsFunc(p, unprintable) &&
		!path.IsAbs(p) && path.Clean(p) == p && p != ".." && !strings.HasPrefix(p, "../")
}

func (b *releaseBuilder) checkComposition(claim Claim, report func(message, cure string)) {
	for _, env := range sortedKeys(claim.Environments) {
		if !slices.ContainsFunc(b.environments, func(e EnvironmentSettings) bool { return e.Name == env }) {
			names := make([]string, len(b.environments))
			for i, e := range b.environments {
				names[i] = e.Name
			}
			report(fmt.Sprintf("there is no environment %q", clip(env)), hint(env, names, ""))
		}
	}
	c, ok := b.in.Compositions[claim.Composition]
	if !ok {
		report(fmt.Sprintf("team %s has no composition %q", b.in.Team, clip(claim.Composition)),
			hint(claim.Composition, sortedKeys(b.in.Compositions), "push one: nestor composition push FILE"))
		return
	}
	if c.Metadata.Team != b.in.Team {
		report(fmt.Sprintf("composition %q belongs to team %s, not to %s", claim.Composition, c.Metadata.Team, b.in.Team), "")
		return
	}
	if err := c.Validate(); err != nil {
		for _, p := range problemsOf(err) {
			report(fmt.Sprintf("composition %s: %s: %s", claim.Composition, p.Field, p.Message), p.Hint)
		}
		return
	}
	digest, err := CompositionDigest(c)
	if err != nil {
		report(err.Error(), "")
		return
	}
	if _, known := b.pinned[digest]; !known {
		b.pinned[digest], b.rules[digest] = c, rulesOf(c)
	}
	b.rules[digest].checkClaim(claim, report)
	b.claims = append(b.claims, ResolvedClaim{Claim: claim, CompositionDigest: digest})
}

// bind makes the binding table of one environment and tries it: everything that
// a graph would need is rendered once.
func (b *releaseBuilder) bind(env EnvironmentSettings) (map[string]Binding, manifest.Problems) {
	var problems manifest.Problems
	bindings := map[string]Binding{}
	for _, claim := range b.claims {
		c := b.pinned[claim.CompositionDigest]
		report := func(message, cure string) {
			problems = append(problems, claimProblem(claim.Claim, message, cure))
		}
		p, err := place(c, env)
		if err != nil {
			report(told(err))
			continue
		}
		params := b.rules[claim.CompositionDigest].resolve(c, claim.Claim, env.Name, report)
		for _, r := range c.Spec.Resources {
			found, err := bindResource(b.in.Catalog, r, c.Spec.Environments[env.Name].Resources[r.Name], p, env)
			if err != nil {
				message, cure := told(err)
				report(fmt.Sprintf("composition %s, resource %s: %s", c.Metadata.Name, r.Name, message), cure)
				continue
			}
			bindings[nodeID(claim.Instance, r.Name)] = Binding{
				Definition: found.Definition.Metadata.Name, Version: found.Definition.Metadata.Version,
				Digest: found.Digest, BundleDigest: found.BundleDigest,
				Provider: p.provider, Region: p.region, Parameters: params,
			}
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	g := &graphBuilder{
		team: b.in.Team, application: b.in.Application, env: env, claims: b.claims,
		compositions: b.pinned, rules: b.rules, bindings: bindings, definitions: b.in.Catalog, dry: true,
	}
	g.build()
	return bindings, g.problems
}

// unbound is the error of a release that can go nowhere: what is wrong
// everywhere is said once, the rest with the environment it is wrong in. Where
// one environment is asked about, the mistakes of others are no help.
func (b *releaseBuilder) unbound(failed map[string]manifest.Problems) error {
	count := map[manifest.Problem]int{}
	for _, env := range sortedKeys(failed) {
		for _, p := range failed[env] {
			count[p]++
		}
	}
	var all manifest.Problems
	_, asked := failed[b.in.Environment]
	for _, env := range sortedKeys(failed) {
		if asked && env != b.in.Environment {
			continue
		}
		for _, p := range failed[env] {
			if count[p] < len(failed) {
				p.Message = "in " + env + ": " + p.Message
			}
			all = append(all, p)
		}
	}
	return all.OrNil()
}

// reasonOf is the problems of an environment on one line.
func reasonOf(problems manifest.Problems) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "; ")
}
