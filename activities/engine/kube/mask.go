// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/redact"
	"github.com/HatiCode/nestor/internal/expand"
)

// Masked stands for a secret in a text.
const Masked = "(sensitive)"

// A text shorter than these is no secret worth the damage that hiding each of
// its occurrences does.
const (
	minSecret     = 4
	minCredential = 12
)

// Mask knows what must not be shown: texts, wherever they turn up, and fields
// of an object, whatever they hold. It is filled before it is used; using it
// is safe for concurrent use then.
type Mask struct {
	secrets  []string
	paths    []string
	replacer *strings.Replacer
}

// NewMask hides the request's sensitive inputs, what they were made of, and the
// credentials in its environment.
func NewMask(req engine.Request) *Mask {
	m := &Mask{}
	for _, part := range req.Secrets {
		m.collect(part, minSecret)
	}
	for name := range req.Sensitive {
		m.collect(req.Inputs[name], minSecret)
	}
	for name, value := range req.Env {
		if !req.Settings[name] {
			m.collect(value, minCredential)
		}
	}
	m.build()
	return m
}

// Learn adds the texts inside a value.
func (m *Mask) Learn(value any) {
	before := len(m.secrets)
	m.collect(value, minSecret)
	if len(m.secrets) > before {
		m.build()
	}
}

// LearnFields adds the fields of an object that its template fills with a
// sensitive input. They are hidden in every version of the object, since an
// older one may hold an older secret.
func (m *Mask) LearnFields(template map[string]any, req engine.Request) {
	lookup := Lookup(req)
	traced, err := expand.Value(template, func(reference string) (any, error) {
		name, isInput := strings.CutPrefix(reference, "inputs.")
		if isInput && req.Sensitive[name] {
			return Placeholder(name), nil
		}
		if v, err := lookup(reference); err == nil {
			if _, unknown := UnknownIn(v); !unknown {
				return v, nil
			}
		}
		return "", nil
	})
	if err != nil {
		return // the template cannot be expanded: nothing will be made of it
	}
	walkLeaves("", traced, func(path string, leaf any) {
		if _, traced := UnknownIn(leaf); traced {
			m.paths = append(m.paths, anyElement(path))
		}
	})
}

// Hiding is the mask of one object: the fields at paths, as Diff writes them, are
// hidden as well, whatever they hold. The path "" is that of the whole object.
func (m *Mask) Hiding(paths ...string) *Mask {
	if len(paths) == 0 {
		return m
	}
	out := &Mask{}
	if m != nil {
		*out = *m
	}
	out.paths = slices.Clone(out.paths)
	for _, p := range paths {
		out.paths = append(out.paths, anyElement(p))
	}
	return out
}

// collect takes texts, and numbers as they are written. What is true or false is
// no secret by itself: only where it stands, it may be (see LearnFields).
func (m *Mask) collect(value any, least int) {
	switch v := value.(type) {
	case string:
		if len(v) >= least && !slices.Contains(m.secrets, v) {
			m.secrets = append(m.secrets, v)
		}
	case int, int64, float64, json.Number:
		for _, written := range numerals(v) {
			m.collect(written, least)
		}
	case []any:
		for _, e := range v {
			m.collect(e, least)
		}
	case map[string]any:
		for _, e := range v {
			m.collect(e, least)
		}
	}
}

// numerals are the ways in which a number is written.
func numerals(number any) []string {
	plain := fmt.Sprint(number)
	f, isFloat := number.(float64)
	if long := strconv.FormatFloat(f, 'f', -1, 64); isFloat && long != plain {
		return []string{plain, long}
	}
	return []string{plain}
}

func (m *Mask) build() {
	var texts []string
	for _, s := range m.secrets {
		texts = append(texts, redact.Forms(s)...)
		for line := range strings.SplitSeq(s, "\n") {
			if line != s && len(line) >= minCredential {
				texts = append(texts, line)
			}
		}
	}
	// Longest first: one secret may begin with another.
	slices.SortFunc(texts, func(a, b string) int {
		return cmp.Or(len(b)-len(a), strings.Compare(a, b))
	})
	pairs := make([]string, 0, 2*len(texts))
	for _, text := range texts {
		pairs = append(pairs, text, Masked)
	}
	m.replacer = strings.NewReplacer(pairs...)
}

// Text is s without secrets. A nil Mask hides nothing.
func (m *Mask) Text(s string) string {
	if m == nil || m.replacer == nil {
		return s
	}
	return m.replacer.Replace(s)
}

// Holds says whether a value contains a secret.
func (m *Mask) Holds(value any) bool {
	switch v := value.(type) {
	case string:
		return m.Text(v) != v
	case int, int64, float64, json.Number:
		return m != nil && slices.ContainsFunc(numerals(v), func(s string) bool { return slices.Contains(m.secrets, s) })
	case []any:
		return slices.ContainsFunc(v, m.Holds)
	case map[string]any:
		for k, e := range v {
			if m.Holds(k) || m.Holds(e) {
				return true
			}
		}
	}
	return false
}

// covers says that the field at path is hidden, or a part of it.
func (m *Mask) covers(path string) bool {
	if m == nil {
		return false
	}
	path = anyElement(path)
	return slices.ContainsFunc(m.paths, func(p string) bool { return below(path, p) || below(p, path) })
}

// elementKey is an element's place in a list.
var elementKey = regexp.MustCompile(`\[(?:\d+|name=[^\]]*)\]`)

// anyElement is the path with every list's element the same: a secret that moves
// inside a list stays hidden.
func anyElement(path string) string { return elementKey.ReplaceAllString(path, "[]") }

// below says that path is other, or lies inside it.
func below(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[' || other == "")
}
