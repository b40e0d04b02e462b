// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
)

// Names inside the root module.
const (
	moduleName      = "node"
	moduleAddress   = "module." + moduleName
	unknownType     = "terraform_data"
	unknownName     = "nestor_unknown"
	unknownResource = unknownType + "." + unknownName
	bundleLink      = "bundle"
)

// object is a JSON object.
type object = map[string]any

// rootModule is the generated configuration as JSON. Every string in it that
// the program could take for a template is one written here; names are checked
// identifiers, and values are not in it at all.
//
// An unknown input comes from a resource that is only ever planned: its id is
// not known before apply, and decoding an unknown string gives an unknown of
// any type.
func rootModule(req engine.Request, impl catalog.Implementation, args []argument, backend object) ([]byte, error) {
	call := object{"source": "./" + path.Join(bundleLink, path.Clean(impl.Module))}
	variables := object{}
	unknown := false
	for _, a := range args {
		if a.unknown != "" {
			unknown = true
			value := "jsondecode(" + unknownResource + ".id)"
			if a.sensitive {
				value = "sensitive(" + value + ")"
			}
			call[a.name] = "${" + value + "}"
			continue
		}
		variables[a.name] = object{"sensitive": a.sensitive}
		call[a.name] = "${var." + a.name + "}"
	}
	outputs := object{}
	for _, o := range req.Outputs {
		name := moduleOutput(impl, o.Name)
		if !identifier.MatchString(o.Name) || !identifier.MatchString(name) {
			return nil, invalid("output %q maps to %q, which cannot be a module's output", o.Name, name)
		}
		outputs[o.Name] = object{"value": "${" + moduleAddress + "." + name + "}", "sensitive": o.Sensitive}
	}
	root := object{
		"terraform": object{"backend": backend},
		"module":    object{moduleName: call},
	}
	if len(variables) > 0 {
		root["variable"] = variables
	}
	if len(outputs) > 0 {
		root["output"] = outputs
	}
	if unknown {
		root["resource"] = object{unknownType: object{unknownName: object{}}}
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write root module: %w", err)
	}
	return append(text, '\n'), nil
}

// variablesFile is the content of a .tfvars.json file, in which strings are
// literal.
func variablesFile(args []argument) ([]byte, error) {
	values := object{}
	for _, a := range args {
		if a.unknown == "" {
			values[a.name] = a.value
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, invalid("an input has a value that is no JSON: %v", err)
	}
	return text, nil
}
