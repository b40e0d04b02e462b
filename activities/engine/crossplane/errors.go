// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"fmt"

	"github.com/HatiCode/nestor/activities/engine"
)

// invalid is an error that only a change of input or definition can cure.
func invalid(resource, format string, args ...any) error {
	err := fmt.Errorf(format, args...) //nolint:err113 // the text is the caller's
	return &engine.Error{Class: engine.Invalid, Engine: Name, Resource: resource, Message: err.Error(), Err: err}
}

// rejected is a refusal of the cluster, or of what works in it.
func (n *node) rejected(resource, format string, args ...any) error {
	return &engine.Error{
		Class: engine.Rejected, Engine: Name, Resource: resource,
		Message: n.cluster.Mask.Text(fmt.Sprintf(format, args...)),
	}
}

// overtaken says that what was previewed is no longer what would be done.
func (n *node) overtaken(format string, args ...any) error {
	return &engine.Error{
		Class: engine.Transient, Engine: Name, Resource: n.address(),
		Message: fmt.Sprintf(format, args...) + "; preview again",
	}
}

// failed wraps a failure of the worker's own files: another try, perhaps on
// another worker, can help.
func failed(what string, err error) error {
	return &engine.Error{Class: engine.Transient, Engine: Name, Message: what + ": " + err.Error(), Err: err}
}

func canceled(ctx context.Context) error {
	return &engine.Error{Class: engine.Canceled, Engine: Name, Message: "stopped as asked", Err: context.Cause(ctx)}
}
