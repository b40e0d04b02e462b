// SPDX-License-Identifier: Apache-2.0

// Command chaos runs Nestor's real programs, disturbs them at seeded points of
// many deployments, and exits 1 when anything is doubled, missing, left over,
// locked or leaked, or when control work stood still for too long. `make chaos`
// builds what it needs and runs it.
//
//	chaos -points 100          so many disturbances
//	chaos -seed 7 -points 100  the same stories and points again
//	chaos -for 60s             as many as come in a time
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/HatiCode/nestor/chaos/part"
	"github.com/HatiCode/nestor/chaos/run"
)

func main() {
	if part.Main() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := chaos(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// errFound says that the run found something.
var errFound = errors.New("not everything is as it should be")

func chaos(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	o := run.Options{Out: out}
	flags.Uint64Var(&o.Seed, "seed", 0, "the stories and points to run; 0 takes one by chance")
	flags.IntVar(&o.Points, "points", 0, "how many disturbances; 0 leaves the end to -for")
	flags.DurationVar(&o.For, "for", 0, "for how long there are disturbances; 0 leaves the end to -points")
	bin := flags.String("bin", "bin", "where the built programs are")
	keep := flags.Bool("keep", false, "keep the directory of the run")
	quiet := flags.Bool("quiet", false, "print the figures alone")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.Points == 0 && o.For == 0 {
		o.For = time.Minute
	}
	if o.Seed == 0 {
		o.Seed = uint64(rand.Uint32()) //nolint:gosec // any will do
	}
	if !*quiet {
		o.Progress = progress
	}
	var err error
	if o.Bin, err = filepath.Abs(*bin); err != nil {
		return err
	}
	if o.Dir, err = run.NewDir(); err != nil {
		return err
	}
	result, err := run.Run(ctx, o)
	if err == nil {
		err = result.Print(out)
	}
	if err == nil && !result.Passed() {
		err = errFound
	}
	if err == nil && !*keep {
		return os.RemoveAll(o.Dir)
	}
	if err != nil {
		return fmt.Errorf("%w; everything of the run is in %s; the same again: make chaos SEED=%d POINTS=%d", err, o.Dir, o.Seed, o.Points)
	}
	_, err = fmt.Fprintln(progress, "everything of the run is in", o.Dir)
	return err
}
