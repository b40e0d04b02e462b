// SPDX-License-Identifier: Apache-2.0

// Package part lets the harness's own program be executed again as one of its
// helper processes: the world, and a writer that holds the store.
//
// Nestor's programs are not started here; see package site.
package part

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/HatiCode/nestor/chaos/fault"
	"github.com/HatiCode/nestor/chaos/world"
)

// variable says which part a process is.
const variable = "NESTOR_CHAOS_PART"

// The parts, and the variables that they read.
const (
	partWorld  = "world"
	partWriter = "writer"

	fileVariable    = "NESTOR_CHAOS_FILE"
	latencyVariable = "NESTOR_CHAOS_LATENCY"
)

// Main does a part's work if this process was started as one, and says whether
// it was. It must be the first thing that main (or TestMain) does. A part that
// fails exits with 1.
func Main() (handled bool) {
	which, is := os.LookupEnv(variable)
	if !is {
		return false
	}
	if err := run(which); err != nil {
		fmt.Fprintf(os.Stderr, "chaos %s: %v\n", which, err)
		os.Exit(1)
	}
	return true
}

func run(which string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	file := os.Getenv(fileVariable)
	switch which {
	case partWorld:
		latency, err := time.ParseDuration(os.Getenv(latencyVariable))
		if err != nil {
			return err
		}
		return world.Serve(ctx, file, latency, os.Stdout)
	case partWriter:
		return fault.HoldStore(ctx, file, os.Stdin, os.Stdout)
	default:
		return fmt.Errorf("there is no part %q", which)
	}
}

// World is a command that serves a world.
func World(ledger string, latency time.Duration) (*exec.Cmd, error) {
	return command(partWorld, fileVariable+"="+ledger, latencyVariable+"="+latency.String())
}

// Writer is a command that holds a store's write lock.
func Writer(store string) (*exec.Cmd, error) { return command(partWriter, fileVariable+"="+store) }

func command(which string, variables ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own executable: %w", err)
	}
	cmd := exec.Command(self) //nolint:gosec,noctx // this very program; whoever started it ends it
	cmd.Env = append(os.Environ(), append(variables, variable+"="+which)...)
	return cmd, nil
}
