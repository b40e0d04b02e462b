// SPDX-License-Identifier: Apache-2.0

// Command verify looks at MinIO and at the Kubernetes API, not at what Nestor
// says of itself, and tells whether the demo of the four engines holds.
//
//	verify begin|applied|scaled|rolled-back|promoted|gone DIRECTORY
//
// The directory holds data, the platform's data directory, and staging.json and
// production.json from `nestor status -o json`. "begin" writes down what is
// there before the first deployment, and "gone" compares with that.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// timeout bounds one look at everything.
const timeout = time.Minute

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	err := run(ctx, os.Args[1:], os.Stdout)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	steps := map[string]func(context.Context, *site) error{
		"begin": begin, "applied": applied, "scaled": scaled, "rolled-back": rolledBack, "promoted": promoted, "gone": gone,
	}
	if len(args) != 2 || steps[args[0]] == nil {
		return fmt.Errorf("usage: verify %s DIRECTORY", strings.Join(slices.Sorted(maps.Keys(steps)), "|"))
	}
	s, err := open(args[1], out)
	if err != nil {
		return err
	}
	if err := steps[args[0]](ctx, s); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}

// Files in which one step tells a later one what it saw.
const (
	beginFile  = "begin.json"
	scaledFile = "scaled.json"
	firstFile  = "applied.json"
)

func begin(ctx context.Context, s *site) error {
	seen, err := s.everything(ctx)
	if err != nil {
		return err
	}
	return write(s.path(beginFile), seen)
}

func applied(ctx context.Context, s *site) error {
	if err := s.serves(ctx, "staging", 3); err != nil {
		return err
	}
	return s.remember(ctx, firstFile)
}

// scaled: the deployment has more replicas, and nothing else was touched.
func scaled(ctx context.Context, s *site) error {
	if err := s.serves(ctx, "staging", 5); err != nil {
		return err
	}
	if err := s.unchanged(ctx, firstFile, "Deployment"); err != nil {
		return err
	}
	return s.remember(ctx, scaledFile)
}

// rolledBack: everything is as it was, down to the objects' identities.
func rolledBack(ctx context.Context, s *site) error {
	state, err := s.status("staging")
	if err != nil {
		return err
	}
	if state.Status != "rolled_back" {
		return fmt.Errorf("staging is %s", state.Status)
	}
	return s.same(ctx, scaledFile)
}

func promoted(ctx context.Context, s *site) error {
	var releases []string
	for _, environment := range []string{"staging", "production"} {
		if err := s.serves(ctx, environment, 5); err != nil {
			return err
		}
		state, err := s.status(environment)
		if err != nil {
			return err
		}
		releases = append(releases, state.Release)
	}
	if releases[0] != releases[1] {
		return fmt.Errorf("production got release %s, staging has %s", releases[1], releases[0])
	}
	return nil
}

func gone(ctx context.Context, s *site) error {
	var before, after inventory
	if err := read(s.path(beginFile), &before); err != nil {
		return err
	}
	after, err := s.everything(ctx)
	if err != nil {
		return err
	}
	var left []string
	for what := range after {
		if _, there := before[what]; !there {
			left = append(left, what)
		}
	}
	slices.Sort(left)
	if len(left) > 0 {
		return errors.New("left behind:\n  " + strings.Join(left, "\n  "))
	}
	_, err = fmt.Fprintf(s.out, "%d objects and buckets before, none of the demo's after.\n", len(before))
	return err
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }
