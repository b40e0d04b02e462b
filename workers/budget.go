// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/workers/admission"
)

// Admission says what the steps of one engine may take together in this process,
// and what each of them weighs.
type Admission struct {
	Budget admission.Budget
	Weight admission.Weight
}

// share of the memory that the engines' steps may take by default, in percent:
// the rest is for the worker and its neighbours.
const share = 80

// admissions reads the budgets of the roles. What nobody set comes from the
// machine: the cores for each queue, since steps that share them only take
// longer, and the memory divided among the queues, so that each can run equally
// many steps.
func admissions(getenv func(string) string, names []string, slots int, machine admission.Machine) (map[string]Admission, error) {
	chosen := map[string]Admission{}
	var errs []error
	var together uint64
	for _, name := range names {
		r, known := findRole(name)
		if !known {
			continue
		}
		v := variables{getenv: getenv, prefix: "NESTOR_" + strings.ToUpper(name) + "_"}
		a := Admission{
			Budget: admission.Budget{
				Slots:  v.positive("SLOTS", slots),
				Memory: v.bytes("MEMORY", 0),
				CPU:    v.cores("CPU", max(float64(machine.Cores()), r.weight.CPU)),
			},
			Weight: admission.Weight{
				Memory: v.bytes("STEP_MEMORY", r.weight.Memory), CPU: v.cores("STEP_CPU", r.weight.CPU),
			},
		}
		errs = append(errs, v.errs...)
		together += a.Weight.Memory
		chosen[name] = a
	}
	total, _, err := machine.Memory()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, fmt.Errorf("find out how much memory there is: %w", err))
	}
	for name, a := range chosen {
		if a.Weight == (admission.Weight{}) && a.Budget.Slots == 0 {
			a.Budget.Slots = defaultSlots()
		}
		if a.Budget.Memory == 0 && total > 0 && together > 0 {
			each := total / 100 * share / together // steps of each queue
			a.Budget.Memory = max(each, 1) * a.Weight.Memory
		}
		if _, err := a.Budget.Steps(a.Weight); err != nil {
			variable := "NESTOR_" + strings.ToUpper(name)
			errs = append(errs, fmt.Errorf("%s_MEMORY, %s_CPU: %w; raise it, or lower %s_STEP_MEMORY or %s_STEP_CPU",
				variable, variable, err, variable, variable))
		}
		chosen[name] = a
	}
	return chosen, errors.Join(errs...)
}

// defaultSlots bounds what has no weight.
func defaultSlots() int { return 2 * runtime.GOMAXPROCS(0) }

// variables of one queue, and what is wrong with them.
type variables struct {
	getenv func(string) string
	prefix string
	errs   []error
}

func (v *variables) positive(name string, fallback int) int {
	n, err := positive(v.getenv(v.prefix+name), fallback)
	v.note(name, err)
	return n
}

func (v *variables) bytes(name string, fallback uint64) uint64 {
	text := v.getenv(v.prefix + name)
	if text == "" {
		return fallback
	}
	n, err := admission.ParseBytes(text)
	v.note(name, err)
	return n
}

func (v *variables) cores(name string, fallback float64) float64 {
	text := v.getenv(v.prefix + name)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n < 1e6) {
		v.note(name, fmt.Errorf("%q is no number of cores such as \"2\" or \"0.5\"", text))
		return fallback
	}
	return n
}

func (v *variables) note(name string, err error) {
	if err != nil {
		v.errs = append(v.errs, fmt.Errorf("%s%s: %w", v.prefix, name, err))
	}
}
