// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrInvalid reports a key, batch or query that no store accepts, whatever it
// holds: a mistake of the program, not of its data.
var ErrInvalid = errors.New("not acceptable to a store")

// Limits on whole transactions and pages. They exist because DynamoDB bounds
// the sum, not only the parts.
const (
	// MaxTransactionBytes bounds the keys and data of one Batch together
	// (DynamoDB: 4 MB a transaction; the rest is headroom).
	MaxTransactionBytes = 3 << 20
	// MaxPageBytes is where a Page ends early, with Next set, although
	// fewer than Limit documents were read (DynamoDB: 1 MB a query). A page
	// holds at least one document. Use All to read over page borders.
	MaxPageBytes = 1 << 20
)

// ValidateBatch checks everything about a batch that can be checked without
// the store: its principal, kinds, conditions, keys, distinctness and limits.
// Every implementation of Store calls it first. Its errors are ErrNoPrincipal,
// ErrLimit or ErrInvalid and name the operation.
//
// A transaction costs one item for each operation and one more for each
// stream appended to, since the stream's counter is written with it. A batch
// without operations is valid and writes nothing.
//
// What only the store can tell is left to it: a put over an entry of a stream
// and an append where a put document lies are ErrInvalid as well.
func ValidateBatch(b Batch) error {
	if strings.TrimSpace(string(b.Principal)) == "" {
		return ErrNoPrincipal
	}
	if n := len(b.Principal); n > MaxKeyBytes {
		return fmt.Errorf("%w: principal of %d bytes, at most %d", ErrLimit, n, MaxKeyBytes)
	}
	v := batchValidator{
		keys:    make(map[Key]int, len(b.Ops)),
		streams: make(map[string]int),
		touched: make(map[string]int),
	}
	for i, op := range b.Ops {
		if err := v.add(i, op); err != nil {
			return fmt.Errorf("operation %d on %s: %w", i, displayKey(op.Key), err)
		}
	}
	return v.total(len(b.Ops))
}

// ValidateKey checks a key as Store.Get does.
func ValidateKey(k Key) error {
	if err := validateKeyPart("partition", k.Partition, true); err != nil {
		return err
	}
	return validateKeyPart("sort", k.Sort, true)
}

// ValidateQuery checks a query and returns it with its Limit resolved: zero
// becomes DefaultPage. A negative Limit is ErrInvalid, one above MaxPage is
// ErrLimit.
func ValidateQuery(q Query) (Query, error) {
	if err := validateKeyPart("partition", q.Partition, true); err != nil {
		return q, err
	}
	if err := validateKeyPart("prefix", q.Prefix, false); err != nil {
		return q, err
	}
	if err := validateKeyPart("after", q.After, false); err != nil {
		return q, err
	}
	switch {
	case q.Limit < 0:
		return q, fmt.Errorf("%w: limit %d is negative", ErrInvalid, q.Limit)
	case q.Limit > MaxPage:
		return q, fmt.Errorf("%w: limit %d, at most %d", ErrLimit, q.Limit, MaxPage)
	case q.Limit == 0:
		q.Limit = DefaultPage
	}
	return q, nil
}

// batchValidator collects what has to be known about a batch as a whole.
type batchValidator struct {
	keys    map[Key]int    // key to the operation that addresses it
	streams map[string]int // stream to the first append
	touched map[string]int // partition to the first operation on an entry key
	bytes   int
}

func (v *batchValidator) add(i int, op Op) error {
	if err := validateOp(op); err != nil {
		return err
	}
	v.bytes += len(op.Key.Partition) + len(op.Key.Sort) + len(op.Data)
	if op.Kind == OpAppend {
		if j, ok := v.touched[op.Key.Partition]; ok {
			return fmt.Errorf("%w: operation %d addresses an entry of the same stream", ErrInvalid, j)
		}
		if _, ok := v.streams[op.Key.Partition]; !ok {
			v.streams[op.Key.Partition] = i
		}
		return nil
	}
	if j, ok := v.keys[op.Key]; ok {
		return fmt.Errorf("%w: operation %d addresses the same key", ErrInvalid, j)
	}
	v.keys[op.Key] = i
	if _, isEntry := EntrySequence(op.Key); isEntry {
		if j, ok := v.streams[op.Key.Partition]; ok {
			return fmt.Errorf("%w: operation %d appends to the same stream", ErrInvalid, j)
		}
		v.touched[op.Key.Partition] = i
	}
	return nil
}

func (v *batchValidator) total(ops int) error {
	if items := ops + len(v.streams); items > MaxTransactionOps {
		return fmt.Errorf("%w: %d operations on %d streams make %d items, at most %d in a transaction",
			ErrLimit, ops, len(v.streams), items, MaxTransactionOps)
	}
	if v.bytes > MaxTransactionBytes {
		return fmt.Errorf("%w: transaction of %d bytes, at most %d", ErrLimit, v.bytes, MaxTransactionBytes)
	}
	return nil
}

func validateOp(op Op) error {
	switch op.Kind {
	case OpPut, OpAppend:
		if err := validateData(op.Data); err != nil {
			return err
		}
	case OpDelete, OpCheck:
		if op.Data != nil {
			return fmt.Errorf("%w: data on an operation that writes none", ErrInvalid)
		}
	default:
		return fmt.Errorf("%w: unknown kind %d", ErrInvalid, op.Kind)
	}
	if op.If < Always || op.If > IfRevision {
		return fmt.Errorf("%w: unknown condition %d", ErrInvalid, op.If)
	}
	if op.Kind == OpAppend {
		return validateAppend(op)
	}
	return ValidateKey(op.Key)
}

func validateAppend(op Op) error {
	if op.Key.Sort != "" {
		return fmt.Errorf("%w: an append takes its sort from the stream", ErrInvalid)
	}
	if op.If != Always {
		return fmt.Errorf("%w: an append has no condition; add a Check to the batch", ErrInvalid)
	}
	return validateKeyPart("stream", op.Key.Partition, true)
}

func validateData(data json.RawMessage) error {
	if len(data) > MaxDocumentBytes {
		return fmt.Errorf("%w: document of %d bytes, at most %d; larger values belong in a blob store", ErrLimit, len(data), MaxDocumentBytes)
	}
	if !json.Valid(data) {
		return fmt.Errorf("%w: data is not JSON", ErrInvalid)
	}
	return nil
}

func validateKeyPart(name, s string, required bool) error {
	switch {
	case s == "" && required:
		return fmt.Errorf("%w: empty %s", ErrInvalid, name)
	case len(s) > MaxKeyBytes:
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrLimit, name, len(s), MaxKeyBytes)
	case !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%w: %s %q is not UTF-8 without NUL", ErrInvalid, name, s)
	}
	return nil
}

// displayKey keeps an oversized key from filling a log.
func displayKey(k Key) string {
	const most = 120
	s := k.String()
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
}
