// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// lock is a stack's lock as Pulumi records it. Nothing renews it and nothing
// removes it when its holder dies.
type lock struct {
	PID     int       `json:"pid"`
	User    string    `json:"username"`
	Host    string    `json:"hostname"`
	Created time.Time `json:"timestamp"`
}

func (l lock) String() string {
	return fmt.Sprintf("%s@%s (pid %d) since %s", l.User, l.Host, l.PID, l.Created.UTC().Format(time.RFC3339))
}

var (
	lockedText = regexp.MustCompile(`(?i)stack is currently locked by \d+ lock`)
	lockLine   = regexp.MustCompile(`created by (.+)@(\S*) \(pid (\d+)\) at (\S+)`)
)

// parseLocks reads what Pulumi says of the locks in its way.
func parseLocks(text string) (locks []lock, locked bool) {
	if !lockedText.MatchString(text) {
		return nil, false
	}
	for _, m := range lockLine.FindAllStringSubmatch(text, -1) {
		l := lock{User: m[1], Host: m[2]}
		l.PID, _ = strconv.Atoi(m[3])                 // digits
		l.Created, _ = time.Parse(time.RFC3339, m[4]) // the zero time proves nothing
		locks = append(locks, l)
	}
	return locks, true
}

// fileLocks reads a stack's locks in a backend of files, where no program needs
// to be asked.
func (n *node) fileLocks() ([]lock, error) {
	if n.backend.dir == "" {
		return nil, nil
	}
	paths, err := filepath.Glob(filepath.Join(n.backend.locks(n.stack), "*.json"))
	if err != nil {
		return nil, err
	}
	var locks []lock
	for _, path := range paths {
		text, err := os.ReadFile(path) //nolint:gosec // the stack's own lock
		if errors.Is(err, fs.ErrNotExist) {
			continue // given back meanwhile
		}
		if err != nil {
			return nil, err
		}
		var l lock
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		locks = append(locks, l)
	}
	return locks, nil
}

// dead says whether a lock is provably that of this workspace's own program,
// which has died: same host, same pid, taken since that program began, and no
// process with that pid lives now. Or it is of the host and the time of an
// attempt that the caller has proven to be dead.
func (n *node) dead(l lock) bool {
	if n.req.LeftByDead(l.Host, l.Created.Add(time.Second-time.Nanosecond)) && !living(l) {
		return true // Pulumi tells the time to the second
	}
	if n.journal == nil || n.journal.Stack != n.stack.ref() {
		return false
	}
	if _, err := supervise.Process(l.PID); !errors.Is(err, fs.ErrNotExist) {
		return false // the pid was used again, and the lock may be this one's
	}
	return slices.ContainsFunc(n.journal.Died, func(died supervise.Holder) bool {
		program := died.Lease
		program.PID, program.StartTime = died.Engine, died.EngineStart
		alive, known := supervise.Alive(program)
		// Pulumi tells the time to the second.
		return known && !alive && l.Host == died.Host && l.PID == died.Engine && !l.Created.Before(died.Since.Truncate(time.Second))
	})
}

// living says whether a lock's holder is seen to live on this host.
func living(l lock) bool {
	self, err := supervise.Self()
	if err != nil || l.Host != self.Host {
		return false
	}
	_, err = supervise.Process(l.PID)
	return err == nil
}

// lockError says what locks in the way mean.
func (n *node) lockError(locks []lock) error {
	e := &engine.Error{Class: engine.Locked, Engine: Name}
	names := make([]string, len(locks))
	alive := len(locks) > 0
	for i, l := range locks {
		names[i] = l.String()
		alive = alive && living(l)
	}
	if alive {
		e.Class = engine.Transient
		e.Message = fmt.Sprintf("stack %s is locked by a living process: %s", n.stack.ref(), strings.Join(names, ", "))
		return e
	}
	holders := strings.Join(names, ", ")
	if holders == "" {
		holders = "somebody of whom the backend does not tell, since a time unknown"
	}
	e.Message = fmt.Sprintf("stack %s is locked by %s, and that holder is not provably dead; "+
		"if nobody is at work there, remove the lock with \"pulumi cancel --yes --stack %s\" (with PULUMI_BACKEND_URL=%s) and try again",
		n.stack.ref(), holders, n.stack.qualified(), redactURL(n.backend.url))
	return e
}

// unlocked runs what takes the stack's lock, and once more after it has broken
// the lock of its own dead predecessor.
func (n *node) unlocked(ctx context.Context, run func() error) error {
	err := run()
	if !n.locked || err == nil {
		return err
	}
	locks := n.locks
	for _, l := range locks {
		if !n.dead(l) {
			return err
		}
	}
	if len(locks) == 0 {
		return err
	}
	n.say("breaking the lock of %s: it was an earlier attempt, which is dead", locks[0])
	if err := n.runCancel(ctx); err != nil {
		return err
	}
	return run()
}
