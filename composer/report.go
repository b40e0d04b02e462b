// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/internal/suggest"
)

// mistake is something wrong in what a person wrote, with the cure apart.
type mistake struct {
	message string
	hint    string
}

func (e *mistake) Error() string {
	if e.hint == "" {
		return e.message
	}
	return e.message + " (" + e.hint + ")"
}

func failf(format string, args ...any) *mistake {
	return &mistake{message: fmt.Sprintf(format, args...)}
}

// clip keeps what somebody wrote from filling a message.
func clip(s string) string {
	const limit = 80
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}

// hint is the cure for a name that is not among those known.
func hint(word string, known []string, otherwise string) string {
	const most = 12
	near, ok := suggest.Nearest(word, known)
	switch {
	case ok:
		return fmt.Sprintf("did you mean %q?", near)
	case len(known) == 0:
		return otherwise
	case len(known) > most:
		return "known are " + strings.Join(known[:most], ", ") + ", …"
	default:
		return "known are " + strings.Join(known, ", ")
	}
}

// checkName reports a name that is no DNS label.
func checkName(report catalog.Report, path, kind, name string) bool {
	err := catalog.CheckName(kind, name)
	if err != nil {
		report(path, err.Error(), "")
	}
	return err == nil
}

// told takes an error apart into what was wrong and the cure.
func told(err error) (message, hint string) {
	var t *mistake
	if errors.As(err, &t) {
		// What was wrapped around it says where; keep that.
		return strings.TrimSuffix(err.Error(), t.Error()) + t.message, t.hint
	}
	var v *catalog.ValueError
	if errors.As(err, &v) {
		return "value " + v.Value + " " + v.Rule, v.Hint
	}
	return err.Error(), ""
}

// problemsOf is err as problems: its own, or one without a place.
func problemsOf(err error) manifest.Problems {
	var ps manifest.Problems
	if errors.As(err, &ps) {
		return ps
	}
	return manifest.Problems{{Message: err.Error()}}
}
