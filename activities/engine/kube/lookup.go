// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/expand"
)

// A placeholder stands for a value that is not known yet, alone or inside text.
// The two marks are of Unicode's private use, so that no real value holds them,
// and YAML and JSON carry them unchanged.
const (
	placeholderOpen  = "\uf8e0"
	placeholderClose = "\uf8e1"
)

// Placeholder is the text that stands for an unknown value; reason is such as
// "known after web-app.database".
func Placeholder(reason string) string { return placeholderOpen + reason + placeholderClose }

// UnknownIn finds the first placeholder in v, at any depth, and returns its
// reason.
func UnknownIn(v any) (reason string, unknown bool) {
	switch t := v.(type) {
	case string:
		_, rest, opened := strings.Cut(t, placeholderOpen)
		if !opened {
			return "", false
		}
		reason, _, _ = strings.Cut(rest, placeholderClose)
		return reason, true
	case []any:
		for _, e := range t {
			if reason, unknown = UnknownIn(e); unknown {
				return reason, true
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(t)) {
			if reason, unknown = UnknownIn(key); unknown {
				return reason, true
			}
			if reason, unknown = UnknownIn(t[key]); unknown {
				return reason, true
			}
		}
	}
	return "", false
}

// Lookup resolves "inputs.<name>": a known input to its value, an unknown one
// to a placeholder, and one that was not given to expand.ErrAbsent.
func Lookup(req engine.Request) expand.Lookup {
	return func(reference string) (any, error) {
		name, isInput := strings.CutPrefix(reference, "inputs.")
		if !isInput {
			return nil, errors.New("nothing is known under this name; inputs are written ${inputs.<name>}")
		}
		if reason, unknown := req.Unknown[name]; unknown {
			return Placeholder(reason), nil
		}
		v, given := req.Inputs[name]
		if !given || v == nil {
			return nil, expand.ErrAbsent
		}
		return v, nil
	}
}
