// SPDX-License-Identifier: Apache-2.0

// Package catalog holds ResourceDefinitions: versioned, immutable infrastructure
// primitives that a platform team publishes and product teams compose.
//
// It knows how to read, validate, digest, store, find and resolve definitions.
// It does not know compositions, environments or engines' programs; of an
// implementation it checks what can be said without them.
package catalog

import "time"

// APIVersion and Kind of a definition file.
const (
	APIVersion = "catalog.nestor.io/v1"
	Kind       = "ResourceDefinition"
)

// Definition is a primitive as its author wrote it, defaults filled in.
type Definition struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names a definition.
type Metadata struct {
	Name    string            `json:"name"`    // DNS label
	Version string            `json:"version"` // semver 2.0.0, no leading "v"
	Labels  map[string]string `json:"labels,omitempty"`
}

// Spec says what the primitive is, takes and gives.
type Spec struct {
	Provider     string  `json:"provider"`
	Category     string  `json:"category"`
	ResourceType string  `json:"resourceType"`
	Description  string  `json:"description,omitempty"`
	Inputs       []Field `json:"inputs,omitempty"`
	Outputs      []Field `json:"outputs,omitempty"`

	// Engines that can realise it, best first. Those without a block in
	// Implementations are declared but cannot act yet.
	Engines []string `json:"engines"`
	// Implementations by engine name; see the type.
	Implementations map[string]Implementation `json:"implementations,omitempty"`

	Rollback       RollbackClass  `json:"rollback,omitempty"`       // default: revertible
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"` // default: delete
	Timeouts       Timeouts       `json:"timeouts,omitempty"`
}

// Implementation tells one engine how to realise the definition.
type Implementation struct {
	// Module is a directory beside the definition file, slash-separated and
	// inside that file's directory; its files travel in the bundle. Terraform:
	// a module; Pulumi: a program; Helm: a chart.
	Module string `json:"module,omitempty"`
	// Inputs maps a definition input to the name the module gives it; inputs
	// that are not listed keep their name. Mapping to "" leaves one out.
	Inputs map[string]string `json:"inputs,omitempty"`
	// Outputs maps a definition output to the module's name for it.
	Outputs map[string]string `json:"outputs,omitempty"`
	// Identity says how to find what an interrupted create may have made: the
	// program's address of a resource (Terraform: "type.name" inside the module;
	// Pulumi: "type::name") → the ID by which the engine imports it. An ID is a
	// template over the inputs, such as "${inputs.bucket}". Helm and Crossplane
	// name what they make beforehand and need none.
	Identity map[string]string `json:"identity,omitempty"`
	// Settings are for the engine alone; see HelmSettings, PulumiSettings and
	// CrossplaneSettings.
	Settings map[string]any `json:"settings,omitempty"`
	// Snapshot says how the content of what this engine made is saved before a
	// change; see SnapshotStep. Class SnapshotFirst needs one.
	Snapshot *SnapshotStep `json:"snapshot,omitempty"`
}

// Type of a field's value.
type Type string

// The types. Their values in Go are string, bool, int64, float64, []any and
// map[string]any (elements again of these).
const (
	TypeString  Type = "string"
	TypeInteger Type = "integer"
	TypeNumber  Type = "number"
	TypeBoolean Type = "boolean"
	TypeList    Type = "list"
	TypeMap     Type = "map"
)

// Field is an input or output of a definition, or a parameter or output of a
// composition. Constraints hold for inputs and parameters.
type Field struct {
	Name        string `json:"name"`
	Type        Type   `json:"type"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required,omitempty"`
	Default     any    `json:"default,omitempty"`
	// Enum lists all values that are allowed.
	Enum []any `json:"enum,omitempty"`
	// Pattern is an RE2 expression that the whole string matches.
	Pattern string   `json:"pattern,omitempty"`
	Minimum *float64 `json:"minimum,omitempty"` // value, or length of a string, list or map
	Maximum *float64 `json:"maximum,omitempty"`
	// Sensitive values are encrypted at rest and masked everywhere.
	Sensitive bool `json:"sensitive,omitempty"`
	// Immutable inputs cannot change without replacing the resource.
	Immutable bool `json:"immutable,omitempty"`
}

// RollbackClass says whether a change of a resource can be taken back.
type RollbackClass string

// The rollback classes.
const (
	Revertible RollbackClass = "revertible"
	// SnapshotFirst is Revertible with a snapshot before each change: what was
	// replaced comes back with its content.
	SnapshotFirst RollbackClass = "snapshot-first"
	// ForwardOnly changes stay.
	ForwardOnly RollbackClass = "forward-only"
)

// RollbackClasses lists them all.
func RollbackClasses() []RollbackClass {
	return []RollbackClass{Revertible, SnapshotFirst, ForwardOnly}
}

// DeletionPolicy says what happens to a resource whose node goes away.
type DeletionPolicy string

// The deletion policies.
const (
	DeletePolicy DeletionPolicy = "delete"
	RetainPolicy DeletionPolicy = "retain"
)

// Timeouts bound one attempt of a verb; zero means the engine's default. In
// files they are written as Go durations ("10m").
type Timeouts struct {
	Apply   Duration `json:"apply,omitempty"`
	Destroy Duration `json:"destroy,omitempty"`
}

// Published is a definition version as the catalog keeps it. All but
// Deprecated is immutable.
type Published struct {
	Definition Definition `json:"definition"`
	// Digest is "sha256:<hex>" over the canonical JSON (RFC 8785) of the
	// definition and its BundleDigest.
	Digest string `json:"digest"`
	// BundleDigest covers the files of all implementations; empty without files.
	BundleDigest string    `json:"bundleDigest,omitempty"`
	Deprecated   string    `json:"deprecated,omitempty"` // the message; empty means not deprecated
	PublishedAt  time.Time `json:"publishedAt"`
	PublishedBy  string    `json:"publishedBy"`
}

// Ref is "name@version" for messages.
func (d Definition) Ref() string { return d.Metadata.Name + "@" + d.Metadata.Version }
