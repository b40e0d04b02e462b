// SPDX-License-Identifier: Apache-2.0

// Package redact hides the texts of a request's sensitive values in what a
// program says. The program masks what it knows to be sensitive; this is the
// second line, for what a provider or a script says.
//
// What it is not for: Kubernetes objects, whose fields are hidden by path, too
// (see kube.Mask).
package redact

import (
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
)

// A text shorter than these is no secret worth the damage that hiding each of
// its occurrences does.
const (
	minSecret     = 4
	minCredential = 12
	// minEncoded is the shortest secret whose encoded forms are hidden, too.
	minEncoded = 6
)

// Redactor hides texts. It is not safe for concurrent use while it learns.
type Redactor struct {
	secrets  []string
	texts    []string  // of the secrets, longest first
	first    [256]bool // bytes that one of the texts begins with
	replacer *strings.Replacer
}

// New hides a request's sensitive inputs, what they were made of, its credentials,
// and more secrets, as they are and in the forms that quoting and encoding give them.
func New(req engine.Request, more ...string) *Redactor {
	r := &Redactor{}
	for _, secret := range more {
		r.collect(secret, minSecret)
	}
	for _, part := range req.Secrets {
		r.collect(part, minSecret)
	}
	for name := range req.Sensitive {
		r.collect(req.Inputs[name], minSecret)
	}
	for name, value := range req.Env {
		if !req.Settings[name] {
			r.collect(value, minCredential)
		}
	}
	r.build()
	return r
}

// Learn adds the texts inside a value.
func (r *Redactor) Learn(value any) {
	before := len(r.secrets)
	r.collect(value, minSecret)
	if len(r.secrets) > before {
		r.build()
	}
}

func (r *Redactor) collect(value any, least int) {
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

func (r *Redactor) build() {
	var texts []string
	for _, s := range r.secrets {
		texts = append(texts, Forms(s)...)
		for line := range strings.SplitSeq(s, "\n") {
			if line = strings.TrimSpace(line); line != s && len(line) >= minCredential {
				texts = append(texts, line)
			}
		}
	}
	// Longest first: a form may begin with another, and of two that do the
	// replacer takes the one that it was given first.
	slices.SortStableFunc(texts, func(a, b string) int { return len(b) - len(a) })
	r.texts = texts
	for _, text := range texts {
		r.first[text[0]] = true
	}
	pairs := make([]string, 0, 2*len(texts))
	for _, text := range texts {
		pairs = append(pairs, text, catalog.Masked)
	}
	r.replacer = strings.NewReplacer(pairs...)
}

// Text is s without secrets.
func (r *Redactor) Text(s string) string { return r.replacer.Replace(s) }

// Cut says where a text of which n bytes are wanted can be parted so that each
// part can be hidden by itself: at n or before it, unless a secret that is longer
// begins the text. With more, what follows the text is still to come, and may
// make a secret of its end; 0 then says that nothing can be parted from it yet.
func (r *Redactor) Cut(text string, n int, more bool) int {
	for at := 0; at < n; {
		if !r.first[text[at]] {
			at++
			continue
		}
		length, open := r.match(text[at:])
		switch {
		case open && more:
			return at
		case at > 0 && at+length > n:
			return at
		default:
			at += max(1, length)
			n = max(n, at)
		}
	}
	return n
}

// match finds the secret that a text begins with, as Text does. open says that
// the text is the beginning of one that is longer.
func (r *Redactor) match(text string) (length int, open bool) {
	for _, secret := range r.texts { // longest first
		switch {
		case strings.HasPrefix(text, secret):
			return len(secret), open
		case strings.HasPrefix(secret, text):
			open = true
		}
	}
	return 0, open
}

// Holds says whether a value contains a secret.
func (r *Redactor) Holds(value any) bool {
	switch v := value.(type) {
	case string:
		return r.Text(v) != v
	case []any:
		return slices.ContainsFunc(v, r.Holds)
	case map[string]any:
		for k, e := range v {
			if r.Holds(k) || r.Holds(e) {
				return true
			}
		}
	}
	return false
}
