// SPDX-License-Identifier: Apache-2.0

package script

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/expand"
)

// resourceAddress is what the one resource of a node is called in previews,
// errors and Implementation.Identity.
const resourceAddress = "resource"

// node is one request at work, for one verb.
type node struct {
	engine  *Engine
	req     engine.Request
	turn    *supervise.Turn
	secrets *strings.Replacer
}

// check refuses what must never become a path.
func (n *node) check() error {
	module := filepath.FromSlash(n.req.Implementation.Module)
	if module == "" || !filepath.IsLocal(module) {
		return fail(engine.Invalid, "the definition's module %q is not a directory inside its bundle", module)
	}
	for _, verb := range []verb{create, read, update, remove} {
		if _, err := os.Stat(n.script(verb)); err != nil {
			return fail(engine.Invalid, "the definition's module has no script %s", verb)
		}
	}
	if !filepath.IsLocal(filepath.FromSlash(n.req.Address)) || !filepath.IsAbs(n.req.Workspace) {
		return fail(engine.Invalid, "address %q or workspace %q cannot be used", n.req.Address, n.req.Workspace)
	}
	return nil
}

func (n *node) script(v verb) string {
	return filepath.Join(n.req.Bundle, filepath.FromSlash(n.req.Implementation.Module), string(v))
}

// file in the workspace, which may be lost at any time.
func (n *node) file(name string) string { return filepath.Join(n.req.Workspace, name) }

// say writes a line to the log, whose failures are nobody's business here.
func (n *node) say(format string, args ...any) {
	_, _ = fmt.Fprintf(n.req.Log, "%s\n", n.secrets.Replace(fmt.Sprintf(format, args...)))
}

// immutable says that a change of the input replaces the resource.
func (n *node) immutable(input string) bool {
	names, _ := n.req.Implementation.Settings["immutable"].([]any)
	return slices.Contains(names, any(input))
}

// identity is the ID that the definition declares for its resource before it
// exists; empty when it declares none.
func (n *node) identity() (string, error) {
	id, err := expand.String(n.req.Implementation.Identity[resourceAddress], func(reference string) (any, error) {
		name, isInput := strings.CutPrefix(reference, "inputs.")
		value, given := n.req.Inputs[name]
		if !isInput || !given {
			return nil, expand.ErrAbsent
		}
		return value, nil
	})
	if err != nil {
		return "", fail(engine.Invalid, "the definition's identity: %v", err)
	}
	return id, nil
}

// outputs of a resource, as the types that the definition declares.
func (n *node) outputs(r *resource) (map[string]any, error) {
	out := make(map[string]any, len(n.req.Outputs))
	for _, spec := range n.req.Outputs {
		value, given := r.Outputs[spec.Name]
		if !given {
			value, given = r.Inputs[spec.Name]
		}
		if !given && spec.Name == "id" {
			value, given = r.ID, true
		}
		if !given {
			return nil, fail(engine.Invalid, "the definition declares output %q, and no script writes it", spec.Name)
		}
		typed, err := convert(spec, value)
		if err != nil {
			return nil, err
		}
		out[spec.Name] = typed
	}
	return out, nil
}

// convert a value, which may be text that a script wrote, to an output's type.
func convert(spec engine.OutputSpec, value any) (any, error) {
	kind := catalog.Type(spec.Type)
	if text, ok := value.(string); ok && (kind == catalog.TypeList || kind == catalog.TypeMap) {
		if err := decode([]byte(text), &value); err != nil {
			return nil, fail(engine.Invalid, "output %q is declared as %s and is no JSON", spec.Name, spec.Type)
		}
	}
	out, err := catalog.Coerce(catalog.Field{Name: spec.Name, Type: kind, Sensitive: spec.Sensitive}, typed(value))
	if err != nil {
		return nil, fail(engine.Invalid, "output %v", err)
	}
	return out, nil
}

// secretsOf hides the texts of sensitive inputs and of credentials.
func secretsOf(req engine.Request) *strings.Replacer {
	var pairs []string
	for name := range req.Sensitive {
		if text := written(req.Inputs[name]); len(text) > 3 {
			pairs = append(pairs, text, catalog.Masked)
		}
	}
	for _, text := range req.Env {
		if len(text) > 11 {
			pairs = append(pairs, text, catalog.Masked)
		}
	}
	return strings.NewReplacer(pairs...)
}

// written is an input as scripts see it.
func written(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}
