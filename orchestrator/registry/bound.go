// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/json"
	"fmt"

	"github.com/HatiCode/nestor/orchestrator"
)

// What a record lists of a large deployment is bounded, in bytes of JSON, so
// that its end can be recorded whatever it left behind.
const (
	maxResidue = 128 << 10
	maxSkipped = 64 << 10
)

// boundedResidue keeps what fits and ends with an entry that counts the rest.
// Nothing is lost by that: each node that is left has its head.
func boundedResidue(all []orchestrator.Residue) ([]orchestrator.Residue, error) {
	fits, err := fitting(all, maxResidue)
	if err != nil || fits == len(all) {
		return all, err
	}
	rest := orchestrator.Residue{
		Node: "…", Reason: fmt.Sprintf("and %d more nodes", len(all)-fits), Action: "list them with `nestor status`",
	}
	return append(all[:fits:fits], rest), nil
}

// boundedNames is the same for nodes.
func boundedNames(all []string) ([]string, error) {
	fits, err := fitting(all, maxSkipped)
	if err != nil || fits == len(all) {
		return all, err
	}
	return append(all[:fits:fits], fmt.Sprintf("… and %d more", len(all)-fits)), nil
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
