// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"fmt"
	"time"
)

// Tenure is the lease of a step that runs for longer than a moment, as its
// worker renews it in the store. That it was not renewed proves nothing: the
// worker may be frozen, or cut off from the store.
type Tenure struct {
	Deployment string     `json:"deployment"`
	Node       string     `json:"node"`
	Action     StepAction `json:"action"`
	Fence      int64      `json:"fence"`
	Lease      Lease      `json:"lease"`
	StartedAt  time.Time  `json:"startedAt"`
	// RenewedAt is when the worker was last heard of.
	RenewedAt time.Time `json:"renewedAt"`
	// EndedAt, EndedBy and Reason say that a person stated the worker's death.
	EndedAt time.Time `json:"endedAt,omitzero"`
	EndedBy string    `json:"endedBy,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// Ended says that the attempt is over by somebody's word.
func (t Tenure) Ended() bool { return !t.EndedAt.IsZero() }

// Holder names the process, for messages.
func (t Tenure) Holder() string {
	return fmt.Sprintf("process %d on %s, at work since %s and last heard of at %s",
		t.Lease.PID, t.Lease.Host, t.StartedAt.UTC().Format(time.RFC3339), t.RenewedAt.UTC().Format(time.RFC3339))
}

// Claim is something that one node alone can own: what an identity names, or
// what was adopted.
type Claim struct {
	// Engine whose name for it Key digests.
	Engine string `json:"engine"`
	// Key is a digest of the name and of where it counts.
	Key string `json:"key"`
	// Adopted claims stay with the node whatever its inputs become.
	Adopted bool `json:"adopted,omitempty"`
}
