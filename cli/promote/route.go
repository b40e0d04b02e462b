// SPDX-License-Identifier: Apache-2.0

package promote

import (
	"os"
	"strings"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/iostreams"
)

// route is where a promotion goes.
type route struct{ from, to string }

const usageHint = "write nestor promote staging → production, nestor promote staging production, or nestor promote \"staging -> production\""

// parseRoute reads all spellings of a promotion: two names, with or without an
// arrow between them, in one argument or several. A name never ends in a dash,
// so one that does is what a shell has left of an unquoted arrow.
func parseRoute(args []string) (route, error) {
	line := strings.Join(args, " ")
	if strings.HasSuffix(strings.TrimSpace(line), "-") {
		return route{}, &redirectedError{from: strings.TrimSpace(strings.TrimRight(strings.TrimSpace(line), "- "))}
	}
	line = strings.ReplaceAll(line, "->", "→")
	arrows := strings.Count(line, "→")
	names := strings.FieldsFunc(line, func(r rune) bool { return r == '→' || r == ' ' || r == '\t' })
	switch {
	case arrows > 1 || len(names) > 2:
		return route{}, cli.Errorf(usageHint, "a promotion goes from one environment to one other, not %q", strings.Join(args, " "))
	case len(names) < 2:
		return route{}, cli.Errorf(usageHint, "a promotion needs two environments: where from, and where to")
	case arrows == 1 && !between(line, names[0]):
		return route{}, cli.Errorf(usageHint, "the arrow stands between the two environments, not around %q", strings.Join(args, " "))
	case names[0] == names[1]:
		return route{}, cli.Errorf(usageHint, "%s cannot be promoted to itself", names[0])
	}
	return route{from: names[0], to: names[1]}, nil
}

// between says whether the line's arrow comes right after the name.
func between(line, name string) bool {
	before, _, _ := strings.Cut(line, "→")
	return strings.TrimSpace(before) == name
}

// redirectedError says that a shell took the ">" of an arrow for a redirection.
type redirectedError struct {
	from string
	file string // that the shell made, if it was found
}

func (e *redirectedError) Error() string {
	return "the shell took the > of an unquoted -> for a redirection, so the target was not passed on; nothing was promoted"
}

// Hint names the spellings that work, and the file to remove.
func (e *redirectedError) Hint() string {
	from := e.from
	if from == "" {
		from = "staging"
	}
	to := e.file
	if to == "" {
		to = "production"
	}
	hint := "quote the arrow, or write `nestor promote " + from + " → " + to + "`"
	if e.file != "" {
		hint += "; the shell has made an empty file, which `rm " + quoted(e.file) + "` removes"
	}
	return hint
}

// quoted is a file's name as a shell takes it.
func quoted(name string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._", r)
	}
	if strings.IndexFunc(name, func(r rune) bool { return !plain(r) && r != '-' }) < 0 && !strings.HasPrefix(name, "-") {
		return name
	}
	return "-- '" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// name finds the file that the shell has made: the one in the working
// directory that Out goes to, as long as it is empty.
func (e *redirectedError) name(streams *iostreams.IO, dir string) {
	out, ok := streams.OutFile()
	if !ok || !out.Mode().IsRegular() || out.Size() != 0 {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the file only helps the hint
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && os.SameFile(out, info) {
			e.file = entry.Name()
			return
		}
	}
}
