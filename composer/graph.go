// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"cmp"

	"github.com/HatiCode/nestor/catalog"
)

// GraphSchema is the version of the Graph's shape.
const GraphSchema = 1

// Graph is a release in one environment: what there shall be. It is
// deterministic and content-addressed; Digest covers everything but itself.
type Graph struct {
	SchemaVersion int    `json:"schemaVersion"`
	Digest        string `json:"digest"`
	Team          string `json:"team"`
	Application   string `json:"application"`
	Environment   string `json:"environment"`
	Release       string `json:"release"` // digest
	// Nodes ordered by id.
	Nodes []Node `json:"nodes"`
	// Outputs of the instances, ordered by instance and name.
	Outputs []InstanceOutput `json:"outputs,omitempty"`
}

// ReleaseOf is the release that a node of the graph is of: the graph's, or the
// node's own in one that was reassembled. It is empty where that is not known.
func (g Graph) ReleaseOf(n Node) string { return cmp.Or(n.Release, g.Release) }

// Node is one resource to be.
type Node struct {
	ID string `json:"id"` // "<instance>.<resource>"
	// Definition is the catalog name; with Version and DefinitionDigest it is
	// pinned by the release.
	Definition       string                 `json:"definition"`
	Version          string                 `json:"version"`
	DefinitionDigest string                 `json:"definitionDigest"`
	BundleDigest     string                 `json:"bundleDigest,omitempty"`
	Provider         string                 `json:"provider"`
	Engine           string                 `json:"engine"`
	Implementation   catalog.Implementation `json:"implementation"`
	// Inputs ordered by name.
	Inputs []NodeInput `json:"inputs,omitempty"`
	// InputDigest covers Inputs (references and secret references as such,
	// never a value behind them).
	InputDigest string `json:"inputDigest"`
	// Outputs that the definition declares, ordered by name.
	Outputs []catalog.Field `json:"outputs,omitempty"`
	// Dependencies are the ids of nodes of this graph that come first, ordered,
	// each once: declared edges and references together.
	Dependencies   []string               `json:"dependencies,omitempty"`
	RollbackClass  catalog.RollbackClass  `json:"rollbackClass"`
	DeletionPolicy catalog.DeletionPolicy `json:"deletionPolicy"`
	Timeouts       catalog.Timeouts       `json:"timeouts"`
	// Release that the node is of, in a graph that was reassembled and has none.
	Release string `json:"release,omitempty"`
	// Queue is the Temporal task queue of the node's engine.
	Queue string `json:"queue"`
	// File and Line of the annotation that asked for it.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// DescribedLike says that two descriptions of a node ask for the same: one
// definition, the same inputs as far as they are written down, one engine.
func (n Node) DescribedLike(o Node) bool {
	return n.DefinitionDigest == o.DefinitionDigest && n.InputDigest == o.InputDigest && n.Engine == o.Engine
}

// NodeInput is one input with its value or the way to it.
type NodeInput struct {
	Name      string       `json:"name"`
	Type      catalog.Type `json:"type"`
	Sensitive bool         `json:"sensitive,omitempty"`
	Immutable bool         `json:"immutable,omitempty"`
	Value     Expression   `json:"value"`
	// Check holds the definition's constraints (enum, pattern, bounds) where
	// Value is not known yet, so that ResolveInput can apply them.
	Check *catalog.Field `json:"check,omitempty"`
}

// Expression is a value that may depend on what other nodes give. Exactly one
// field is set, except that Literal may be a false, zero or empty value when
// Kind is ExprLiteral.
type Expression struct {
	Kind      ExpressionKind        `json:"kind"`
	Literal   any                   `json:"literal,omitempty"`
	Reference *Reference            `json:"reference,omitempty"`
	Secret    string                `json:"secret,omitempty"` // "secret://<source>/<path>"
	Parts     []Expression          `json:"parts,omitempty"`  // concat: joined as strings; list: the elements
	Fields    map[string]Expression `json:"fields,omitempty"` // map
}

// ExpressionKind says which field of an Expression holds.
type ExpressionKind string

// The kinds of expressions.
const (
	ExprLiteral   ExpressionKind = "literal"
	ExprReference ExpressionKind = "reference"
	ExprSecret    ExpressionKind = "secret"
	ExprConcat    ExpressionKind = "concat"
	ExprList      ExpressionKind = "list"
	ExprMap       ExpressionKind = "map"
)

// Reference points at an output of another node, in this graph or (with
// Application set) in another application's in the same environment.
type Reference struct {
	Team        string       `json:"team,omitempty"`
	Application string       `json:"application,omitempty"`
	Node        string       `json:"node"`
	Output      string       `json:"output"`
	Path        []string     `json:"path,omitempty"` // into a map output
	Type        catalog.Type `json:"type,omitempty"` // the output's declared type, where known
	Sensitive   bool         `json:"sensitive,omitempty"`
}

// InstanceOutput is a composition's output for one claim.
type InstanceOutput struct {
	Instance  string     `json:"instance"`
	Name      string     `json:"name"`
	Sensitive bool       `json:"sensitive,omitempty"`
	Value     Expression `json:"value"`
}
