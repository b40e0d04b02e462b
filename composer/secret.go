// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"errors"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/secretref"
)

// secretScheme begins a reference to a secret.
const secretScheme = secretref.Scheme

// CheckSecret says why s is no reference to a secret of the team, or nil. The
// message does not repeat s, which may be a secret by mistake. Which references
// a team may write, internal/secretref says.
func CheckSecret(team, s string) error {
	_, err := secretref.Parse(team, s)
	var wrong *secretref.Error
	if errors.As(err, &wrong) {
		return &mistake{message: wrong.Message, hint: wrong.Hint}
	}
	return err
}

// protect is what an expression becomes as a sensitive input: its secret
// references, which must be the team's, are marked as such, and it must hold at
// least one, or a reference to an output.
func protect(team string, e Expression) (Expression, error) {
	e, err := markSecrets(team, e)
	if err != nil {
		return e, err
	}
	safe := false
	e.walk(func(leaf Expression) { safe = safe || leaf.Kind == ExprSecret || leaf.Kind == ExprReference })
	if !safe {
		return e, &mistake{message: "a sensitive input cannot be given in clear", hint: "write a reference: " + secretref.Forms(team) + ", or {{ .resources.<name>.outputs.<output> }}"}
	}
	return e, nil
}

func markSecrets(team string, e Expression) (Expression, error) {
	switch e.Kind {
	case ExprLiteral:
		return markLiteral(team, e.Literal)
	case ExprList:
		parts := slices.Clone(e.Parts)
		for i := range parts {
			p, err := markSecrets(team, parts[i])
			if err != nil {
				return e, err
			}
			parts[i] = p
		}
		e.Parts = parts
	case ExprMap:
		fields := make(map[string]Expression, len(e.Fields))
		for _, k := range sortedKeys(e.Fields) {
			f, err := markSecrets(team, e.Fields[k])
			if err != nil {
				return e, err
			}
			fields[k] = f
		}
		e.Fields = fields
	case ExprConcat:
		for _, p := range e.Parts {
			if s, ok := p.Literal.(string); ok && strings.Contains(s, secretScheme) {
				return e, &mistake{message: "a reference to a secret is a whole value, not a part of text", hint: "keep the text around it in the secret"}
			}
		}
	case ExprReference, ExprSecret:
	}
	return e, nil
}

// markLiteral looks for secret references in a value that is known.
func markLiteral(team string, v any) (Expression, error) {
	switch t := v.(type) {
	case string:
		if !strings.Contains(t, secretScheme) {
			return literal(t), nil
		}
		if err := CheckSecret(team, t); err != nil {
			return Expression{}, err
		}
		return Expression{Kind: ExprSecret, Secret: t}, nil
	case []any:
		parts := make([]Expression, len(t))
		for i, e := range t {
			p, err := markLiteral(team, e)
			if err != nil {
				return Expression{}, err
			}
			parts[i] = p
		}
		return listOf(parts), nil
	case map[string]any:
		fields := make(map[string]Expression, len(t))
		for _, k := range sortedKeys(t) {
			f, err := markLiteral(team, t[k])
			if err != nil {
				return Expression{}, err
			}
			fields[k] = f
		}
		return mapOf(fields), nil
	default:
		return literal(v), nil
	}
}

// refuseSecrets says where a secret reference would be passed on as plain text.
func refuseSecrets(e Expression) error {
	found := false
	e.walk(func(leaf Expression) { found = found || mentionsSecret(leaf.Literal) })
	if !found {
		return nil
	}
	return &mistake{message: "a reference to a secret can only be given to a sensitive input", hint: "ask the platform team to mark the input as sensitive"}
}

func mentionsSecret(v any) bool {
	switch t := v.(type) {
	case string:
		return strings.Contains(t, secretScheme)
	case []any:
		return slices.ContainsFunc(t, mentionsSecret)
	case map[string]any:
		for _, k := range sortedKeys(t) {
			if strings.Contains(k, secretScheme) || mentionsSecret(t[k]) {
				return true
			}
		}
	}
	return false
}
