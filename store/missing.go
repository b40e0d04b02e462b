// SPDX-License-Identifier: Apache-2.0

package store

// MissingError says in a person's words what is not there. It is ErrNotFound,
// without the names that the store has for things.
type MissingError struct{ Message string }

// Missing is the error for what is not there, such as "deployment
// alpha/shop/staging/1".
func Missing(what string) *MissingError {
	return &MissingError{Message: "there is no " + what}
}

func (e *MissingError) Error() string { return e.Message }

// Unwrap makes errors.Is(err, ErrNotFound) hold.
func (e *MissingError) Unwrap() error { return ErrNotFound }
