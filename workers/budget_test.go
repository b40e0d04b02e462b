// SPDX-License-Identifier: Apache-2.0

package workers_test

import (
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/workers"
	"github.com/HatiCode/nestor/workers/admission"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// fromEnv reads a configuration with these variables and a data directory.
func fromEnv(env map[string]string) (workers.Config, error) {
	return workers.FromEnv(func(variable string) string {
		if variable == "NESTOR_DATA" {
			return "data"
		}
		return env[variable]
	})
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		env    map[string]string
		role   string
		want   workers.Admission
	}{
		"all": {
			"each variable counts", map[string]string{
				"NESTOR_QUEUES": "terraform", "NESTOR_TERRAFORM_SLOTS": "9", "NESTOR_TERRAFORM_MEMORY": "2GiB", "NESTOR_TERRAFORM_CPU": "1.5",
				"NESTOR_TERRAFORM_STEP_MEMORY": "512MiB", "NESTOR_TERRAFORM_STEP_CPU": "0.5",
			}, workers.RoleTerraform, workers.Admission{
				Budget: admission.Budget{Slots: 9, Memory: 2 * gib, CPU: 1.5}, Weight: admission.Weight{Memory: 512 * mib, CPU: 0.5},
			},
		},
		"slots of all queues": {
			"NESTOR_SLOTS is for those without their own", map[string]string{
				"NESTOR_QUEUES": "terraform,fake", "NESTOR_SLOTS": "3", "NESTOR_FAKE_SLOTS": "50",
				"NESTOR_TERRAFORM_MEMORY": "2GiB", "NESTOR_TERRAFORM_CPU": "2",
			}, workers.RoleTerraform, workers.Admission{
				Budget: admission.Budget{Slots: 3, Memory: 2 * gib, CPU: 2}, Weight: admission.Weight{Memory: 256 * mib, CPU: 0.25},
			},
		},
		"its own slots": {
			"they win",
			map[string]string{"NESTOR_QUEUES": "fake", "NESTOR_SLOTS": "3", "NESTOR_FAKE_SLOTS": "50", "NESTOR_FAKE_CPU": "1"},
			workers.RoleFake,
			workers.Admission{Budget: admission.Budget{Slots: 50, CPU: 1}},
		},
		"weightless": {
			"without a weight, slots bound it",
			map[string]string{"NESTOR_QUEUES": "fake", "NESTOR_FAKE_CPU": "1"},
			workers.RoleFake,
			workers.Admission{Budget: admission.Budget{Slots: 2 * runtime.GOMAXPROCS(0), CPU: 1}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := fromEnv(test.env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Admission[test.role]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

// TestAdmissionFromTheMachine: the queues of a process never plan to take more
// memory together than there is, and each can run at least one step.
func TestAdmissionFromTheMachine(t *testing.T) {
	t.Parallel()
	names := workers.RoleNames()
	config, err := fromEnv(map[string]string{"NESTOR_QUEUES": strings.Join(names, ",")})
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Admission) != len(names)-1 {
		t.Errorf("%d queues have a budget, want one for each role but control: %v", len(config.Admission), config.Admission)
	}
	total, _, err := admission.ThisMachine().Memory()
	if errors.Is(err, fs.ErrNotExist) {
		total, err = 0, nil // the system does not tell, so nothing is planned
	}
	if err != nil {
		t.Fatal(err)
	}
	var planned uint64
	for name, a := range config.Admission {
		steps, err := a.Budget.Steps(a.Weight)
		if err != nil || steps < 1 {
			t.Errorf("%s: %d steps, %v", name, steps, err)
		}
		planned += a.Budget.Memory
	}
	if planned > total {
		t.Errorf("the budgets add up to %s of %s", admission.Bytes(planned), admission.Bytes(total))
	}
}

func TestAdmissionRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		env    map[string]string
		want   string
	}{
		"slots":      {"no number", map[string]string{"NESTOR_TERRAFORM_SLOTS": "none"}, `NESTOR_TERRAFORM_SLOTS: "none" is no positive number`},
		"memory":     {"no amount", map[string]string{"NESTOR_TERRAFORM_MEMORY": "lots"}, `NESTOR_TERRAFORM_MEMORY: "lots" is no amount of memory such as "2GiB"`},
		"cores":      {"no number", map[string]string{"NESTOR_TERRAFORM_CPU": "all"}, `NESTOR_TERRAFORM_CPU: "all" is no number of cores such as "2" or "0.5"`},
		"no cores":   {"nothing could run", map[string]string{"NESTOR_TERRAFORM_CPU": "0"}, `NESTOR_TERRAFORM_CPU: "0"`},
		"not a core": {"not a number at all", map[string]string{"NESTOR_TERRAFORM_STEP_CPU": "NaN"}, `NESTOR_TERRAFORM_STEP_CPU: "NaN"`},
		"too little memory": {
			"not even one step fits",
			map[string]string{"NESTOR_TERRAFORM_MEMORY": "100MiB"},
			"NESTOR_TERRAFORM_MEMORY, NESTOR_TERRAFORM_CPU: the budget holds not even one step: 100 MiB of memory, and a step takes 256 MiB; " +
				"raise it, or lower NESTOR_TERRAFORM_STEP_MEMORY or NESTOR_TERRAFORM_STEP_CPU",
		},
		"too few cores": {"not even one step fits", map[string]string{"NESTOR_TERRAFORM_CPU": "0.1"}, "0.1 cores, and a step takes 0.25"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := fromEnv(test.env); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.reason, err, test.want)
			}
		})
	}
}
