// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/orchestrator"
)

// holder is the attempt that works, or worked, on a revision.
type holder struct {
	orchestrator.Lease
	// Turn that the attempt had to its end; see supervise.Turn.
	Turn  string    `json:"turn,omitempty"`
	Since time.Time `json:"since"`
}

func (h holder) String() string {
	return fmt.Sprintf("process %d on %s, since %s", h.PID, h.Host, h.Since.UTC().Format(time.RFC3339))
}

// ours says whose a release is.
func (n *node) ours(h history) bool {
	last := h.last()
	return last != nil && last.labels[nodeLabel] == addressDigest(n.req.Address)
}

// refuseTaken is the error for a release that belongs to nobody or to another
// node.
func (n *node) refuseTaken(h history) error {
	last := h.last()
	if last == nil || n.ours(h) {
		return nil
	}
	owner := "somebody else"
	if address := last.annotations[addressAnnotation]; address != "" {
		owner = "node " + address
	} else if last.Chart != nil && last.Chart.Metadata != nil {
		owner = fmt.Sprintf("somebody who installed chart %s %s", last.Chart.Metadata.Name, last.Chart.Metadata.Version)
	}
	return rejected("release "+n.ref(), "release %s in namespace %s is taken by %s; adopt it with \"nestor adopt\", or set settings.release or settings.namespace in the definition",
		n.release, n.namespace, owner)
}

// refuseHeld is the error for a release on which somebody may be at work: one
// that is pending, unless its holder is provably dead.
func (n *node) refuseHeld(h history) error {
	last := h.last()
	if last == nil || !last.pending() {
		return nil
	}
	by, known := readHolder(*last)
	if known && n.over(by) {
		return nil
	}
	whose, cure := "a client that left no word who it is, since "+last.Info.LastDeployed.UTC().Format(time.RFC3339),
		fmt.Sprintf("if it is gone, run \"helm rollback %s --namespace %s\"", n.release, n.namespace)
	if known {
		whose = by.String()
		cure = fmt.Sprintf("if it is gone, delete secret %s in namespace %s", last.secret, n.namespace)
		if last.Version > 1 || last.status().String() == "uninstalling" {
			cure = fmt.Sprintf("if it is gone, remove annotation %s and run \"helm rollback %s --namespace %s\"", holderAnnotation, n.release, n.namespace)
		}
	}
	return &engine.Error{
		Class: engine.Locked, Engine: Name, Resource: "release " + n.ref(),
		Message: fmt.Sprintf("revision %d is %s and so locked by %s, which is not provably dead; %s", last.Version, last.status(), whose, cure),
	}
}

// over says that an attempt has ended: its process is dead, or the turn that it
// held to its end is now this attempt's. The latter tells of a process in a
// container that is no more, too.
func (n *node) over(by holder) bool {
	if alive, known := supervise.Alive(by.Lease); known && !alive {
		return true
	}
	turn, err := n.turn.Name()
	return err == nil && turn != "" && by.Turn == turn
}

func readHolder(r revision) (holder, bool) {
	var h holder
	text := r.annotations[holderAnnotation]
	if text == "" || json.Unmarshal([]byte(text), &h) != nil || h.PID == 0 {
		return holder{}, false
	}
	return h, true
}

// hold marks a revision as this node's and as held by this attempt.
func (n *node) hold(r *revision) error {
	self, err := supervise.Self()
	if err != nil {
		return failed("name this process", err)
	}
	turn, err := n.turn.Name()
	if err != nil {
		return failed("name this process", err)
	}
	text, err := json.Marshal(holder{Lease: self, Turn: turn, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return failed("name this process", err)
	}
	n.mark(r)
	r.annotations[holderAnnotation] = string(text)
	return nil
}

// mark makes a revision this node's.
func (n *node) mark(r *revision) {
	r.labels, r.annotations = maps.Clone(r.labels), maps.Clone(r.annotations)
	if r.labels == nil {
		r.labels = map[string]string{}
	}
	if r.annotations == nil {
		r.annotations = map[string]string{}
	}
	r.labels[nodeLabel] = addressDigest(n.req.Address)
	if r.labels[lineageLabel] == "" {
		r.labels[lineageLabel] = uuid.NewString()
	}
	r.annotations[addressAnnotation] = n.req.Address
}

// letGo takes the holder off a revision.
func letGo(r *revision) {
	r.annotations = maps.Clone(r.annotations)
	delete(r.annotations, holderAnnotation)
}
