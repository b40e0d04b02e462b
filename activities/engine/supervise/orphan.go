// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// orphanGrace is how long what a dead program left behind may go on to its end.
const orphanGrace = 3 * time.Second

// orphans ends what a program left behind that was killed together with its
// supervisor: a plugin waits for it forever and holds the lease. A program that
// lives, whatever became of its supervisor, is left alone.
type orphans struct {
	workspace string
	since     time.Time
}

// clear is called while the lease is held. The caller has the turn, so nobody
// starts a new program meanwhile.
func (o *orphans) clear() error {
	if !o.since.IsZero() && time.Since(o.since) < orphanGrace {
		return nil
	}
	holder, err := ReadHolder(o.workspace)
	if err != nil || holder.Engine == 0 {
		return nil //nolint:nilerr // it is being written: the supervisor lives
	}
	program := holder.Lease
	program.PID, program.StartTime = holder.Engine, holder.EngineStart
	if !dead(holder.Lease) || !dead(program) {
		o.since = time.Time{}
		return nil
	}
	if o.since.IsZero() {
		o.since = time.Now()
		return nil
	}
	o.since = time.Now()
	// A group that has a member keeps its number, so a member that holds this
	// lease proves that the group is the program's.
	ours, err := groupHolds(holder.Engine, leasePath(o.workspace))
	if err != nil || !ours {
		return err
	}
	if err := syscall.Kill(-holder.Engine, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end what %s left behind: %w", holder, err)
	}
	return nil
}
