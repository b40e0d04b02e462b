// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"path/filepath"
	"slices"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/crossplane"
	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/activities/engine/helm"
	"github.com/HatiCode/nestor/activities/engine/pulumi"
	"github.com/HatiCode/nestor/activities/engine/terraform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/workers/admission"
)

// The roles that a worker can take.
const (
	// RoleControl serves workflows and the activities that write records.
	RoleControl = "control"
	// The others serve the queue of the engine whose name they have.
	RoleTerraform  = orchestrator.EngineTerraform
	RolePulumi     = orchestrator.EnginePulumi
	RoleHelm       = orchestrator.EngineHelm
	RoleCrossplane = orchestrator.EngineCrossplane
	RoleFake       = orchestrator.EngineFake
)

// role is an engine's: what one of its steps takes, and how the engine is made.
// Making it neither starts a program nor looks for one.
type role struct {
	name string
	// weight of a step, unless the operator knows better; see ADR 21.
	// Steps of the fake engine weigh nothing.
	weight admission.Weight
	open   func(c Config) (engine.Engine, error)
}

const mib = 1 << 20

// roles that serve an engine, in the order of the names.
func roles() []role {
	return []role{
		// Crossplane works in its cluster; here a step is a few calls, and a wait.
		{RoleCrossplane, admission.Weight{Memory: 16 * mib, CPU: 0.05}, func(c Config) (engine.Engine, error) {
			return crossplane.New(crossplane.Config{DataDir: c.DataDir})
		}},
		{RoleFake, admission.Weight{}, func(c Config) (engine.Engine, error) {
			return fake.New(fake.Config{Dir: filepath.Join(c.DataDir, "fake"), World: c.FakeWorld})
		}},
		// A chart is rendered several times in this process, and then waited for.
		{RoleHelm, admission.Weight{Memory: 48 * mib, CPU: 0.1}, func(c Config) (engine.Engine, error) {
			return helm.New(helm.Config{DataDir: c.DataDir})
		}},
		// The program, its language host and at least one plugin.
		{RolePulumi, admission.Weight{Memory: 512 * mib, CPU: 0.5}, func(c Config) (engine.Engine, error) {
			return pulumi.New(pulumi.Config{
				SearchPath: c.BinDirs, DataDir: c.DataDir, Grace: c.Grace,
			})
		}},
		// OpenTofu and a small provider take 90 MiB, those of the large clouds
		// several hundred. It waits for them most of the time.
		{RoleTerraform, admission.Weight{Memory: 256 * mib, CPU: 0.25}, func(c Config) (engine.Engine, error) {
			return terraform.New(terraform.Config{
				SearchPath: c.BinDirs, MirrorDir: c.MirrorDir, DataDir: c.DataDir, Grace: c.Grace,
			})
		}},
	}
}

// RoleNames lists the roles that a worker can take.
func RoleNames() []string {
	names := []string{RoleControl}
	for _, r := range roles() {
		names = append(names, r.name)
	}
	return names
}

func findRole(name string) (role, bool) {
	all := roles()
	i := slices.IndexFunc(all, func(r role) bool { return r.name == name })
	if i < 0 {
		return role{}, false
	}
	return all[i], true
}
