// SPDX-License-Identifier: Apache-2.0

package adopt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/orchestrator"
)

// source reads what the flags name. No error repeats what is in a state.
func source(opts *Options) (client.CreateAdoptionJSONRequestBody, error) {
	var body client.CreateAdoptionJSONRequestBody
	switch {
	case opts.From == "" && opts.Release == "":
		return body, cli.Errorf("give --from FILE for a state, or --release NAME for a Helm release or an object of Crossplane",
			"it is not clear what becomes %s", opts.Node)
	case opts.From != "" && opts.Release != "":
		return body, cli.Errorf("leave one of them out", "--from and --release each name something else to adopt")
	case opts.Release != "":
		if len(opts.Moves) > 0 {
			return body, cli.Errorf("leave --move out", "--move is about addresses in a state, and what --release names has none")
		}
		body.Reference = opts.Release
		return body, nil
	}
	moves, err := parseMoves(opts.Moves)
	if err != nil {
		return body, err
	}
	if body.State, err = read(opts); err != nil {
		return body, err
	}
	body.Moves = moves
	return body, nil
}

// parseMoves splits "from=to". Addresses may hold an = in the brackets of an
// instance's key, as in aws_db.main["a=b"], which splits nothing.
func parseMoves(flags []string) (map[string]string, error) {
	var moves map[string]string
	for _, flag := range flags {
		from, to, ok := cutMove(flag)
		if !ok {
			return nil, cli.Errorf("such as --move aws_db_instance.main=aws_db_instance.this", "--move takes FROM=TO, not %q", flag)
		}
		if other, twice := moves[from]; twice && other != to {
			return nil, cli.Errorf("", "--move gives %s two places, %s and %s", from, other, to)
		}
		if moves == nil {
			moves = map[string]string{}
		}
		moves[from] = to
	}
	return moves, nil
}

func cutMove(s string) (from, to string, ok bool) {
	depth := 0
	for i, r := range s {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		case '=':
			if depth == 0 {
				return s[:i], s[i+1:], i > 0 && i+1 < len(s)
			}
		}
	}
	return "", "", false
}

// read returns the state, which must be a JSON object of a bounded size.
func read(opts *Options) (json.RawMessage, error) {
	name, reader := opts.From, opts.Factory.IO.In
	if opts.From == "-" {
		name = "the standard input"
	} else {
		path := opts.From
		if !filepath.IsAbs(path) {
			path = filepath.Join(opts.Factory.Dir, path)
		}
		file, err := os.Open(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, unreadable(name, err)
		}
		defer func() { _ = file.Close() }() // it was only read
		reader = file
	}
	data, err := io.ReadAll(io.LimitReader(reader, orchestrator.MaxAdoptedState+1))
	if err != nil {
		return nil, unreadable(name, err)
	}
	data = bytes.TrimSpace(data)
	switch {
	case len(data) > orchestrator.MaxAdoptedState:
		return nil, cli.Errorf("split the state, and adopt each part into a node of its own",
			"%s has more than the %d MiB that can be adopted", name, orchestrator.MaxAdoptedState>>20)
	case len(data) == 0:
		return nil, cli.Errorf(hint, "%s is empty", name)
	case data[0] != '{' || !json.Valid(data):
		return nil, cli.Errorf(hint, "%s holds no JSON object", name)
	}
	return data, nil
}

const hint = "`terraform state pull`, `tofu state pull` and `pulumi stack export` write what is needed"

// unreadable drops the path of an error, which names the file as the user wrote
// it.
func unreadable(name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("read %s: %w", name, err)
}
