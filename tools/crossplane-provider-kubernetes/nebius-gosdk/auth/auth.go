// SPDX-License-Identifier: Apache-2.0

// Package auth holds the types of credentials that package gosdk refuses.
package auth

// BearerToken is what a working SDK would give.
type BearerToken struct{ Token string }

// A PrivateKeyParser would parse the key of a service account.
type PrivateKeyParser struct{}

// NewPrivateKeyParser takes and forgets its arguments.
func NewPrivateKeyParser(_ []byte, _, _ string) PrivateKeyParser { return PrivateKeyParser{} }
