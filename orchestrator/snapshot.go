// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"strconv"
	"strings"
	"time"
)

// SnapshotAddresses are where the snapshots that were taken of the node have
// their own state, oldest first.
func (h NodeHead) SnapshotAddresses() []string { return h.snapshots(true) }

// UnfinishedSnapshots are the addresses of those that were begun and not taken,
// oldest first: they hold nothing to go back to, but something of them may be
// there.
func (h NodeHead) UnfinishedSnapshots() []string { return h.snapshots(false) }

func (h NodeHead) snapshots(taken bool) []string {
	all := make([]string, 0, len(h.Snapshots))
	for _, s := range h.Snapshots {
		if s.Taken == taken {
			all = append(all, s.Address)
		}
	}
	return all
}

// Snapshot is what was saved of a node before a deployment changed it. Its
// inputs and outputs are documents of their own (see registry).
type Snapshot struct {
	Deployment string `json:"deployment"` // that it was taken for
	// Address of the snapshot's own state, in Backend.
	Address string  `json:"address"`
	Backend Backend `json:"backend"`
	// GraphDigest and Release say as what the node was when it was taken: its
	// description there made the snapshot, and says how it is destroyed. Release is
	// empty where the graph was put together from nodes of which it is not known.
	GraphDigest string    `json:"graphDigest"`
	Release     string    `json:"release,omitempty"`
	Taken       bool      `json:"taken,omitempty"` // its engine has succeeded; until then it holds nothing
	Time        time.Time `json:"time"`            // when it was begun
	// Error of its destruction, while that has not succeeded.
	Error string `json:"error,omitempty"`
}

// Usable says that something can be made anew from it: it was taken, and nobody
// has begun to destroy it.
func (s Snapshot) Usable() bool { return s.Taken && s.Error == "" }

const snapshotInfix = ".snapshot-"

// SnapshotName is the name, or the address, of what is saved of a node, or of its
// address, for its nth deployment. No node is called like that: its id has one
// dot.
func SnapshotName(node string, n int64) string {
	return node + snapshotInfix + strconv.FormatInt(n, 10)
}

// ParseSnapshotName tells a snapshot's name from a node's.
func ParseSnapshotName(name string) (node string, n int64, is bool) {
	at := strings.LastIndex(name, snapshotInfix)
	if at < 0 || !strings.Contains(name[:at], ".") {
		return "", 0, false
	}
	n, err := strconv.ParseInt(name[at+len(snapshotInfix):], 10, 64)
	if err != nil || n < 1 || SnapshotName(name[:at], n) != name {
		return "", 0, false
	}
	return name[:at], n, true
}
