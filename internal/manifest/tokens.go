// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// checkTokens refuses what is not supported and what would cost the parser too
// much, before the parser sees it.
func checkTokens(tokens token.Tokens, first int) Problems {
	var problems Problems
	report := func(t *token.Token, message, hint string) {
		problems = append(problems, Problem{
			Line: first + t.Position.Line, Column: t.Position.Column, Message: message, Hint: hint,
		})
	}
	for _, t := range tokens {
		switch t.Type {
		case token.TagType:
			report(t, fmt.Sprintf("tag %q is not supported", t.Value), "quote the value if it shall be a string")
		case token.MergeKeyType:
			report(t, "merge keys (<<) are not supported", "write the fields out")
		case token.MappingKeyType:
			report(t, "complex keys (?) are not supported", "use a plain string as key")
		case token.DirectiveType:
			report(t, "directives (%) are not supported", "remove the line")
		default:
		}
	}
	if len(problems) > 0 {
		return problems
	}
	if t := tooDeep(tokens); t != nil {
		report(t, fmt.Sprintf("nested deeper than %d levels", maxDepth), "flatten the value")
	} else if t := tooManyKeys(tokens); t != nil {
		report(t, fmt.Sprintf("a mapping has more than %d keys", maxKeys), "use a list")
	}
	return problems
}

// tooDeep returns the token at which nesting that costs one or two bytes a
// level (brackets, and dashes on one line) passes the limit. Nesting by
// indentation is bounded by the size of the file for the parser and by builder
// for everyone else.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, dashes, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			dashes++
		default:
		}
		if brackets > maxDepth || dashes > maxDepth {
			return t
		}
	}
	return nil
}

// tooManyKeys counts the keys that begin in one column while no line begins
// left of it, which is what makes a block mapping.
func tooManyKeys(tokens token.Tokens) *token.Token {
	counts := map[int]int{}
	line := 0
	for _, t := range tokens {
		column := t.Position.Column
		if t.Position.Line != line {
			line = t.Position.Line
			for c := range counts {
				if c > column {
					delete(counts, c)
				}
			}
		}
		if t.Next == nil || t.Next.Type != token.MappingValueType {
			continue
		}
		counts[column]++
		if counts[column] > maxKeys {
			return t
		}
	}
	return nil
}
