// SPDX-License-Identifier: Apache-2.0

package orchestrator

// The engines that this version of Nestor runs.
const (
	EngineTerraform = "terraform"
	// EngineFake is for tests, and is offered to nobody.
	EngineFake = "fake"
)

// ImplementedEngines lists the engines that a worker can run, sorted; an
// environment can enable no others. catalog.KnownEngines is wider, since
// definitions are written ahead.
func ImplementedEngines() []string { return []string{EngineFake, EngineTerraform} }

// OfferedEngines is ImplementedEngines without the one for tests: what messages
// tell people to write.
func OfferedEngines() []string { return []string{EngineTerraform} }
