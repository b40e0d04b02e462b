// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
)

// AsError finds the *Error in err's chain.
func AsError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// ClassOf is the class of err: that of the *Error in its chain, Canceled for a
// context that ended, and empty for nil and for every other error.
func ClassOf(err error) Class {
	if e, ok := AsError(err); ok {
		return e.Class
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Canceled
	}
	return ""
}
