// SPDX-License-Identifier: Apache-2.0

// Package canonical writes values as canonical JSON (RFC 8785) and names them
// by digest. The same value gives the same bytes on every machine.
//
// It is not for reading: canonical text is ordinary JSON.
package canonical

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/gowebpki/jcs"
)

// Prefix begins every digest.
const Prefix = "sha256:"

// ErrInexact is wrapped by the errors of JSON and Digest for a value that
// canonical JSON cannot hold exactly: an integer beyond ±2^53, or a string that
// is not UTF-8.
var ErrInexact = errors.New("value has no exact canonical JSON form")

// JSON marshals v and brings the result into the form of RFC 8785. It fails
// with ErrInexact rather than lose a digit or a byte, and for everything that
// encoding/json refuses.
func JSON(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	if err := checkExact(text); err != nil {
		return nil, err
	}
	out, err := jcs.Transform(text)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return out, nil
}

// Digest is the SHA-256 of the canonical JSON of v, as "sha256:" and 64
// hexadecimal digits. It fails as JSON does.
func Digest(v any) (string, error) {
	text, err := JSON(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return Prefix + hex.EncodeToString(sum[:]), nil
}

// checkExact refuses what the next reader would silently read as another
// value.
func checkExact(text []byte) error {
	if i := indexReplaced(text); i >= 0 {
		return fmt.Errorf("canonical JSON: a string is not valid UTF-8 (near byte %d): %w", i, ErrInexact)
	}
	limit := new(big.Int).Lsh(big.NewInt(1), 53)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("canonical JSON: %w", err)
		}
		number, ok := token.(json.Number)
		if !ok || strings.ContainsAny(number.String(), ".eE") {
			continue
		}
		if n, ok := new(big.Int).SetString(number.String(), 10); !ok || n.CmpAbs(limit) > 0 {
			return fmt.Errorf("canonical JSON: integer %s is beyond ±2^53; write it as a string: %w", number, ErrInexact)
		}
	}
}

// indexReplaced finds the escape \ufffd, which encoding/json writes only in
// place of bytes that are not UTF-8 (a real U+FFFD is written as itself).
func indexReplaced(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(text[i:], []byte(`\ufffd`)) {
			return i
		}
		i++ // the escaped character
	}
	return -1
}
