// SPDX-License-Identifier: Apache-2.0

// Package seal encrypts sensitive values before they reach a store, so that a
// copy of the store, a backup or a log of it shows nothing. A sealed value is a
// printable string that takes the place of the value in a document.
//
// Each value is bound to its place, such as the key of the document and the
// field: moved elsewhere, it cannot be opened. So a value that one team sealed
// cannot be smuggled into another team's record to have it shown.
//
// What seal is not for: hiding how long a value is or that it changed, passing
// secrets to workflows (pass a reference), and protecting anything from who
// can read both the store and the keyset.
package seal

import (
	"context"
	"errors"
	"strings"
)

// Prefix begins every sealed value and names its form: after it stands the
// ciphertext in unpadded URL-safe base64.
const Prefix = "nestor.sealed.v1:"

// ErrOpen is returned for what cannot be opened: it is not a sealed value, was
// sealed for another place or with a key that the keyset lacks, or has been
// changed. There is no telling which.
var ErrOpen = errors.New("sealed value cannot be opened")

// Sealer seals and opens values. It is safe for concurrent use. Its errors
// never hold a value, sealed or not.
type Sealer interface {
	// Seal encrypts plaintext for the place that associated names. Sealing
	// the same again gives another string.
	Seal(ctx context.Context, plaintext []byte, associated string) (string, error)
	// Open decrypts what Seal returned for the same place, or fails with
	// ErrOpen.
	Open(ctx context.Context, sealed string, associated string) ([]byte, error)
}

// IsSealed tells whether s has the form of a sealed value of any version.
func IsSealed(s string) bool { return strings.HasPrefix(s, "nestor.sealed.v") }
