// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/subtle"
	"fmt"

	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
)

// SealInputs is what SameInputs compares with, for the Compensation of a run. It
// is a digest over revealed values, and encrypted, since a digest in clear would
// let everybody who reads the record try what the secret is.
func (r *Registry) SealInputs(ctx context.Context, run orchestrator.NodeRun, revealed []OutputValue) (string, error) {
	digest, err := revealedDigest(revealed)
	if err != nil {
		return "", fmt.Errorf("inputs of %s: %w", run.Node, err)
	}
	sealed, err := r.sealer.Seal(ctx, []byte(digest), sealedInputsOf(run))
	if err != nil {
		return "", fmt.Errorf("encrypt what %s was given: %w", run.Node, err)
	}
	return sealed, nil
}

// SameInputs says that revealed values are those that SealInputs has sealed for
// the node's run in the same deployment.
func (r *Registry) SameInputs(ctx context.Context, run orchestrator.NodeRun, sealed string, revealed []OutputValue) (bool, error) {
	before, err := r.sealer.Open(ctx, sealed, sealedInputsOf(run))
	if err != nil {
		return false, fmt.Errorf("decrypt what %s was given: %w", run.Node, err)
	}
	now, err := revealedDigest(revealed)
	if err != nil {
		return false, fmt.Errorf("inputs of %s: %w", run.Node, err)
	}
	return subtle.ConstantTimeCompare(before, []byte(now)) == 1, nil
}

// sealedInputsOf is the place that they are bound to.
func sealedInputsOf(run orchestrator.NodeRun) string {
	return runKey(run.Deployment, run.Node).String() + "/inputs"
}

// SameValues compares revealed values, whether they were read from the store or
// come from an engine.
func SameValues(a, b []OutputValue) (bool, error) {
	one, err := revealedDigest(a)
	if err != nil {
		return false, err
	}
	other, err := revealedDigest(b)
	return one == other, err
}

// revealedDigest covers secrets, too: it is never stored or shown.
func revealedDigest(values []OutputValue) (string, error) {
	if values == nil {
		values = []OutputValue{}
	}
	return canonical.Digest(values)
}
