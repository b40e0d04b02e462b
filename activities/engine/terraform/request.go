// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
)

// identifier is what Terraform accepts as a name of a variable, argument or
// output. Everything that ends up as a key in the root module is one.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// segment is a part of a state address that is safe as a path segment.
var segment = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// checkRequest refuses what must never become a path, a name or an argument.
func checkRequest(req engine.Request, impl catalog.Implementation) error {
	for part := range strings.SplitSeq(req.Address, "/") {
		if !segment.MatchString(part) {
			return invalid("state address %q is not made of plain names", req.Address)
		}
	}
	if !filepath.IsAbs(req.Workspace) {
		return invalid("workspace %q is not an absolute path", req.Workspace)
	}
	if impl.Module == "" || !filepath.IsLocal(filepath.FromSlash(impl.Module)) {
		return invalid("the definition's module %q is not a directory inside its bundle", impl.Module)
	}
	if info, err := os.Stat(modulePath(req, impl)); err != nil || !info.IsDir() {
		return invalid("the definition's bundle has no module directory %q", impl.Module)
	}
	return checkEnvironment(req.Env)
}

func modulePath(req engine.Request, impl catalog.Implementation) string {
	return filepath.Join(req.Bundle, filepath.FromSlash(impl.Module))
}

// argument is one argument of the module call.
type argument struct {
	input     string // the definition's name
	name      string // the module's
	value     any
	unknown   string // the reason, when the value is not known
	sensitive bool
}

// arguments maps the request's inputs to the module's, ordered by name.
func arguments(req engine.Request, impl catalog.Implementation) ([]argument, error) {
	var args []argument
	add := func(a argument) error {
		if mapped, ok := impl.Inputs[a.input]; ok {
			a.name = mapped
		} else {
			a.name = a.input
		}
		if a.name == "" {
			return nil // left out by the definition
		}
		if !identifier.MatchString(a.name) || slices.Contains(reserved, a.name) {
			return invalid("input %q maps to %q, which cannot be a module's variable", a.input, a.name)
		}
		a.sensitive = req.Sensitive[a.input]
		args = append(args, a)
		return nil
	}
	for input, value := range req.Inputs {
		if err := add(argument{input: input, value: value}); err != nil {
			return nil, err
		}
	}
	for input, reason := range req.Unknown {
		if _, both := req.Inputs[input]; both {
			return nil, invalid("input %q is both known and unknown", input)
		}
		if err := add(argument{input: input, unknown: reason}); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(args, func(a, b argument) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(args); i++ {
		if args[i].name == args[i-1].name {
			return nil, invalid("inputs %q and %q both map to the module's %q", args[i-1].input, args[i].input, args[i].name)
		}
	}
	return args, nil
}

// reserved are the module block's own arguments.
var reserved = []string{"source", "version", "providers", "count", "for_each", "lifecycle", "depends_on", "locals"} //nolint:gochecknoglobals // immutable

// moduleOutput is the module's name for a declared output.
func moduleOutput(impl catalog.Implementation, output string) string {
	if mapped, ok := impl.Outputs[output]; ok && mapped != "" {
		return mapped
	}
	return output
}
