// SPDX-License-Identifier: Apache-2.0

package orchestrator

import "time"

// PlanStatus of a plan.
type PlanStatus string

// The statuses of a plan; the last two are final.
const (
	PlanRunning PlanStatus = "running"
	PlanReady   PlanStatus = "ready"
	PlanFailed  PlanStatus = "failed"
)

// Plan is a change set over a whole graph, made of engine previews.
type Plan struct {
	ID string `json:"id"` // ULID
	Scope
	Kind                Kind       `json:"kind"`
	Release             string     `json:"release,omitempty"`
	GraphDigest         string     `json:"graphDigest,omitempty"`
	PreviousGraphDigest string     `json:"previousGraphDigest,omitempty"`
	Basis               int64      `json:"basis"`
	Principal           string     `json:"principal"`
	Status              PlanStatus `json:"status"`
	Error               string     `json:"error,omitempty"`
	CreatedAt           time.Time  `json:"createdAt"`
	FinishedAt          time.Time  `json:"finishedAt,omitzero"`
	// Nodes ordered by id; those without a change are listed with no Changes.
	Nodes []NodePlan `json:"nodes,omitempty"`
	// ChangeDigest covers Nodes: addresses, actions, paths and known values.
	ChangeDigest string `json:"changeDigest,omitempty"`
	Summary      Counts `json:"summary"`
	// Drift says that the plan is a drift check's: of what is deployed already.
	Drift bool `json:"drift,omitempty"`
}

// Counts of resources (not nodes) by action.
type Counts struct {
	Create  int `json:"create"`
	Update  int `json:"update"`
	Replace int `json:"replace"`
	Delete  int `json:"delete"`
}

// NodePlan is the change set of one node.
type NodePlan struct {
	Node       string `json:"node"`
	Engine     string `json:"engine"`
	Definition string `json:"definition"`
	Version    string `json:"version"`
	// Remove says that the node itself goes away; Retain that its resources
	// stay behind then.
	Remove bool `json:"remove,omitempty"`
	Retain bool `json:"retain,omitempty"`
	// Rollback is the node's class where it is not revertible, here or in what is
	// there: what a failure, or a later rollback, does not simply take back.
	Rollback string `json:"rollback,omitempty"`
	// Restore is where a rollback to an earlier release takes from what a resource
	// held that it makes anew. Empty says that nothing from a snapshot is given to a
	// node which is snapshot-first, so that it comes back empty.
	Restore *Restoration `json:"restore,omitempty"`
	Empty   bool         `json:"empty,omitempty"`
	Changes []Change     `json:"changes,omitempty"`
	// Digest covers Changes.
	Digest string `json:"digest"`
	Error  string `json:"error,omitempty"`
	// Drift is the node's state in a drift check, and Release the one that it is at,
	// where that is known; empty in other plans.
	Drift   DriftState `json:"drift,omitempty"`
	Release string     `json:"release,omitempty"`
}

// Replaces says that a resource of the node is replaced: what it holds goes with
// it.
func (n NodePlan) Replaces() bool { return CountChanges(n.Changes).Replace > 0 }

// Restoration names the snapshot that a node is made anew from.
type Restoration struct {
	Snapshot   string    `json:"snapshot"`          // its address
	Deployment string    `json:"deployment"`        // that it was taken for, before the change
	Release    string    `json:"release,omitempty"` // that the node was then at, where that is known
	Time       time.Time `json:"time"`
}

// Action on one resource.
type Action string

// The actions.
const (
	ActionCreate  Action = "create"
	ActionUpdate  Action = "update"
	ActionReplace Action = "replace"
	ActionDelete  Action = "delete"
)

// Change of one resource inside a node.
type Change struct {
	Address    string            `json:"address"` // the engine's own
	Action     Action            `json:"action"`
	Attributes []AttributeChange `json:"attributes,omitempty"` // ordered by path
	Reason     string            `json:"reason,omitempty"`     // such as why it is replaced
}

// AttributeChange of one attribute. Sensitive values are never held: Before
// and After are then nil and Sensitive is set.
type AttributeChange struct {
	Path   string `json:"path"` // such as "tags.owner" or "ports[0]"
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
	// Unknown says why After is not known: "known after apply", "known after
	// web-app.database".
	Unknown   string `json:"unknown,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
	Replaces  bool   `json:"replaces,omitempty"` // this attribute forces the replacement
}
