// SPDX-License-Identifier: Apache-2.0

// Package chaos measures what disturbances leave behind: it runs the chaos
// harness for a while, as `make chaos` does, and takes its figures over.
package chaos

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/HatiCode/nestor/bench"
)

const (
	// program is what `make bench` builds of the harness.
	program = "harness/chaos"
	// lasts is how long there are disturbances.
	lasts = time.Minute
	// stallLimit is the design's.
	stallLimit = 3 * time.Second
)

// Run disturbs a platform, and counts.
func Run(ctx context.Context, bin string) ([]bench.Measurement, error) {
	file := filepath.Join(bin, filepath.FromSlash(program))
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("the harness is not built; run this part with `make bench`: %w", err)
	}
	var out bytes.Buffer
	command := exec.CommandContext(ctx, file, "-quiet", "-bin", bin, "-for", lasts.String()) //nolint:gosec // our own program
	command.Stdout, command.Stderr = &out, &out
	failed := command.Run()
	found, err := read(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w (%w): %s", err, failed, bytes.TrimSpace(out.Bytes()))
	}
	return found, nil
}

// read takes the figures out of what the harness prints: a name, at least two
// spaces, and a number.
func read(out []byte) ([]bench.Measurement, error) {
	line := regexp.MustCompile(`^(seed|points|duplicates|lost|orphans|locks|leaks|p99 stall|p99 with Temporal killed) {2,}([0-9.]+)`)
	figures := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if parts := line.FindStringSubmatch(lines.Text()); parts != nil {
			value, err := strconv.ParseFloat(parts[2], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", parts[1], err)
			}
			figures[parts[1]] = value
		}
	}
	var found []bench.Measurement
	note := fmt.Sprintf("%.0f disturbances, seed %.0f", figures["points"], figures["seed"])
	for _, name := range []string{"duplicates", "lost", "orphans", "locks", "leaks"} {
		value, told := figures[name]
		if !told {
			return nil, errors.New("the harness did not tell of " + name)
		}
		found = append(found, bench.None("side effects: "+name, value, name, note))
	}
	stall, told := figures["p99 stall"]
	if !told {
		return nil, errors.New("the harness did not tell of its stall")
	}
	restart, told := figures["p99 with Temporal killed"]
	if !told {
		return nil, errors.New("the harness did not tell of its stall after kills of Temporal")
	}
	return append(found,
		bench.AtMost("stall under disturbances, kills of Temporal left out, p99", seconds(stall), stallLimit, note),
		bench.AtMost("stall after kills of Temporal, p99", seconds(restart), 0, note)), nil
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
