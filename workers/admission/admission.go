// SPDX-License-Identifier: Apache-2.0

// Package admission decides when a worker may take another step from an
// engine's queue. A queue has a budget of slots, memory and cores, and every
// step of an engine weighs the same, so that the budget is a number of steps
// that run at once. Before each but the first, the memory that is really free is
// looked at, too: it is what others on the machine leave, and what large
// providers do not.
//
// A step is admitted before it is asked for: one that is not stays in Temporal,
// where another worker can take it. Nothing that was admitted is held up.
//
// It is not for control work, which has queues and slots of its own and never
// waits here, and it stops nothing that runs.
package admission

import (
	"errors"
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
)

// Weight is what one step of an engine takes while it runs.
type Weight struct {
	// Memory in bytes, of all its processes together.
	Memory uint64
	// CPU in cores, on average over the step.
	CPU float64
}

// Budget is what the steps of one queue may take together. Zero values bound
// nothing.
type Budget struct {
	// Slots is the number of steps at once.
	Slots int
	// Memory in bytes.
	Memory uint64
	// CPU in cores.
	CPU float64
}

// ErrBudget is wrapped by the errors of a budget that holds not even one step.
var ErrBudget = errors.New("the budget holds not even one step")

// Steps is how many of that weight fit into the budget: at least one, or
// ErrBudget.
func (b Budget) Steps(w Weight) (int, error) {
	steps := math.MaxInt32
	if b.Slots > 0 {
		steps = b.Slots
	}
	if b.Memory > 0 && w.Memory > 0 {
		if b.Memory < w.Memory {
			return 0, fmt.Errorf("%w: %s of memory, and a step takes %s", ErrBudget, Bytes(b.Memory), Bytes(w.Memory))
		}
		steps = min(steps, int(min(b.Memory/w.Memory, math.MaxInt32)))
	}
	if b.CPU > 0 && w.CPU > 0 {
		if b.CPU < w.CPU {
			return 0, fmt.Errorf("%w: %g cores, and a step takes %g", ErrBudget, b.CPU, w.CPU)
		}
		// A budget of 0.3 cores holds three steps of 0.1, whatever the floating
		// point says.
		steps = min(steps, int(min(math.Floor(b.CPU/w.CPU+1e-9), math.MaxInt32)))
	}
	return steps, nil
}

// Bytes shows an amount of memory, such as "1.5 GiB".
func Bytes(n uint64) string { return humanize.IBytes(n) }

// ParseBytes reads an amount such as "2GiB", "1500MB" or "2147483648".
func ParseBytes(text string) (uint64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no amount of memory such as \"2GiB\"", text)
	}
	return n, nil
}
