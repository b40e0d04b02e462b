// SPDX-License-Identifier: Apache-2.0

// Command simulate walks random graphs in virtual time and checks every step.
// It exits 1 when a rule is broken, and prints the smallest scenario that breaks
// it, as a file for orchestrator/walk/simulation/testdata.
//
//	simulate                          100,000 graphs from a new seed
//	simulate -graphs 1000000 -seed 7  more, from a given one
//	simulate -play FILE               tell the story of one scenario
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk/simulation"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
}

var errBroken = errors.New("a rule is broken")

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	graphs := flags.Uint64("graphs", 100_000, "how many to walk")
	seed := flags.Uint64("seed", 0, "the first seed; 0 is a new one")
	shards := flags.Int("shards", runtime.GOMAXPROCS(0), "how many at once")
	file := flags.String("play", "", "play the scenario in this file, and tell what happens")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *file != "" {
		return play(*file, out)
	}
	if *seed == 0 {
		var err error
		if *seed, err = newSeed(); err != nil {
			return err
		}
	}
	began := time.Now()
	tally, found := simulation.Search(ctx, *seed, *graphs, *shards, simulation.Walks())
	if err := report(out, *seed, tally, time.Since(began)); err != nil {
		return err
	}
	if found == nil {
		return ctx.Err()
	}
	if _, err := fmt.Fprintf(out, "\n%s", found); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errBroken, found.Violation)
}

func report(out io.Writer, seed uint64, t simulation.Tally, took time.Duration) error {
	_, err := fmt.Fprintf(out, "seed %d: %d graphs, %d nodes, %d steps in %s\n",
		seed, t.Graphs, t.Nodes, t.Steps, took.Round(time.Millisecond))
	if err != nil {
		return err
	}
	for _, status := range []orchestrator.Status{
		orchestrator.StatusSucceeded, orchestrator.StatusRolledBack, orchestrator.StatusFailed, orchestrator.StatusCanceled,
	} {
		if _, err := fmt.Fprintf(out, "%12s %d\n", status, t.Statuses[status]); err != nil {
			return err
		}
	}
	return nil
}

// newSeed is small enough to be typed again.
func newSeed() (uint64, error) {
	var b [8]byte
	_, err := rand.Read(b[:])
	return 1 + uint64(binary.LittleEndian.Uint32(b[:])), err
}

func play(file string, out io.Writer) error {
	text, err := os.ReadFile(file) //nolint:gosec // the caller names it
	if err != nil {
		return err
	}
	s, err := simulation.Parse(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	story, broken := simulation.Play(s, simulation.Walks(), true)
	for _, line := range story.Lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	if broken != nil {
		return fmt.Errorf("%w: %s", errBroken, broken)
	}
	return nil
}
