// SPDX-License-Identifier: Apache-2.0

// Package scan measures the budget of the annotation scanner: its time over
// that of ripgrep on the same tree, and over two floors that are always there,
// git grep and a plain parallel read of all files.
package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/cli/annotation"
)

const (
	// rounds of all contestants in turn, so that what else the machine does
	// hits all of them; the median counts.
	rounds = 15
	// warmUp rounds fill the page cache and are not counted.
	warmUp = 2
	// budget is the design's, over ripgrep.
	budget = 1.5
)

// contestant is one way to go through the tree.
type contestant struct {
	name  string
	run   func(ctx context.Context, root string) error
	note  string
	limit float64
	times []time.Duration
}

// Run grows a tree in a temporary folder and measures.
func Run(ctx context.Context) (measurements []bench.Measurement, err error) {
	root, err := os.MkdirTemp("", "nestor-bench-scan-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	if err := grow(root); err != nil {
		return nil, fmt.Errorf("grow the tree: %w", err)
	}
	ours := &contestant{name: "scan", run: scanTree}
	floors := []*contestant{
		{name: "ripgrep", run: command("rg", "-c", "nestor:"), limit: budget, note: "rg -c nestor:, the whole process"},
		{name: "git grep", run: command("git", "grep", "-c", "nestor:"), note: "git grep -c nestor:, tracked files"},
		{name: "plain read", run: readTree, note: "all files, in parallel, nothing done with them"},
	}
	all := []*contestant{ours}
	for _, f := range floors {
		if f.note, err = f.prepare(ctx, root); err != nil {
			return nil, err
		}
		if f.run != nil {
			all = append(all, f)
		}
	}
	for round := range warmUp + rounds {
		for _, c := range all {
			runtime.GC() // no contestant pays for the garbage of another
			start := time.Now()
			if err := c.run(ctx, root); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round >= warmUp {
				c.times = append(c.times, time.Since(start))
			}
		}
	}
	value := bench.Median(ours.times)
	for _, f := range floors {
		measurements = append(measurements, bench.Compare("annotation scan / "+f.name, value, bench.Median(f.times), f.limit, f.note))
	}
	return measurements, nil
}

// prepare makes what a floor needs; without its program the floor is left out,
// and its note says so.
func (c *contestant) prepare(ctx context.Context, root string) (string, error) {
	var program string
	var setup [][]string
	switch c.name {
	case "ripgrep":
		program = "rg"
	case "git grep":
		program, setup = "git", [][]string{{"init", "-q"}, {"add", "-A"}}
	default:
		return c.note, nil
	}
	if path, _ := exec.LookPath(program); path == "" {
		c.run = nil
		return program + " is not on PATH", nil
	}
	for _, args := range setup {
		if err := command(program, args...)(ctx, root); err != nil {
			return "", err
		}
	}
	return c.note, nil
}

// command runs a program in the tree, without the user's settings.
func command(program string, args ...string) func(context.Context, string) error {
	return func(ctx context.Context, root string) error {
		c := exec.CommandContext(ctx, program, args...) //nolint:gosec // G204: the programs are the constants of this file
		c.Dir = root
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "RIPGREP_CONFIG_PATH=")
		var out, problems bytes.Buffer
		c.Stdout, c.Stderr = &out, &problems
		if err := c.Run(); err != nil {
			return fmt.Errorf("%s %v: %w: %s", program, args, err, bytes.TrimSpace(problems.Bytes()))
		}
		if hits := bytes.Count(out.Bytes(), []byte("\n")); args[len(args)-1] == "nestor:" && hits != treeClaims {
			return fmt.Errorf("%s found %d files, the tree has %d", program, hits, treeClaims)
		}
		return nil
	}
}

func scanTree(ctx context.Context, root string) error {
	result, err := annotation.Scan(ctx, root, annotation.Options{})
	if err != nil {
		return err
	}
	if len(result.Claims) != treeClaims {
		return fmt.Errorf("found %d claims, the tree has %d", len(result.Claims), treeClaims)
	}
	return nil
}

// readTree reads every file on all processors.
func readTree(ctx context.Context, root string) error {
	group, ctx := errgroup.WithContext(ctx)
	names := make(chan string, 256)
	group.Go(func() error {
		defer close(names)
		return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == ".git":
				return filepath.SkipDir
			case !entry.Type().IsRegular():
				return nil
			}
			select {
			case names <- path:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			var buffer bytes.Buffer
			for name := range names {
				buffer.Reset()
				if err := readFile(name, &buffer); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func readFile(name string, into *bytes.Buffer) (err error) {
	file, err := os.Open(name) //nolint:gosec // G304: a file of the tree that was just made
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = into.ReadFrom(file)
	return err
}
