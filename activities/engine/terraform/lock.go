// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
)

// lockInfo is what the program tells of a state lock in its way.
type lockInfo struct {
	id        string
	operation string
	who       string // user@host
	created   string
}

// alreadyLocked is the id of a lock that is in the way. Terraform's HTTP backend
// tells no more of it; what follows under "Lock Info" is the lock that it
// failed to take itself.
var alreadyLocked = regexp.MustCompile(`already locked: ID=(\S+)`)

// lockTime is how the program writes times.
const lockTime = "2006-01-02 15:04:05.999999999 -0700 MST"

// parseLock reads a diagnostic about a lock.
func parseLock(d diagnostic) (l lockInfo, ok bool) {
	if !strings.Contains(strings.ToLower(d.Summary), "acquiring the state lock") {
		return lockInfo{}, false
	}
	if m := alreadyLocked.FindStringSubmatch(d.Detail); m != nil {
		defer func() {
			if l.id != m[1] {
				l = lockInfo{id: m[1]}
			}
		}()
	}
	for line := range strings.SplitSeq(d.Detail, "\n") {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch key {
		case "ID":
			l.id = value
		case "Operation":
			l.operation = value
		case "Who":
			l.who = value
		case "Created":
			l.created = value
		}
	}
	return l, true
}

// lockError says what a lock means. The local backend's is the kernel's: it
// goes with its holder, so one in the way has a living holder. Any other may
// outlive its holder.
func (n *node) lockError(l lockInfo) (engine.Class, string) {
	if n.stateFile != "" {
		return engine.Transient, fmt.Sprintf("the state is locked by a living process of %s since %s (lock %s)", l.who, l.created, l.id)
	}
	if l.id == "" {
		return engine.Transient, "the state's lock could not be taken, and the backend does not say who holds it"
	}
	if l.who == "" {
		return engine.Locked, fmt.Sprintf("the state is locked (lock %s), and the backend does not say by whom and since when; "+
			"if nobody is at work there, %s and try again", l.id, n.toUnlock(l))
	}
	return engine.Locked, fmt.Sprintf("the state is locked by %s since %s for %s (lock %s), and that holder is not provably dead; "+
		"if nobody is at work there, %s and try again", l.who, l.created, l.operation, l.id, n.toUnlock(l))
}

// toUnlock is what a person runs anywhere, who has access to the backend.
func (n *node) toUnlock(l lockInfo) string {
	return fmt.Sprintf("run \"%s force-unlock %s\" in a directory with %s", n.program.Command(), l.id, n.where())
}

// breakable says whether a lock is provably that of this workspace's own dead
// program. The turn proves the death. The lock was the program's when it was made
// on this host between the program's start and its first act: the program acted
// under the lock, and only one can have taken it in that time.
//
// So is one that was made on the host and in the time of an attempt that the
// caller has proven to be dead, wherever that was.
func (n *node) breakable(l lockInfo) (bool, error) {
	_, maker, _ := strings.Cut(l.who, "@")
	if made, err := time.Parse(lockTime, l.created); err == nil && l.id != "" && n.req.LeftByDead(maker, made) {
		return true, nil
	}
	died, err := n.dead()
	if err != nil || died == nil || died.Acted.IsZero() || l.id == "" {
		return false, err
	}
	host, err := os.Hostname()
	if err != nil {
		return false, err
	}
	_, holder, _ := strings.Cut(l.who, "@")
	created, err := time.Parse(lockTime, l.created)
	if err != nil {
		return false, nil //nolint:nilerr // a time that cannot be read proves nothing
	}
	return holder == host && died.Address == n.req.Address && !created.Before(died.Started) && !created.After(died.Acted), nil
}

// dead is the journal of the dead apply, whether or not it is settled.
func (n *node) dead() (*journal, error) {
	j, err := n.readJournalFile(diedFile)
	if err != nil || j != nil {
		return j, err
	}
	if j, err = n.readJournal(); err != nil || j == nil {
		return nil, err
	}
	_, j.Acted, err = n.begun()
	return j, err
}

// unlocked runs something that takes the state's lock, and once more after it
// has broken the lock of this workspace's own dead program.
func (n *node) unlocked(ctx context.Context, run func() error) error {
	err := run()
	e, ok := engine.AsError(err)
	if !ok || e.Class != engine.Locked || n.inTheWay == nil {
		return err
	}
	lock := *n.inTheWay
	mine, checkErr := n.breakable(lock)
	if checkErr != nil || !mine {
		return err
	}
	n.say("breaking lock %s of %s: its holder was an earlier attempt, which is dead", lock.id, lock.who)
	if err := n.runUnlock(ctx, lock.id); err != nil {
		return err
	}
	return run()
}
