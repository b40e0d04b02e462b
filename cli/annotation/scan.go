// SPDX-License-Identifier: Apache-2.0

package annotation

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/HatiCode/nestor/cli/annotation/comment"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// Options change what Scan leaves out. The zero value is what `nestor generate`
// uses.
type Options struct {
	// Vendored are the names of folders that are left out; nil means
	// Vendored().
	Vendored []string
	// Workers read at the same time; 0 means one per processor. The result does
	// not depend on it.
	Workers int
}

// Scan finds the annotations of the repository at root, on all processors.
//
// When annotations are malformed, two of them name one instance or a file
// cannot be read, the error is a manifest.Problems with all of that at once,
// sorted, and the result still holds what was good. Any other error means that
// the scan did not take place or was canceled; the result is then empty.
func Scan(ctx context.Context, root string, opts Options) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("scan for annotations: %w", err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return Result{}, fmt.Errorf("scan for annotations: %w", err)
	}
	if !info.IsDir() {
		return Result{}, fmt.Errorf("scan for annotations: %s is not a folder; name the repository's root", root)
	}
	w := walker{
		root:     strings.TrimSuffix(filepath.ToSlash(root), "/") + "/",
		vendored: opts.Vendored,
		table:    sync.OnceValue(comment.NewTable),
	}
	if w.workers <= 0 {
		w.workers = runtime.GOMAXPROCS(0)
	}
	if w.vendored == nil {
		w.vendored = Vendored()
	}
	found, err := w.walk(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("scan for annotations in %s: %w", root, err)
	}
	return found.result()
}

// result sorts what the workers found and looks for names that are used twice.
func (f *findings) result() (Result, error) {
	slices.SortFunc(f.claims, func(a, b located) int {
		return cmp.Or(cmp.Compare(a.claim.File, b.claim.File), cmp.Compare(a.claim.Line, b.claim.Line),
			cmp.Compare(a.columns.Composition, b.columns.Composition))
	})
	slices.SortFunc(f.notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
	result := Result{Notes: f.notes, Files: f.files, Bytes: f.bytes}
	problems := f.problems
	first := map[string]composer.Claim{}
	for _, l := range f.claims {
		if other, ok := first[l.claim.Instance]; ok {
			problems = append(problems, taken(l, other))
		} else {
			first[l.claim.Instance] = l.claim
		}
		result.Claims = append(result.Claims, l.claim)
		result.Columns = append(result.Columns, l.columns)
	}
	return result, problems.OrNil()
}

// taken is the problem of a claim whose name another one has.
func taken(l located, other composer.Claim) manifest.Problem {
	column, ok := l.columns.Keys[nameKey]
	hint := "give one of them another name="
	if !ok {
		column = l.columns.Composition
		hint = "give one of them a name=…"
	}
	return manifest.Problem{
		File: l.claim.File, Line: l.claim.Line, Column: column,
		Message: fmt.Sprintf("the instance %q is claimed at %s:%d already", l.claim.Instance, other.File, other.Line),
		Hint:    hint,
	}
}
