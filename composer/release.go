// SPDX-License-Identifier: Apache-2.0

package composer

import "time"

// ReleaseSchema is the version of the Release record's shape.
const ReleaseSchema = 1

// Release is an application resolved and frozen. It is content-addressed and
// immutable: Digest covers everything but Digest, Unbound, CreatedBy and
// CreatedAt.
type Release struct {
	SchemaVersion int    `json:"schemaVersion"`
	Digest        string `json:"digest"` // "sha256:<hex>"
	Team          string `json:"team"`
	Application   string `json:"application"`
	Repository    string `json:"repository,omitempty"` // URL or name, no credentials
	Commit        string `json:"commit,omitempty"`
	// Claims ordered by instance.
	Claims []ResolvedClaim `json:"claims"`
	// Bindings by environment, then by node id.
	Bindings map[string]map[string]Binding `json:"bindings"`

	// Unbound names each environment that this release cannot go to, and why.
	Unbound   map[string]string `json:"unbound,omitempty"`
	CreatedBy string            `json:"createdBy,omitempty"`
	CreatedAt time.Time         `json:"createdAt,omitzero"`
}

// ResolvedClaim is a claim with its composition pinned.
type ResolvedClaim struct {
	Claim
	CompositionDigest string `json:"compositionDigest"`
}

// Binding pins one node in one environment.
type Binding struct {
	Definition   string `json:"definition"` // catalog name
	Version      string `json:"version"`
	Digest       string `json:"digest"`
	BundleDigest string `json:"bundleDigest,omitempty"`
	Provider     string `json:"provider"` // the environment's, after the composition's override
	Region       string `json:"region,omitempty"`
	// Parameters of the node's instance in this environment, typed, with
	// defaults filled in.
	Parameters map[string]any `json:"parameters"`
}
