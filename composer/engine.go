// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
)

// EngineQueue is the Temporal task queue of an engine's worker. It is the same
// name as orchestrator/contract.EngineQueue gives, which this package cannot
// import.
func EngineQueue(engine string) string { return "nestor-engine-" + engine }

// chooseEngine takes the engine that made the node, or else the first that the
// definition lists, the environment enables and an implementation exists for.
func chooseEngine(d catalog.Definition, env EnvironmentSettings, sticky string) (string, error) {
	enabled := slices.Sorted(slices.Values(env.Engines))
	usable := func(engine string) bool {
		_, implemented := d.Spec.Implementations[engine]
		return implemented && slices.Contains(enabled, engine)
	}
	if sticky != "" {
		if usable(sticky) {
			return sticky, nil
		}
		return "", &mistake{
			message: fmt.Sprintf("it was made by engine %s, which %s", sticky, notUsable(d, enabled, sticky)),
			hint:    "an engine sticks to what it made; enable it in environment " + env.Name + ", or pin a version of the definition that implements it",
		}
	}
	for _, engine := range d.Spec.Engines {
		if usable(engine) {
			return engine, nil
		}
	}
	implemented := sortedKeys(d.Spec.Implementations)
	return "", &mistake{
		message: fmt.Sprintf("no engine for %s: it lists %s (implemented: %s), environment %s enables %s",
			d.Ref(), listed(d.Spec.Engines), listed(implemented), env.Name, listed(enabled)),
		hint: "enable one of the definition's engines, or publish an implementation for an enabled one",
	}
}

func notUsable(d catalog.Definition, enabled []string, engine string) string {
	if _, implemented := d.Spec.Implementations[engine]; !implemented {
		return fmt.Sprintf("%s does not implement (it has %s)", d.Ref(), listed(sortedKeys(d.Spec.Implementations)))
	}
	return "the environment does not enable (it has " + listed(enabled) + ")"
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
