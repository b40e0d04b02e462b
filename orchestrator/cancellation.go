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
}

// String tells who canceled, and why where they said so.
func (c Cancellation) String() string {
	if c.Reason == "" {
		return "canceled by " + c.Principal
	}
	return "canceled by " + c.Principal + ": " + c.Reason
}

// Canceled is why a deployment goes no further forward, or, with rollback, why
// its rollback goes no further; empty where nobody has asked for that.
func (d Deployment) Canceled(rollback bool) string {
	for _, c := range slices.Backward(d.Cancellations) {
		if (c.Phase == PhaseRollback) == rollback {
			return c.String()
		}
	}
	return ""
}
