// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
)

// MaxResidue is of what a deployment left, as its record lists it.
const MaxResidue = 128 << 10

// What a record lists of a large deployment is bounded, in bytes of JSON, so
// that its end can be recorded whatever it left behind.
const (
	maxSkipped = 64 << 10
	// maxDecisions is of the decisions on nodes.
	maxDecisions = 32 << 10
	// maxCancellations is of the words that asked a deployment to stop.
	maxCancellations = 32 << 10
)

// boundedApprovals drops the oldest decisions on nodes, which have had their
// effect; those on the plan are counted later, and stay.
func boundedApprovals(all []orchestrator.Approval) []orchestrator.Approval {
	size := func(a orchestrator.Approval) int {
		const rest = 256 // names, digest, time
		return len(a.Comment) + len(a.Void) + rest
	}
	total := 0
	for _, a := range all {
		if a.Node != "" {
			total += size(a)
		}
	}
	return slices.DeleteFunc(all, func(a orchestrator.Approval) bool {
		drop := a.Node != "" && total > maxDecisions
		if drop {
			total -= size(a)
		}
		return drop
	})
}

// boundedCancellations drops the oldest that a later one of their phase has
// overtaken; the events hold them all.
func boundedCancellations(all []orchestrator.Cancellation) []orchestrator.Cancellation {
	size := func(c orchestrator.Cancellation) int {
		const rest = 256 // names, times
		return len(c.Reason) + rest
	}
	total := 0
	for _, c := range all {
		total += size(c)
	}
	for at := 0; total > maxCancellations && at < len(all); {
		if lastOf(all, all[at]) == at {
			at++
			continue
		}
		total -= size(all[at])
		all = slices.Delete(all, at, at+1)
	}
	return all
}

// boundedResidue keeps what fits and ends with an entry that counts the rest,
// with those that were not listed in the first place. Nothing is lost by that:
// each node that is left has its head.
func boundedResidue(all []orchestrator.Residue, unlisted int) ([]orchestrator.Residue, error) {
	fits, err := fitting(all, MaxResidue)
	more := len(all) - fits + unlisted
	if err != nil || more == 0 {
		return all, err
	}
	rest := orchestrator.Residue{
		Node: orchestrator.MoreNodes, Reason: fmt.Sprintf("and %d more nodes", more), Action: "list them with `nestor status`",
	}
	return append(all[:fits:fits], rest), nil
}

// boundedNames is the same for nodes.
func boundedNames(all []string, unlisted int) ([]string, error) {
	fits, err := fitting(all, maxSkipped)
	more := len(all) - fits + unlisted
	if err != nil || more == 0 {
		return all, err
	}
	return append(all[:fits:fits], fmt.Sprintf("… and %d more", more)), nil
}

// maxProblems bounds the lines of a plan's error.
const maxProblems = 128 << 10

// boundedProblems is the same for the lines of a plan's error.
func boundedProblems(all []string) ([]string, error) {
	fits, err := fitting(all, maxProblems)
	if err != nil || fits == len(all) {
		return all, err
	}
	return append(all[:fits:fits], fmt.Sprintf("… and %d more problems", len(all)-fits)), nil
}

// fitting counts the items that fit into limit bytes of JSON.
func fitting[T any](all []T, limit int) (int, error) {
	size := 0
	for i, item := range all {
		data, err := json.Marshal(item)
		if err != nil {
			return 0, fmt.Errorf("encode item %d: %w", i, err)
		}
		if size += len(data) + 1; size > limit {
			return i, nil
		}
	}
	return len(all), nil
}
