// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// waiting is told who the workspace's lease is waited for. Pulumi gives every
// plugin a process group of its own, so plugins outlive a killed program for
// minutes, at work and with nobody left to record what they make. Then, and
// only then, they are killed: what they were at is in doubt already, and no
// other attempt may begin beside them.
func (n *node) waiting(h supervise.Holder) {
	n.say("waiting for %s to end", h)
	n.req.WaitsFor(h.Occupant())
	if h.Engine == 0 {
		return // another attempt is at work, not a program of a dead one
	}
	program := h.Lease
	program.PID, program.StartTime = h.Engine, h.EngineStart
	if alive, known := supervise.Alive(program); alive || !known {
		return
	}
	for _, pid := range orphans(n.req.Workspace) {
		n.say("stopping plugin process %d, whose program has died", pid)
		kill(pid)
	}
}
