// SPDX-License-Identifier: Apache-2.0

// Package composer turns a team's abstractions and a developer's annotations
// into releases and graphs.
//
// Everything here is pure: no I/O, no clock, no randomness, no map-range order
// in any result. The same input gives the same digest on every machine.
// Storing compositions and releases is composer/registry's work.
//
// # Templates
//
// Strings in a config and in outputs are Go templates over .params, .env (name,
// provider, region, cluster, labels), .app.name, .team and .instance. A missing
// key is an error. Names may have dashes.
//
// An output of another resource is .resources.<name>.outputs.<output>, with a
// path into a map after it, or ${resources.<name>.outputs.<output>} in the text
// ($${ writes it literally). Another application's is output "team/application"
// "instance.resource" "output". Either makes an edge and is known only when the
// graph runs: it can be handed on by itself, which keeps its type, or inside
// text, also by printf, join, list and default, but nothing can be decided or
// computed with it.
//
// The functions are a closed list; each is there to choose (default, eq ne lt le
// gt ge, and or not), to make names that other systems accept (lower upper trim
// trimPrefix trimSuffix replace trunc quote), to take text and lists apart and
// together (split join list index len contains hasPrefix hasSuffix), to count
// (int add sub) or to write documents (printf toJson). Nothing reaches the
// process's environment, files, time or chance. Text, output and work are
// bounded by counting, not by a clock.
//
// A parameter's value is data: it is never parsed as a template or a reference.
package composer

import "github.com/HatiCode/nestor/catalog"

// APIVersion and kinds of the composer's files.
const (
	APIVersion      = "composer.nestor.io/v1"
	KindComposition = "ComposedResource"
	KindApplication = "Application"
)

// Composition is a team's abstraction over catalog primitives.
type Composition struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	Metadata   CompositionMetadata `json:"metadata"`
	Spec       CompositionSpec     `json:"spec"`
}

// CompositionMetadata names a composition inside its team.
type CompositionMetadata struct {
	Name string `json:"name"` // DNS label
	Team string `json:"team"` // DNS label
}

// CompositionSpec is its content.
type CompositionSpec struct {
	Description string          `json:"description,omitempty"`
	Params      []catalog.Field `json:"params,omitempty"`
	Resources   []Resource      `json:"resources"`
	// Dependencies are "a → b" or "a -> b": b needs a. Chains such as
	// "a → b → c" are accepted.
	Dependencies []string `json:"dependencies,omitempty"`
	Outputs      []Output `json:"outputs,omitempty"`
	// Environments overrides what the environment of that name says, inside
	// its allow-list.
	Environments map[string]Override `json:"environments,omitempty"`
}

// Resource is one node of a composition.
type Resource struct {
	Name string `json:"name"` // DNS label, unique in the composition
	// CatalogRef is "name" or "name@range", such as "aws-rds-mysql@^1.2". A
	// definition whose provider the environment does not offer is replaced by
	// the one with the same resourceType for the environment's provider; the
	// range then does not carry over.
	CatalogRef string `json:"catalogRef,omitempty"`
	// ResourceType, instead of CatalogRef, asks for the environment's own
	// provider's definition of that type: "mysql" or "mysql@range".
	ResourceType string         `json:"resourceType,omitempty"`
	Config       map[string]any `json:"config,omitempty"` // strings are templates
	// Rollback, where it is set, is the node's class instead of its definition's.
	Rollback catalog.RollbackClass `json:"rollback,omitempty"`
}

// Output is a value the composition gives to whoever uses it.
type Output struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Value       string `json:"value"` // template
	Sensitive   bool   `json:"sensitive,omitempty"`
}

// Override is what a composition changes in one environment.
type Override struct {
	Provider  string                      `json:"provider,omitempty"`
	Region    string                      `json:"region,omitempty"`
	Params    map[string]any              `json:"params,omitempty"` // other defaults
	Resources map[string]ResourceOverride `json:"resources,omitempty"`
}

// ResourceOverride changes one resource in one environment.
type ResourceOverride struct {
	CatalogRef   string                `json:"catalogRef,omitempty"`
	ResourceType string                `json:"resourceType,omitempty"`
	Config       map[string]any        `json:"config,omitempty"` // merged over the resource's, key by key
	Rollback     catalog.RollbackClass `json:"rollback,omitempty"`
}
