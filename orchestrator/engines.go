// SPDX-License-Identifier: Apache-2.0

package orchestrator

// The engines that this version of Nestor runs.
const (
	EngineTerraform  = "terraform"
	EnginePulumi     = "pulumi"
	EngineHelm       = "helm"
	EngineCrossplane = "crossplane"
	// EngineFake is for tests, and is offered to nobody.
	EngineFake = "fake"
)

// ImplementedEngines lists the engines that a worker can run, sorted; an
// environment can enable no others.
func ImplementedEngines() []string { return append([]string{EngineFake}, OfferedEngines()...) }

// OfferedEngines is ImplementedEngines without the one for tests: what messages
// tell people to write.
func OfferedEngines() []string {
	return []string{EngineCrossplane, EngineHelm, EnginePulumi, EngineTerraform}
}
