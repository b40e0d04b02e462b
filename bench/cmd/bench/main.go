// SPDX-License-Identifier: Apache-2.0

// Command bench measures the budgets of the design, one beside its floor, and
// exits 1 when one is exceeded. `make bench` builds what it needs and runs it.
//
//	bench                     all of them
//	bench -only reads,helm    some
//	bench -json FILE          write the measurements there, too
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/chaos"
	"github.com/HatiCode/nestor/bench/engines"
	"github.com/HatiCode/nestor/bench/fairness"
	"github.com/HatiCode/nestor/bench/reads"
	"github.com/HatiCode/nestor/bench/scale"
	"github.com/HatiCode/nestor/bench/scan"
	"github.com/HatiCode/nestor/bench/stall"
	"github.com/HatiCode/nestor/bench/walk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part is one package of measurements.
type part struct {
	name string
	run  func(ctx context.Context) ([]bench.Measurement, error)
}

func parts(bin string) []part {
	return []part{
		{"scan", scan.Run},
		{"reads", reads.Run},
		{"walk", func(ctx context.Context) ([]bench.Measurement, error) { return walk.Run(ctx, bin) }},
		{"stall", func(ctx context.Context) ([]bench.Measurement, error) { return stall.Run(ctx, bin) }},
		{"fairness", func(ctx context.Context) ([]bench.Measurement, error) { return fairness.Run(ctx, bin) }},
		{"scale", func(ctx context.Context) ([]bench.Measurement, error) { return scale.Run(ctx, bin) }},
		{"stall-terraform", func(ctx context.Context) ([]bench.Measurement, error) { return engines.Stall(ctx, bin) }},
		{"chaos", func(ctx context.Context) ([]bench.Measurement, error) { return chaos.Run(ctx, bin) }},
		{"memory", func(ctx context.Context) ([]bench.Measurement, error) { return engines.Memory(ctx, bin) }},
		{"terraform", func(ctx context.Context) ([]bench.Measurement, error) { return engines.Terraform(ctx, bin) }},
		{"pulumi", func(ctx context.Context) ([]bench.Measurement, error) { return engines.Pulumi(ctx, bin) }},
		{"helm", func(ctx context.Context) ([]bench.Measurement, error) { return engines.Helm(ctx, bin) }},
		{"crossplane", func(ctx context.Context) ([]bench.Measurement, error) { return engines.Crossplane(ctx, bin) }},
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "run only these parts, comma-separated")
	file := flags.String("json", "", "write the measurements to this file")
	strict := flags.Bool("strict", false, "fail when a measurement is over its budget")
	programs := flags.String("bin", "bin", "where the built programs are")
	if err := flags.Parse(args); err != nil {
		return err
	}
	bin, err := filepath.Abs(*programs)
	if err != nil {
		return err
	}
	all := parts(bin)
	if *only != "" {
		if all, err = choose(all, strings.Split(*only, ",")); err != nil {
			return err
		}
	}
	var measurements []bench.Measurement
	for _, p := range all {
		if _, err := fmt.Fprintln(progress, "measuring", p.name); err != nil {
			return err
		}
		found, err := p.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		measurements = append(measurements, found...)
	}
	if err := report(measurements, *file, out); err != nil {
		return err
	}
	over := 0
	for _, m := range measurements {
		if m.Over() {
			over++
		}
	}
	if *strict && over > 0 {
		return fmt.Errorf("%d measurements are over their budget", over)
	}
	_, err = fmt.Fprintf(out, "%d of %d measurements are over their budget\n", over, len(measurements))
	return err
}

func choose(all []part, names []string) ([]part, error) {
	var chosen []part
	for _, name := range names {
		i := slices.IndexFunc(all, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no part %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func report(measurements []bench.Measurement, file string, out io.Writer) (err error) {
	if err := bench.Print(out, measurements); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	if err := bench.PrintRows(out, bench.Rows(bench.Budgets(), measurements)); err != nil {
		return err
	}
	if file != "" {
		f, err := os.Create(file) //nolint:gosec // the caller names it
		if err != nil {
			return err
		}
		if err := errors.Join(bench.PrintJSON(f, measurements), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
