// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
)

// SealInputs is what ChangedInputs compares with, for the Compensation of a run.
// It holds a digest of each revealed value, and is encrypted, since a digest in
// clear would let everybody who reads the record try what a secret is.
func (r *Registry) SealInputs(ctx context.Context, run orchestrator.NodeRun, revealed []OutputValue) (string, error) {
	digests, err := digestByName(revealed)
	if err != nil {
		return "", fmt.Errorf("inputs of %s: %w", run.Node, err)
	}
	plain, err := json.Marshal(digests)
	if err != nil {
		return "", fmt.Errorf("inputs of %s: %w", run.Node, err)
	}
	sealed, err := r.sealer.Seal(ctx, plain, sealedInputsOf(run))
	if err != nil {
		return "", fmt.Errorf("encrypt what %s was given: %w", run.Node, err)
	}
	return sealed, nil
}

// ChangedInputs names, in order, the revealed values that are not those that
// SealInputs has sealed for the node's run in the same deployment, and those that
// are missing on either side.
func (r *Registry) ChangedInputs(
	ctx context.Context, run orchestrator.NodeRun, sealed string, revealed []OutputValue,
) ([]string, error) {
	plain, err := r.sealer.Open(ctx, sealed, sealedInputsOf(run))
	if err != nil {
		return nil, fmt.Errorf("decrypt what %s was given: %w", run.Node, err)
	}
	var before map[string]string
	if err := json.Unmarshal(plain, &before); err != nil {
		return nil, fmt.Errorf("decode what %s was given: %w", run.Node, err)
	}
	now, err := digestByName(revealed)
	if err != nil {
		return nil, fmt.Errorf("inputs of %s: %w", run.Node, err)
	}
	return differing(before, now), nil
}

// sealedInputsOf is the place that they are bound to.
func sealedInputsOf(run orchestrator.NodeRun) string {
	return runKey(run.Deployment, run.Node).String() + "/inputs"
}

// ChangedValues names, in order, the revealed values that are not the same in
// both, whether they were read from the store or come from an engine.
func ChangedValues(a, b []OutputValue) ([]string, error) {
	one, err := digestByName(a)
	if err != nil {
		return nil, err
	}
	other, err := digestByName(b)
	return differing(one, other), err
}

// differing names what is not the same in both, in order.
func differing(a, b map[string]string) []string {
	var names []string
	for name, digest := range a {
		if b[name] != digest {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// digestByName covers secrets, too: it is never stored in clear or shown.
func digestByName(values []OutputValue) (map[string]string, error) {
	digests := make(map[string]string, len(values))
	for _, v := range values {
		digest, err := canonical.Digest(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
		digests[v.Name] = digest
	}
	return digests, nil
}
