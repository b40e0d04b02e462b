// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

var _ Sealer = (*Keyset)(nil)

// Keyset seals with AES-256-GCM under the primary key of a keyset file and
// opens with whichever of its keys fits. Get one with LoadOrCreateKeyset.
type Keyset struct {
	path string

	mu      sync.RWMutex
	current loaded
	checked time.Time // when the file was last looked at
}

// loaded is a keyset file as it was read.
type loaded struct {
	text   string
	handle *keyset.Handle
	aead   tink.AEAD
}

// Seal implements Sealer.
func (k *Keyset) Seal(ctx context.Context, plaintext []byte, associated string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("seal value of %q: %w", associated, err)
	}
	ciphertext, err := k.primary().aead.Encrypt(plaintext, binding(associated))
	if err != nil {
		return "", fmt.Errorf("seal value of %q: %w", associated, err)
	}
	return Prefix + base64.RawURLEncoding.EncodeToString(ciphertext), nil
}

// Open implements Sealer. When no key fits, it reads the keyset file again,
// since another process may have rotated the keys.
func (k *Keyset) Open(ctx context.Context, sealed, associated string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open value of %q: %w", associated, err)
	}
	encoded, ok := strings.CutPrefix(sealed, Prefix)
	if !ok {
		return nil, fmt.Errorf("open value of %q: %w: it does not begin with %s", associated, ErrOpen, Prefix)
	}
	ciphertext, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // the decoder overlooks line ends
		return nil, fmt.Errorf("open value of %q: %w: it is not base64", associated, ErrOpen)
	}
	plaintext, err := k.decrypt(ciphertext, binding(associated))
	switch {
	case errors.Is(err, errNoKey):
		return nil, fmt.Errorf("open value of %q: %w", associated, ErrOpen)
	case err != nil:
		return nil, fmt.Errorf("open value of %q: %w: and the keyset cannot be read again: %w", associated, ErrOpen, err)
	}
	return plaintext, nil
}

// binding separates Nestor's sealed values from whatever else a key may one
// day be used for.
func binding(associated string) []byte { return []byte(Prefix + associated) }

func (k *Keyset) loaded() loaded {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.current
}

// lookAgain is how long a rotation by another process may stay unnoticed by one
// that only seals.
const lookAgain = 30 * time.Second

// primary is what to seal with. It reads the file again now and then; where that
// fails, the keys that are known still seal, and what opens will complain.
func (k *Keyset) primary() loaded {
	k.mu.Lock()
	due := time.Since(k.checked) >= lookAgain
	if due {
		k.checked = time.Now()
	}
	known := k.current
	k.mu.Unlock()
	if !due {
		return known
	}
	if _, err := k.reload(); err != nil {
		return known
	}
	return k.loaded()
}

// reload reads the file and tells whether it has changed.
func (k *Keyset) reload() (changed bool, err error) {
	fresh, err := load(k.path)
	if err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	changed = fresh.text != k.current.text
	k.current = fresh
	return changed, nil
}

// newHandle makes a keyset of one random key.
func newHandle() (*keyset.Handle, error) { return keyset.NewHandle(aead.AES256GCMKeyTemplate()) }

// withNewPrimary adds a random key, which seals from then on.
func withNewPrimary(h *keyset.Handle) (*keyset.Handle, error) {
	m := keyset.NewManagerFromHandle(h)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, err
	}
	return m.Handle()
}
