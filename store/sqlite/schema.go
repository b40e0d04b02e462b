// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// ErrOutdated says that the file's schema has gone on without this program: what
// it would write, newer ones could not use. Only a newer program helps.
var ErrOutdated = errors.New("the store was changed by a newer nestor that this one cannot work beside; upgrade this program")

// migrationFiles holds the schema's steps. A released step is never edited; a
// change is a new file with the next number.
//
// Several programs use one file at once, and during an upgrade they are of two
// releases. So a change of the schema takes two of them, and each step says in
// its head what it means to the programs that know less:
//
//	-- nestor: oldest 3
//
// Programs that know only a schema below 3 must not use the file any more, and
// refuse to, from the moment that the step begins. A step without that line
// leaves every program working that worked before: it expands the schema, by a
// table, an index, or a column with a default. A step with that line contracts
// it. It names a schema that the release before this one knows, never a newer
// one, or the upgrade would need downtime.
//
//	-- nestor: batched
//
// The step is one statement that changes a bounded number of rows, and none
// once it is done. It runs in transactions of its own until then, so that other
// writers get their turn in between. It may be cut off anywhere and is begun
// again. Rows that an older program writes afterwards are not its business: a
// trigger made by an earlier step sees to them, or the reader does.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// directive begins a line of a step's head that is for Nestor.
const directive = "-- nestor: "

// step of the schema.
type step struct {
	name    string
	sql     string
	oldest  int // schema of the oldest program that may use the file from now on; 0 leaves that
	batched bool
}

// readSteps reads the steps of a folder "migrations", in order.
func readSteps(files fs.FS) ([]step, error) {
	names, err := fs.Glob(files, "migrations/*.sql") // in order of name
	if err != nil {
		return nil, err
	}
	steps := make([]step, 0, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		s, err := parseStep(name, string(text))
		if err == nil && s.oldest > i+1 {
			err = fmt.Errorf("oldest %d is newer than the step itself, %d", s.oldest, i+1)
		}
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func parseStep(name, text string) (step, error) {
	s := step{name: name, sql: text}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "--") {
			break
		}
		said, ours := strings.CutPrefix(line, directive)
		if !ours {
			continue
		}
		oldest, isOldest := strings.CutPrefix(said, "oldest ")
		switch {
		case said == "batched":
			s.batched = true
		case isOldest:
			n, err := strconv.Atoi(oldest)
			if err != nil || n < 1 {
				return step{}, fmt.Errorf("%q: want the number of a schema", line)
			}
			s.oldest = n
		default:
			return step{}, fmt.Errorf("%q is unknown; expected %soldest <schema> or %sbatched", line, directive, directive)
		}
	}
	return s, nil
}
