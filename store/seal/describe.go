// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"fmt"
	"strconv"

	"github.com/tink-crypto/tink-go/v2/keyset"
)

// Key of a keyset, without what makes it one.
type Key struct {
	// ID stands in the metadata of payloads, and in what the key sealed.
	ID string
	// Primary says that it seals from now on; the others only open.
	Primary bool
}

// DescribeKeyset lists the keys of the keyset file at path, the oldest first.
// It makes none.
func DescribeKeyset(path string) ([]Key, error) {
	current, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("keyset %q: %w", path, err)
	}
	return keysOf(current.handle), nil
}

func keysOf(h *keyset.Handle) []Key {
	info := h.KeysetInfo()
	keys := make([]Key, 0, len(info.GetKeyInfo()))
	for _, k := range info.GetKeyInfo() {
		keys = append(keys, Key{ID: strconv.FormatUint(uint64(k.GetKeyId()), 10), Primary: k.GetKeyId() == info.GetPrimaryKeyId()})
	}
	return keys
}
