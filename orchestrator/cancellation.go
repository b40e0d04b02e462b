// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"slices"
	"time"
)

// PhaseRollback of a cancellation is the rollback itself; any other phase is what
// goes forward.
const PhaseRollback = "rollback"

// Cancellation is somebody's word that a deployment shall stop.
type Cancellation struct {
	Principal string    `json:"principal"`
	Phase     string    `json:"phase,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Time      time.Time `json:"time"`
	// SentAt is when the deployment's workflow had it; zero where nobody knows that
	// it got there.
	SentAt time.Time `json:"sentAt,omitzero"`
}

// OfRollback says that it is about the rollback, and not about what goes forward.
func (c Cancellation) OfRollback() bool { return c.Phase == PhaseRollback }

// Is says that two are the same word of the same principal, whenever they came.
func (c Cancellation) Is(other Cancellation) bool {
	return c.OfRollback() == other.OfRollback() && c.String() == other.String()
}

// String tells who canceled, and why where they said so.
func (c Cancellation) String() string {
	if c.Reason == "" {
		return "canceled by " + c.Principal
	}
	return "canceled by " + c.Principal + ": " + c.Reason
}

// Cancelable says whether a cancellation of this phase does anything now: what goes
// forward can be canceled until the rollback begins, and the rollback from then on.
func (d Deployment) Cancelable(rollback bool) bool {
	return !d.Status.Final() && rollback == (d.Status == StatusRollingBack)
}

// Stopping says who has asked the deployment to stop, as it runs still; empty where
// nobody has, where it is not known to have heard of it, and once it has.
func (d Deployment) Stopping() string {
	rollback := d.Status == StatusRollingBack
	if c, found := d.lastWord(rollback); found && !d.Status.Final() && !c.SentAt.IsZero() {
		return "stopping: " + c.String()
	}
	return ""
}

// Canceled is why a deployment goes no further forward, or, with rollback, why
// its rollback goes no further; empty where nobody has asked for that.
func (d Deployment) Canceled(rollback bool) string {
	if c, found := d.lastWord(rollback); found {
		return c.String()
	}
	return ""
}

// lastWord is the latest cancellation of a phase.
func (d Deployment) lastWord(rollback bool) (Cancellation, bool) {
	for _, c := range slices.Backward(d.Cancellations) {
		if c.OfRollback() == rollback {
			return c, true
		}
	}
	return Cancellation{}, false
}
