// SPDX-License-Identifier: Apache-2.0

// Command cmd prints the measurements of the annotation scanner and exits 1 if
// one is over its budget.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/scan"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	measurements, err := scan.Run(ctx)
	if err == nil {
		err = bench.Print(os.Stdout, measurements)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	for _, m := range measurements {
		if m.Over() {
			return 1
		}
	}
	return 0
}
