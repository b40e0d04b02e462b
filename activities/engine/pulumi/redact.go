// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// masked stands for a secret.
const masked = "(sensitive)"

// A text shorter than these is no secret worth the damage that hiding each of
// its occurrences does.
const (
	minSecret     = 4
	minCredential = 12
)

// redactor hides the texts of sensitive values. The program masks what it knows
// to be sensitive; this is the second line, for what a provider or a script
// says.
type redactor struct {
	secrets  []string
	replacer *strings.Replacer
}

func newRedactor(req engine.Request, passphrase string) *redactor {
	r := &redactor{}
	r.collect(passphrase, minSecret)
	for name := range req.Sensitive {
		r.collect(req.Inputs[name], minSecret)
	}
	for _, value := range req.Env {
		r.collect(value, minCredential)
	}
	r.build()
	return r
}

func (r *redactor) collect(value any, least int) {
	switch v := value.(type) {
	case string:
		if len(v) >= least && !slices.Contains(r.secrets, v) {
			r.secrets = append(r.secrets, v)
		}
	case []any:
		for _, e := range v {
			r.collect(e, least)
		}
	case map[string]any:
		for _, e := range v {
			r.collect(e, least)
		}
	}
}

func (r *redactor) build() {
	// Longest first: one secret may begin with another.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range r.secrets {
		pairs = append(pairs, s, masked)
		for line := range strings.SplitSeq(s, "\n") {
			if line != s && len(line) >= minCredential {
				pairs = append(pairs, line, masked)
			}
		}
	}
	r.replacer = strings.NewReplacer(pairs...)
}

// text without secrets.
func (r *redactor) text(s string) string { return r.replacer.Replace(s) }

// holds says whether a value contains a secret.
func (r *redactor) holds(value any) bool {
	switch v := value.(type) {
	case string:
		return r.text(v) != v
	case []any:
		return slices.ContainsFunc(v, r.holds)
	case map[string]any:
		for k, e := range v {
			if r.holds(k) || r.holds(e) {
				return true
			}
		}
	}
	return false
}
