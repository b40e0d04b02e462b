// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// ErrorStopped is errorStopped.
const ErrorStopped = errorStopped

// Covered is covered.
func Covered(change orchestrator.Change, approved []orchestrator.Change) string {
	return covered(change, approved)
}

// Cut is cut.
func Cut(text []byte, all bool) int { return cut(text, all) }

// Explain is explain.
func Explain(working context.Context, err error) error { return explain(working, err) }

// GraphPage is page.
func GraphPage(g composer.Graph, number, limit int) (contract.LoadGraphResult, error) {
	return page(g, number, limit)
}

// ToTemporal is toTemporal.
func ToTemporal(err error) error { return toTemporal(err) }

// NodeError is nodeError.
func NodeError(err error) *orchestrator.NodeError { return nodeError(err) }

// StepFailure is stepFailure of an error as it is recorded.
func StepFailure(err error, failures int) error {
	return stepFailure(err, *nodeError(err), failures, 0)
}

// InputError is an inputError.
func InputError(err error) error { return &inputError{err} }

// NotApproved is a notApprovedError.
func NotApproved(digest, message string) error {
	return &notApprovedError{digest: digest, message: message}
}

// Log is a logWriter.
type Log struct{ *logWriter }

// NewLog returns one for a node.
func NewLog(ctx context.Context, r *registry.Registry, deployment, node string) Log {
	return Log{newLogWriter(ctx, r, "worker:tiny", deployment, node, 1, newMask())}
}

// Close stores what is left.
func (l Log) Close() error { return l.close() }

// Learn has the log hide a secret.
func (l Log) Learn(secret string) { l.mask.learn(secret) }

// Flush stores what can be stored now.
func (l Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush(false)
}
