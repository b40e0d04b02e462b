// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
)

// internalReference finds an output of a node of this graph. from is the node
// that refers to it, nil for an instance's output.
func (b *graphBuilder) internalReference(from *plannedNode, id, output string, path []string) (Reference, error) {
	n, ok := b.known[id]
	if !ok {
		return Reference{}, &mistake{message: fmt.Sprintf("there is no node %q", clip(id)), hint: hint(id, sortedKeys(b.known), "")}
	}
	if from == n {
		return Reference{}, &mistake{message: id + " refers to itself", hint: "a resource cannot need its own output"}
	}
	ref := Reference{Node: id, Output: output, Path: path}
	return describeOutput(ref, n.definition.Ref(), n.definition.Spec.Outputs)
}

// describeOutput adds what the declaration of an output says to a reference.
func describeOutput(r Reference, giver string, outputs []catalog.Field) (Reference, error) {
	names := make([]string, len(outputs))
	for i, o := range outputs {
		names[i] = o.Name
	}
	i := slices.Index(names, r.Output)
	if i < 0 {
		return Reference{}, &mistake{
			message: fmt.Sprintf("%s (%s) gives no output %q", r.Node, giver, clip(r.Output)),
			hint:    hint(r.Output, names, "it gives none"),
		}
	}
	r.Sensitive = outputs[i].Sensitive
	switch t := outputs[i].Type; {
	case len(r.Path) == 0:
		r.Type = t
	case t != catalog.TypeMap && t != catalog.TypeList:
		return Reference{}, failf("output %s of %s is of type %s; there is no %q in it", r.Output, r.Node, t, clip(r.Path[0]))
	}
	return r, nil
}

// externalReference finds an output of another application, or of another
// instance of this one. Every part is checked before it can become a part of a
// key.
func (b *graphBuilder) externalReference(from *plannedNode, application, node, output string) (Reference, error) {
	team, name, qualified := strings.Cut(application, "/")
	if !qualified {
		team, name = b.team, application
	}
	instanceName, resource, ok := strings.Cut(node, ".")
	if !ok {
		return Reference{}, &mistake{message: fmt.Sprintf("%q is no node", clip(node)), hint: "write \"instance.resource\""}
	}
	for _, part := range [][2]string{{"team", team}, {"application", name}, {"instance", instanceName}, {"resource", resource}} {
		if err := catalog.CheckName(part[0], part[1]); err != nil {
			return Reference{}, failf("output: %v", err)
		}
	}
	if team == b.team && name == b.application {
		return b.internalReference(from, node, output, nil)
	}
	ref := Reference{Team: team, Application: name, Node: node, Output: output}
	if b.dry {
		return ref, nil
	}
	if team != b.team && !slices.Contains(b.env.Shared, team+"/"+name) {
		return Reference{}, &mistake{
			message: fmt.Sprintf("application %s/%s is not shared in environment %s", team, name, b.env.Name),
			hint:    "ask the platform team to add it to the environment's shared list",
		}
	}
	if b.lookup == nil {
		return Reference{}, failf("outputs of other applications, such as %s, are not at hand here", ref)
	}
	other, found := b.lookup(team, name, node)
	if !found {
		return Reference{}, &mistake{
			message: fmt.Sprintf("application %s/%s has no node %q in environment %s", team, name, node, b.env.Name),
			hint:    "deploy it first",
		}
	}
	return describeOutput(ref, team+"/"+name, other.Outputs)
}
