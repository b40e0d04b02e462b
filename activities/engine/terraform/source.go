// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// document is a state to be taken over, with everything that it holds of its
// resources.
type document struct {
	Version   int                        `json:"version"`
	Program   string                     `json:"terraform_version"` //nolint:tagliatelle // the program's format
	Serial    int64                      `json:"serial"`
	Lineage   string                     `json:"lineage"`
	Outputs   map[string]json.RawMessage `json:"outputs"`
	Resources []*held                    `json:"resources"`
	Encrypted json.RawMessage            `json:"encrypted_data,omitempty"` //nolint:tagliatelle // the program's format
}

// held is a resource in a document. Its instances are kept as they are.
type held struct {
	Module    string                       `json:"module,omitempty"`
	Mode      string                       `json:"mode"`
	Type      string                       `json:"type"`
	Name      string                       `json:"name"`
	Each      string                       `json:"each,omitempty"`
	Provider  string                       `json:"provider"`
	Instances []map[string]json.RawMessage `json:"instances"`
}

// parseSource reads what an adoption offers.
func parseSource(source engine.Source) (*document, error) {
	if source.Ref != "" || len(source.State) == 0 {
		return nil, invalid("what is adopted is a state (the content of terraform.tfstate, or what \"state pull\" writes), and nothing else")
	}
	var d document
	if err := json.Unmarshal(source.State, &d); err != nil {
		return nil, invalid("what is offered is no state: %v", err)
	}
	switch {
	case d.Encrypted != nil:
		return nil, invalid("the state is encrypted; write it with \"tofu state pull\", which decrypts it")
	case d.Version != stateVersion:
		return nil, invalid("what is offered is no state of version %d (its version is %d); "+
			"one of an older program is brought up to date by a newer one's \"apply -refresh-only\"", stateVersion, d.Version)
	case d.Lineage == "":
		return nil, invalid("the state has no lineage, so it is none that a program wrote")
	}
	d.Resources = slices.DeleteFunc(d.Resources, func(r *held) bool { return r.Mode != "managed" })
	for _, r := range d.Resources {
		if r.Type == "" || r.Name == "" || len(r.Instances) == 0 {
			return nil, invalid("the state is damaged: its resource %q.%q has no instance", r.Type, r.Name)
		}
		for _, i := range r.Instances {
			if _, deposed := i["deposed"]; deposed {
				return nil, invalid("the state has a replacement of %s.%s that did not end; finish it there first", r.Type, r.Name)
			}
		}
	}
	if len(d.Resources) == 0 {
		return nil, invalid("the state holds no resource")
	}
	return &d, nil
}

func (r *held) place(i map[string]json.RawMessage) place {
	p := place{module: r.Module, kind: r.Type, name: r.Name}
	if key := i["index_key"]; key != nil && string(key) != "null" {
		p.key = key
	}
	return p
}

// places of every instance, in order.
func (d *document) places() []string {
	var out []string
	for _, r := range d.Resources {
		for _, i := range r.Instances {
			out = append(out, r.place(i).String())
		}
	}
	slices.Sort(out)
	return out
}

// ids of the instances by place: what the state is of.
func (d *document) ids() map[string]string {
	out := map[string]string{}
	for _, r := range d.Resources {
		for _, i := range r.Instances {
			out[r.place(i).String()] = idOf(i["attributes"])
		}
	}
	return out
}

// idOf reads the id among a resource's attributes; nearly all have one.
func idOf(attributes json.RawMessage) string {
	var a struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(attributes, &a) != nil {
		return ""
	}
	return string(a.ID)
}

// moves is where the places of a state go: each to a place inside the module.
type moves struct {
	to   map[string]place
	used map[string]bool
}

func parseMoves(texts map[string]string) (*moves, error) {
	m := &moves{to: map[string]place{}, used: map[string]bool{}}
	for _, from := range slices.Sorted(maps.Keys(texts)) {
		source, err := parsePlace(from)
		if err != nil {
			return nil, invalid("a move from %v", err)
		}
		var target place
		if to := texts[from]; to != "" && to != "." {
			if target, err = parsePlace(to); err != nil {
				return nil, invalid("the move of %s to %v", from, err)
			}
		}
		if source.kind != target.kind || (source.key == nil && target.key != nil && source.kind == "") {
			return nil, invalid("%s cannot be moved to %q, which is no place of its kind", from, texts[from])
		}
		m.to[source.String()] = target
	}
	return m, nil
}

