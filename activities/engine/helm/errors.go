// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// invalid is an error that only a change of input or definition can cure.
func invalid(format string, args ...any) error {
	return &engine.Error{Class: engine.Invalid, Engine: Name, Message: fmt.Sprintf(format, args...)}
}

// rejected is the target's refusal of one resource.
func rejected(resource, format string, args ...any) error {
	return &engine.Error{Class: engine.Rejected, Engine: Name, Resource: resource, Message: fmt.Sprintf(format, args...)}
}

// again is an error that a new preview cures.
func again(format string, args ...any) error {
	return &engine.Error{Class: engine.Transient, Engine: Name, Message: fmt.Sprintf(format, args...) + "; preview again"}
}

// failed wraps a failure of the worker's own files: another try, perhaps on
// another worker, can help.
func failed(what string, err error) error {
	return &engine.Error{Class: engine.Transient, Engine: Name, Message: what + ": " + err.Error(), Err: err}
}

func canceled(ctx context.Context) error {
	return &engine.Error{
		Class: engine.Canceled, Engine: Name, Message: "stopped as asked", Err: context.Cause(ctx),
	}
}

// maxMessage bounds what is kept of somebody else's words.
const maxMessage = 800

// shorten makes one paragraph of at most maxMessage bytes.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + " …"
}
