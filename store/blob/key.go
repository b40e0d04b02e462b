// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of keys.
const (
	// MaxKeyBytes bounds a key (S3: 1,024 bytes).
	MaxKeyBytes = 1024
	// MaxSegmentBytes bounds what stands between two slashes; file systems
	// take 255 bytes, and a suffix is added.
	MaxSegmentBytes = 200
)

// ValidateKey checks a key: segments separated by single slashes, each of
// letters and digits of ASCII and ". _ - : @ + =", none being "." or "..",
// none ending in ".blob", and the first not beginning with a dot. Its error is
// ErrKey and says what is wrong. Keys that differ in case alone are different
// keys, but are best avoided: some file systems disagree.
func ValidateKey(key string) error {
	if len(key) > MaxKeyBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrKey, len(key), MaxKeyBytes)
	}
	if strings.HasPrefix(key, ".") {
		return fmt.Errorf("%w: %q begins with a dot", ErrKey, key)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if err := validateSegment(segment); err != nil {
			return fmt.Errorf("%w: %q %w", ErrKey, key, err)
		}
	}
	return nil
}

// Join makes a key of parts, each of which becomes exactly one segment: a part
// that holds a slash, or is no segment for another reason, is ErrKey. Use it
// wherever a part comes from outside.
func Join(parts ...string) (string, error) {
	for _, part := range parts {
		if strings.Contains(part, "/") {
			return "", fmt.Errorf("%w: part %q holds a slash", ErrKey, part)
		}
	}
	key := strings.Join(parts, "/")
	return key, ValidateKey(key)
}

// validatePrefix checks the prefix of List: a beginning of some valid key.
func validatePrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > MaxKeyBytes {
		return fmt.Errorf("%w: prefix of %d bytes, at most %d", ErrKey, len(prefix), MaxKeyBytes)
	}
	// The last segment may go on, so only its characters matter.
	i := strings.LastIndexByte(prefix, '/')
	if i >= 0 {
		if err := ValidateKey(prefix[:i]); err != nil {
			return err
		}
	}
	for _, c := range prefix[i+1:] {
		if !allowed(c) {
			return fmt.Errorf("%w: prefix %q holds %q", ErrKey, prefix, c)
		}
	}
	return nil
}

func validateSegment(s string) error {
	switch {
	case s == "":
		return errors.New("has an empty segment")
	case s == "." || s == "..":
		return fmt.Errorf("has a segment %s", s)
	case len(s) > MaxSegmentBytes:
		return fmt.Errorf("has a segment of %d bytes, at most %d", len(s), MaxSegmentBytes)
	case strings.HasSuffix(s, fileSuffix):
		return errors.New("has a segment that ends in " + fileSuffix)
	}
	for _, c := range s {
		if !allowed(c) {
			return fmt.Errorf("holds %q", c)
		}
	}
	return nil
}

func allowed(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-:@+=", c)
}
