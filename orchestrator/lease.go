// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"cmp"
	"fmt"
	"path/filepath"
	"time"

	"github.com/HatiCode/nestor/catalog"
)

// LeaseTTL is how long a worker may be silent, unless it is configured
// otherwise, before it stops its engines by itself.
const LeaseTTL = 15 * time.Second

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
	// RenewedAt is when the worker was last heard of, by its host's clock.
	RenewedAt time.Time `json:"renewedAt"`
	// TTL is how long the worker may be silent, as it is configured there; LeaseTTL
	// where it is not recorded.
	TTL catalog.Duration `json:"ttl,omitempty"`
	// Awaited says that another step waits for proof that this attempt is over.
	Awaited bool `json:"awaited,omitempty"`
	// WaitsFor is what the attempt waits for before it does anything: a program of
	// an earlier one that is not dead, on the same host.
	WaitsFor *Occupant `json:"waitsFor,omitempty"`
	// EndedAt, EndedBy and Reason say that the attempt is over: a person stated it,
	// a worker has seen its process to be dead, or it said so itself.
	EndedAt time.Time `json:"endedAt,omitzero"`
	EndedBy string    `json:"endedBy,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// Ended says that the attempt is over by somebody's word.
func (t Tenure) Ended() bool { return !t.EndedAt.IsZero() }

// Due is until when the worker has to be heard of again. It is a time of its
// host's clock: whoever compares it with another clock is wrong by as much as the
// two differ. That is good enough for a warning, and to let a person state a
// death; it proves none.
func (t Tenure) Due() time.Time {
	return t.RenewedAt.Add(cmp.Or(time.Duration(t.TTL), LeaseTTL))
}

// Overdue says that the worker has been silent for too long. See Due for what
// the comparison with now is worth.
func (t Tenure) Overdue(now time.Time) bool { return !now.Before(t.Due()) }

// Occupant is a program that is at work on a node although its worker is not.
type Occupant struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Program string    `json:"program,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// String names it, for messages.
func (o Occupant) String() string {
	name := ""
	if o.Program != "" {
		name = filepath.Base(o.Program) + ", "
	}
	return fmt.Sprintf("%sprocess %d on %s, at work since %s", name, o.PID, o.Host, o.Since.UTC().Format(time.RFC3339))
}

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
	// Until is the deployment up to whose end it is kept, although the node makes it
	// no more: a rollback would make it again.
	Until string `json:"until,omitempty"`
}

// Is says that two claims are of one thing.
func (c Claim) Is(other Claim) bool { return c.Engine == other.Engine && c.Key == other.Key }
