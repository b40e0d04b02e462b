// SPDX-License-Identifier: Apache-2.0

// Package codec encrypts what Nestor hands to Temporal: inputs, results,
// signals, memos, summaries and the texts of failures. The Temporal server, its
// database and its backups then hold ciphertext; ids of workflows, search
// attributes, names and times stay readable there.
//
// It is the second line: no secret is to be in a payload in the first place.
// What it is not for: hiding anything from who may read the keyset.
package codec

import (
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

const (
	// Encoding marks a payload that this package has encrypted.
	Encoding = "binary/nestor-encrypted"
	// MetadataKeyID names the key that a payload was encrypted with.
	MetadataKeyID = "encryption-key-id"

	// purpose keeps a payload from passing for a value of the store.
	purpose = "nestor.payload.v1"
)

// Keys encrypt and decrypt for a purpose; *seal.Keyset has them.
type Keys interface {
	Encrypt(plaintext []byte, purpose string) (ciphertext []byte, keyID string, err error)
	Decrypt(ciphertext []byte, purpose string) ([]byte, error)
}

var _ converter.PayloadCodec = (*Codec)(nil)

// Codec encrypts and decrypts payloads. It is safe for concurrent use.
type Codec struct {
	keys    Keys
	encrypt bool
}

// New makes a codec. Where encrypt is false it only decrypts, so that histories
// from before encryption was turned off can still be read.
func New(keys Keys, encrypt bool) *Codec { return &Codec{keys: keys, encrypt: encrypt} }

// Encode implements converter.PayloadCodec.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if !c.encrypt {
		return payloads, nil
	}
	encoded := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plaintext, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encode payload: %w", err)
		}
		ciphertext, keyID, err := c.keys.Encrypt(plaintext, purpose)
		if err != nil {
			return nil, fmt.Errorf("encode payload: %w", err)
		}
		encoded[i] = &commonpb.Payload{Data: ciphertext, Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(Encoding), MetadataKeyID: []byte(keyID),
		}}
	}
	return encoded, nil
}

// Decode implements converter.PayloadCodec. What is not encrypted is passed
// through: histories from before go on.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	decoded := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != Encoding {
			decoded[i] = p
			continue
		}
		plaintext, err := c.keys.Decrypt(p.GetData(), purpose)
		if err != nil {
			return nil, fmt.Errorf("decode payload of key %q: %w; the keyset of the process that wrote it is needed", p.GetMetadata()[MetadataKeyID], err)
		}
		decoded[i] = &commonpb.Payload{}
		if proto.Unmarshal(plaintext, decoded[i]) != nil { // its error could quote the payload
			return nil, errors.New("decode payload: what was encrypted is no payload")
		}
	}
	return decoded, nil
}

// Encodes says whether Encode changes anything.
func (c *Codec) Encodes() bool { return c.encrypt }

// Variable turns encryption "on" (the default) or "off".
const Variable = "NESTOR_PAYLOAD_ENCRYPTION"

// Enabled reads Variable.
func Enabled(getenv func(string) string) (bool, error) {
	switch value := getenv(Variable); value {
	case "", "on":
		return true, nil
	case "off":
		return false, nil
	default:
		return false, fmt.Errorf("%s: %q is neither on nor off", Variable, value)
	}
}
