// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"errors"
	"fmt"
	"strconv"
)

// Encrypt seals bytes that are kept outside the store, such as the payloads of
// workflows, and tells the id of the key. The purpose separates them from what
// the keys are used for elsewhere: Decrypt needs the same.
func (k *Keyset) Encrypt(plaintext []byte, purpose string) (ciphertext []byte, keyID string, err error) {
	current := k.primary()
	ciphertext, err = current.aead.Encrypt(plaintext, []byte(purpose))
	if err != nil {
		return nil, "", fmt.Errorf("encrypt for %q: %w", purpose, err)
	}
	info := current.handle.KeysetInfo()
	return ciphertext, strconv.FormatUint(uint64(info.GetPrimaryKeyId()), 10), nil
}

// Decrypt opens what Encrypt returned for the same purpose, or fails with
// ErrOpen. When no key fits, it reads the keyset file again, since another
// process may have rotated the keys.
func (k *Keyset) Decrypt(ciphertext []byte, purpose string) ([]byte, error) {
	plaintext, err := k.decrypt(ciphertext, []byte(purpose))
	switch {
	case errors.Is(err, errNoKey):
		return nil, fmt.Errorf("decrypt for %q: %w", purpose, ErrOpen)
	case err != nil:
		return nil, fmt.Errorf("decrypt for %q: %w: and the keyset cannot be read again: %w", purpose, ErrOpen, err)
	}
	return plaintext, nil
}

// errNoKey says that no key of the keyset fits, not even after reading the file
// again.
var errNoKey = errors.New("no key fits")

// decrypt tries the keys that are known, then those that the file holds now.
func (k *Keyset) decrypt(ciphertext, associated []byte) ([]byte, error) {
	if plaintext, err := k.loaded().aead.Decrypt(ciphertext, associated); err == nil {
		return plaintext, nil
	}
	changed, err := k.reload()
	if err != nil {
		return nil, err
	}
	if changed {
		if plaintext, err := k.loaded().aead.Decrypt(ciphertext, associated); err == nil {
			return plaintext, nil
		}
	}
	return nil, errNoKey
}