// target of an instance: the move of itself, of its resource, or of the
// innermost module around it.
func (m *moves) target(p place) place {
	if to, ok := m.take(p); ok {
		return to
	}
	if to, ok := m.take(p.resource()); ok {
		if to.key == nil {
			to.key = p.key
		}
		return to
	}
	for module := p.module; module != ""; {
		if to, ok := m.take(place{module: module}); ok {
			rest := strings.TrimPrefix(strings.TrimPrefix(p.module, module), ".")
			return place{module: rest, kind: p.kind, name: p.name, key: p.key}.inside(to.module)
		}
		cut := strings.LastIndex(module, "module.")
		module = strings.TrimSuffix(module[:max(cut, 0)], ".")
	}
	return p
}

func (m *moves) take(p place) (place, bool) {
	to, ok := m.to[p.String()]
	if ok {
		m.used[p.String()] = true
	}
	return to, ok
}

// remap moves every resource to its place in the root module of this engine.
func (d *document) remap(texts map[string]string) error {
	m, err := parseMoves(texts)
	if err != nil {
		return err
	}
	before, at := map[string]string{}, map[string]*held{}
	var resources []*held
	names := map[string]string{} // of resources, for the dependencies
	for _, r := range d.Resources {
		for _, i := range r.Instances {
			from := r.place(i)
			to := m.target(from).inside(moduleAddress)
			if other, taken := before[to.String()]; taken {
				return invalid("%s and %s of the state would both become %s; move one of them", other, from, to)
			}
			before[to.String()] = from.String()
			names[unkeyed(from)] = unkeyed(to)
			delete(i, "index_key")
			if to.key != nil {
				i["index_key"] = to.key
			}
			target := at[to.resource().String()]
			if target == nil {
				target = &held{Module: to.module, Mode: r.Mode, Type: to.kind, Name: to.name, Each: eachOf(to), Provider: r.Provider}
				at[to.resource().String()] = target
				resources = append(resources, target)
			}
			target.Instances = append(target.Instances, i)
		}
	}
	for from := range m.to {
		if !m.used[from] {
			return invalid("the state has no %q to be moved; it has %s", from, strings.Join(d.places(), ", "))
		}
	}
	d.Resources = resources
	return d.remapDependencies(names)
}

// unkeyed is the place of a resource in the configuration, as dependencies name
// it.
func unkeyed(p place) string { return instanceKey.ReplaceAllString(p.resource().String(), "") }

// eachOf says how a resource has several instances, as the state does.
func eachOf(p place) string {
	switch {
	case p.key == nil:
		return ""
	case p.key[0] == '"':
		return "map"
	default:
		return "list"
	}
}

// remapDependencies keeps the order in which resources are destroyed.
func (d *document) remapDependencies(names map[string]string) error {
	for _, r := range d.Resources {
		for _, i := range r.Instances {
			raw, ok := i["dependencies"]
			if !ok {
				continue
			}
			var before, after []string
			if err := json.Unmarshal(raw, &before); err != nil {
				return invalid("the state is damaged: the dependencies of %s: %v", r.place(i), err)
			}
			for _, dependency := range before {
				if to, ok := names[dependency]; ok { // others are data sources
					after = append(after, to)
				}
			}
			text, err := json.Marshal(after)
			if err != nil {
				return err
			}
			i["dependencies"] = text
			if after == nil {
				delete(i, "dependencies")
			}
		}
	}
	return nil
}

// providerName finds a provider's address in a resource's provider, which may
// name a module and an alias as well.
var providerName = regexp.MustCompile(`provider\["([^"]+)"\]`)

// builtin is the provider inside both programs.
const builtin = "terraform.io/builtin/terraform"

// The two public registries serve the same providers under the same names.
const (
	registryTofu      = "registry.opentofu.org/"
	registryTerraform = "registry.terraform.io/"
)

// adoptProviders makes every resource one of the module's own providers.
func (d *document) adoptProviders(known []string) error {
	known = append(slices.Clone(known), builtin)
	for _, r := range d.Resources {
		m := providerName.FindStringSubmatch(r.Provider)
		if m == nil {
			return invalid("the state is damaged or of a very old program: %s.%s has the provider %q", r.Type, r.Name, r.Provider)
		}
		name, err := sameProvider(m[1], known)
		if err != nil {
			return invalid("%s.%s of the state is of %v", r.Type, r.Name, err)
		}
		r.Provider = fmt.Sprintf("provider[%q]", name)
	}
	return nil
}

func sameProvider(name string, known []string) (string, error) {
	alike := []string{name}
	if rest, ok := strings.CutPrefix(name, registryTofu); ok {
		alike = append(alike, registryTerraform+rest)
	}
	if rest, ok := strings.CutPrefix(name, registryTerraform); ok {
		alike = append(alike, registryTofu+rest)
	}
	for _, a := range alike {
		if slices.Contains(known, a) {
			return a, nil
		}
	}
	return "", errors.New("provider " + name + ", which the definition's module does not use (it uses " +
		strings.Join(known, ", ") + "); \"state replace-provider\" there changes it")
}
