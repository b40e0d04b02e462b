// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxPrinted bounds the lines of Problems.Error; a person fixes the first ones
// and runs again.
const maxPrinted = 100

// Problem is one thing that is wrong in a file: where, what, and the cure.
type Problem struct {
	File string `json:"file,omitempty"`
	// Line and Column count from 1; both are 0 where no place is known.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Field is a path such as "spec.inputs[2].name"; empty for the file itself.
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String is "file:line:col: field: message (hint)" without the parts that are
// empty.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		b.WriteByte(':')
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is an error that holds everything found wrong at once. The functions
// of this package return it sorted and never empty.
type Problems []Problem //nolint:errname // it is a list first; "ProblemsError" would say it twice

// Error has one line per problem, and says how many more there are after the
// first hundred.
func (ps Problems) Error() string {
	lines := make([]string, 0, min(len(ps), maxPrinted)+1)
	for i, p := range ps {
		if i == maxPrinted {
			lines = append(lines, fmt.Sprintf("and %d more problems", len(ps)-maxPrinted))
			break
		}
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Sorted returns the problems by file, place, field and message, each once.
func (ps Problems) Sorted() Problems {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Message, b.Message),
			cmp.Compare(a.Hint, b.Hint),
		)
	})
	return slices.Compact(out)
}

// Covers says whether one of the problems already concerns path or something
// around it, so that a later check of path has nothing to add.
func (ps Problems) Covers(path string) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool {
		rest, ok := strings.CutPrefix(path, p.Field)
		return ok && p.Field != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// OrNil returns the problems sorted as an error, or nil when there are none.
func (ps Problems) OrNil() error {
	if len(ps) == 0 {
		return nil
	}
	return ps.Sorted()
}
