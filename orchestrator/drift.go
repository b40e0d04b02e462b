// SPDX-License-Identifier: Apache-2.0

package orchestrator

import "time"

// DriftStatus of a drift check. All but DriftRunning are final.
type DriftStatus string

// The statuses of a drift check.
const (
	DriftRunning DriftStatus = "running"
	// DriftInSync: every node was read, and is as it was deployed.
	DriftInSync DriftStatus = "in_sync"
	// DriftDrifted: at least one node is not as it was deployed.
	DriftDrifted DriftStatus = "drifted"
	// DriftFailed: no difference was found, but not every node could be read.
	DriftFailed DriftStatus = "failed"
	// DriftOvertaken: a deployment began meanwhile, so that what was found may
	// be its work.
	DriftOvertaken DriftStatus = "overtaken"
)

// Trigger says what asked for a drift check, or for a deployment that nobody
// asked for in the usual way.
type Trigger string

// The triggers.
const (
	TriggerManual   Trigger = "manual"
	TriggerSchedule Trigger = "schedule"
	// TriggerDrift is that of a deployment which repairs what a check has found.
	TriggerDrift Trigger = "drift"
)

// Drift is the report of one check of what is deployed against what is there.
// What each node would change is in the plan of the same id.
type Drift struct {
	ID string `json:"id"` // ULID; also its plan's
	Scope
	Status  DriftStatus `json:"status"`
	Trigger Trigger     `json:"trigger"`
	// Repair says that what is found shall be repaired.
	Repair    bool   `json:"repair,omitempty"`
	Principal string `json:"principal"`
	RequestID string `json:"requestId"`
	// Release and graph that were deployed when the check began, and the head
	// revision of the scope then. A report is valid while these are the same.
	Release     string `json:"release"`
	GraphDigest string `json:"graphDigest"`
	Basis       int64  `json:"basis"`
	// DeployedGraph is that of Release, as it succeeded last; empty where nothing
	// did. What is there, GraphDigest, is another one where nodes are not at it.
	DeployedGraph string `json:"deployedGraph,omitempty"`
	// Unsettled is the last deployment, with UnsettledStatus, where it did not
	// succeed and left nodes as they are not to be.
	Unsettled       string `json:"unsettled,omitempty"`
	UnsettledStatus Status `json:"unsettledStatus,omitempty"`
	// Irreparable says why a repair cannot make it so again, and what can; empty
	// where it can.
	Irreparable string    `json:"irreparable,omitempty"`
	StartedAt   time.Time `json:"startedAt"`
	FinishedAt  time.Time `json:"finishedAt,omitzero"`
	// Error says why the report is not whole, or why there is none.
	Error string `json:"error,omitempty"`
	// Summary counts the resources that differ, and Tally the nodes by state.
	Summary Counts      `json:"summary"`
	Tally   DriftTally  `json:"tally"`
	Nodes   []NodeDrift `json:"nodes,omitempty"` // those not in sync, by id
	// Fingerprint names the places that differ, not the values in them: the same
	// drift that comes back has the same one. Empty when nothing differs.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Repaired is the deployment that repairs it, Unrepaired why there is none
	// although a repair was wanted.
	Repaired   string `json:"repaired,omitempty"`
	Unrepaired string `json:"unrepaired,omitempty"`
}

// DriftWorkflowID is the id of the workflow behind a drift check.
func DriftWorkflowID(s Scope, id string) string { return "drift/" + s.String() + "/" + id }

// DriftPrincipal is in whose name an environment's policy checks and repairs.
func DriftPrincipal(environment string) string { return "drift:" + environment }

// DriftState of one node.
type DriftState string

// The states of a node in a drift report.
const (
	NodeInSync  DriftState = "in_sync"
	NodeDrifted DriftState = "drifted"
	// NodeGone: the node was whole, and nothing of it is there any more.
	NodeGone DriftState = "gone"
	// NodeFollows: it is as it was deployed, and would change only since what it
	// depends on does.
	NodeFollows DriftState = "follows"
	// NodePartial: its deployment never succeeded, so that what is missing was
	// never there.
	NodePartial DriftState = "partial"
	// NodeElsewhere: it is as another release than the deployed one has it, or none.
	NodeElsewhere DriftState = "elsewhere"
	// NodeMissing: the deployed release has it, and nothing is recorded of it any
	// more: a deployment that did not succeed has destroyed it, or it was stated to be gone.
	NodeMissing DriftState = "missing"
	// NodeNotKnown: a person stated that nothing recorded of it holds, so nothing
	// is known to exist.
	NodeNotKnown DriftState = "forgotten"
	// NodeUnreadable: its state cannot be read, so nobody knows.
	NodeUnreadable DriftState = "unreadable"
	// NodeUnchecked: its engine could not be asked, or gave another error.
	NodeUnchecked DriftState = "unchecked"
)

// Differs says that a node is not as it was deployed.
func (s DriftState) Differs() bool {
	switch s {
	case NodeDrifted, NodeGone, NodePartial, NodeElsewhere, NodeMissing, NodeNotKnown:
		return true
	default:
		return false
	}
}

// Unknown says that nobody knows how a node is.
func (s DriftState) Unknown() bool { return s == NodeUnreadable || s == NodeUnchecked }

// NodeDrift is what a check has found out about one node.
type NodeDrift struct {
	Node       string     `json:"node"`
	State      DriftState `json:"state"`
	Engine     string     `json:"engine"`
	Definition string     `json:"definition"`
	Version    string     `json:"version"`
	// Release that the node is at, where it is not at the report's, and it is known.
	Release string `json:"release,omitempty"`
	// Changes that would make it again as it was deployed. Sensitive values are
	// withheld, as in plans.
	Changes []Change `json:"changes,omitempty"`
	// Deleted lists the resources among them that are not there any more.
	Deleted []string `json:"deleted,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// DriftTally counts nodes.
type DriftTally struct {
	Nodes   int `json:"nodes"`   // of the graph, and missing
	InSync  int `json:"inSync"`  // those that only follow others, too
	Differs int `json:"differs"` // drifted, gone, partial, elsewhere, missing and forgotten
	// Elsewhere counts those of Differs that are not at the deployed release, and
	// have not drifted: elsewhere and missing.
	Elsewhere int `json:"elsewhere,omitempty"`
	Unknown   int `json:"unknown"` // unreadable and unchecked
}

// Add counts one more node.
func (t *DriftTally) Add(s DriftState) {
	t.Nodes++
	if s == NodeElsewhere || s == NodeMissing {
		t.Elsewhere++
	}
	switch {
	case s.Differs():
		t.Differs++
	case s.Unknown():
		t.Unknown++
	default:
		t.InSync++
	}
}

// DeletedResources are the addresses of what would have to be created again.
func DeletedResources(changes []Change) []string {
	var gone []string
	for _, c := range changes {
		if c.Action == ActionCreate {
			gone = append(gone, c.Address)
		}
	}
	return gone
}
