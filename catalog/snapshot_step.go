// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/expand"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/internal/suggest"
)

// SnapshotStep is a companion of an implementation, of the same engine: it
// saves what a resource holds. It is applied before a change under an address
// of its own, and destroyed when a newer one has taken its place.
type SnapshotStep struct {
	// Module and Settings are as those of an Implementation.
	Module   string         `json:"module,omitempty"`
	Settings map[string]any `json:"settings,omitempty"`
	// Inputs of the companion: templates over what the node was given and gives,
	// such as "${inputs.name}" and "${outputs.id}", and SnapshotDeployment.
	Inputs map[string]string `json:"inputs,omitempty"`
	// Outputs of the companion.
	Outputs []Field `json:"outputs"`
	// Restore maps an input of the definition to the output of the companion
	// that it is given when a rollback makes the resource anew. It is given then
	// alone, so the implementation must read that input only when it creates.
	Restore map[string]string `json:"restore"`
}

// SnapshotDeployment is the reference to what tells a deployment from every other
// one, orchestrator.Deployment.Mark: "${deployment}". At least one input of a
// companion holds it, so that no two snapshots are one thing.
const SnapshotDeployment = "deployment"

// Implementation is the companion as its engine sees it.
func (s SnapshotStep) Implementation() Implementation {
	return Implementation{Module: s.Module, Settings: s.Settings}
}

// Modules lists the directories whose files the implementation needs.
func (i Implementation) Modules() []string {
	var dirs []string
	if i.Module != "" {
		dirs = append(dirs, i.Module)
	}
	if i.Snapshot != nil && i.Snapshot.Module != "" {
		dirs = append(dirs, i.Snapshot.Module)
	}
	return dirs
}

// checkSnapshot holds that class and snapshot go together, and what the
// companion says to its engine.
func checkSnapshot(report Report, d Definition, engine string) {
	at := manifest.Member("spec.implementations", engine) + ".snapshot"
	s := d.Spec.Implementations[engine].Snapshot
	wanted := d.Spec.Rollback == SnapshotFirst
	switch {
	case s == nil && wanted:
		report(at, "missing, expected how a snapshot is taken: rollback is snapshot-first",
			"say it for every engine that has an implementation, or choose another class")
		return
	case s == nil:
		return
	case !wanted:
		report(at, fmt.Sprintf("a snapshot is never taken: rollback is %s", d.Spec.Rollback), "write rollback: snapshot-first, or remove this block")
	}
	if message, hint := checkModule(s.Module); message != "" {
		report(at+".module", message, hint)
	}
	CheckOutputFields(at+".outputs", s.Outputs, report)
	inputs := make([]Field, 0, len(s.Inputs))
	for _, name := range slices.Sorted(maps.Keys(s.Inputs)) {
		inputs = append(inputs, Field{Name: name, Sensitive: checkSnapshotInput(report, manifest.Member(at+".inputs", name), name, s.Inputs[name], d.Spec)})
	}
	if !s.ofOneDeployment() {
		report(at+".inputs", "every snapshot would be given the same, so that the second would be the first, or fail",
			`give an input the deployment, such as {name: "${inputs.name}-${deployment}"}; where the snapshot needs no name, as a tag of it`)
	}
	checkRestore(report, at+".restore", *s, d.Spec)
	implementationCheck{
		engine: engine, at: at, impl: s.Implementation(), spec: Spec{Inputs: inputs, Outputs: s.Outputs}, report: report,
	}.run()
}

// ofOneDeployment says that an input is another one for each snapshot. Templates
// over the node alone are not: between two changes in place it is given, and
// gives, the same. One that cannot be read was reported as such.
func (s SnapshotStep) ofOneDeployment() bool {
	for _, template := range s.Inputs {
		if references, err := expand.References(template); err != nil || slices.Contains(references, SnapshotDeployment) {
			return true
		}
	}
	return false
}

// checkSnapshotInput looks at one template, and says whether it holds anything
// sensitive.
func checkSnapshotInput(report Report, at, name, template string, spec Spec) (sensitive bool) {
	if !identifierForm.MatchString(name) {
		report(at, quote(name)+" is not an identifier", "use letters, digits and _, beginning with a letter")
	}
	references, err := expand.References(template)
	if err != nil {
		report(at, err.Error(), "")
		return false
	}
	known := map[string]bool{SnapshotDeployment: false}
	for _, f := range spec.Inputs {
		known["inputs."+f.Name] = f.Sensitive
	}
	for _, f := range spec.Outputs {
		known["outputs."+f.Name] = f.Sensitive
	}
	for _, reference := range references {
		secret, exists := known[reference]
		sensitive = sensitive || secret
		if exists {
			continue
		}
		hint := "write ${inputs.<name>} or ${outputs.<name>}, declared under spec.inputs and spec.outputs, or ${deployment}"
		if near, ok := suggest.Nearest(reference, slices.Sorted(maps.Keys(known))); ok {
			hint = fmt.Sprintf("did you mean \"${%s}\"?", near)
		}
		report(at, fmt.Sprintf("\"${%s}\" names nothing that is known here", reference), hint)
	}
	return sensitive
}

// checkRestore looks at the way back: from an output of the companion into an
// input that nobody has to set.
func checkRestore(report Report, at string, s SnapshotStep, spec Spec) {
	if len(s.Restore) == 0 {
		report(at, "missing, expected which input takes what of the snapshot", `such as {restoreFrom: snapshotId}`)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Restore)) {
		here, from := manifest.Member(at, name), s.Restore[name]
		input, hasInput := fieldNamed(spec.Inputs, name)
		output, hasOutput := fieldNamed(s.Outputs, from)
		switch {
		case !hasInput:
			report(here, "the definition has no input "+quote(name), fieldHint(name, spec.Inputs, "spec.inputs"))
		case input.Required:
			report(here, "input "+quote(name)+" is required, so that every claim sets it", "restore into an input of its own")
		case !hasOutput:
			report(here, "the snapshot has no output "+quote(from), fieldHint(from, s.Outputs, "the snapshot's outputs"))
		case input.Type != output.Type:
			report(here, fmt.Sprintf("input %s is %s, output %s is %s", quote(name), article(input.Type), quote(from), article(output.Type)), "declare both with one type")
		case output.Sensitive && !input.Sensitive:
			report(here, fmt.Sprintf("output %s is sensitive, and input %s would show it", quote(from), quote(name)), "declare the input as sensitive")
		}
	}
}

func fieldNamed(fields []Field, name string) (Field, bool) {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return fields[i], true
}

func fieldHint(name string, fields []Field, where string) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	if near, ok := suggest.Nearest(name, names); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(names) == 0 {
		return "declare it under " + where
	}
	return "declared under " + where + ": " + strings.Join(names, ", ")
}
