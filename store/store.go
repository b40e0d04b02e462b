// SPDX-License-Identifier: Apache-2.0

// Package store is Nestor's only door to durable records: small JSON documents
// with conditional writes, atomic transactions, ordered queries inside one
// partition, and append-only streams with a gapless sequence.
//
// The interface is cut to what every supported store can do natively, so its
// limits are those of the narrowest one (DynamoDB): a document is at most
// MaxDocumentBytes, a transaction at most MaxTransactionOps operations, and a
// query never crosses a partition. Package storetest proves each
// implementation against these rules.
//
// What store is not for: large values (see store/blob), secrets in clear (see
// store/seal), and queries across partitions (write an index document in the
// same transaction instead).
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Limits that every implementation enforces.
const (
	// MaxDocumentBytes bounds Document.Data. DynamoDB allows 400 KB an item,
	// keys and attribute names included; the rest is headroom.
	MaxDocumentBytes = 300 << 10
	// MaxTransactionOps bounds one Batch (DynamoDB: 100 items a transaction).
	MaxTransactionOps = 100
	// MaxKeyBytes bounds each half of a Key (DynamoDB: 1,024 bytes a sort key).
	MaxKeyBytes = 1024
	// MaxPage bounds Query.Limit; zero means DefaultPage.
	MaxPage     = 1000
	DefaultPage = 100
)

// Errors that callers test for with errors.Is.
var (
	// ErrNotFound: no document under that key.
	ErrNotFound = errors.New("document not found")
	// ErrConflict: a condition did not hold. Wrapped by *ConflictError.
	ErrConflict = errors.New("document was changed by somebody else")
	// ErrLimit: a document, key or batch is larger than the limits above.
	ErrLimit = errors.New("over the store's limit")
	// ErrNoPrincipal: a batch without a principal; every write has one.
	ErrNoPrincipal = errors.New("write without a principal")
)

// Principal names who causes a write, such as "user:ada", "token:ci" or
// "worker:nestor-control". It is stored with every document.
type Principal string

// Key addresses a document. Documents of one partition are ordered by Sort,
// bytewise.
type Key struct {
	Partition string
	Sort      string
}

func (k Key) String() string { return k.Partition + "#" + k.Sort }

// Document is a stored JSON value. Revision starts at 1 and grows by 1 with
// each write of that key; it never falls back, but a deleted and re-created
// document starts again at 1.
type Document struct {
	Key       Key
	Revision  int64
	Principal Principal
	Time      time.Time // UTC, set by the store
	Data      json.RawMessage
}

// Decode unmarshals the document's data into v.
func (d Document) Decode(v any) error {
	if err := json.Unmarshal(d.Data, v); err != nil {
		return fmt.Errorf("decode document %s: %w", d.Key, err)
	}
	return nil
}

// Op is one operation of a Batch. Build it with Put, Create, Replace, Delete,
// Check or Append.
type Op struct {
	Kind  OpKind
	Key   Key // for OpAppend: Partition is the stream, Sort is empty
	Data  json.RawMessage
	If    Condition
	IfRev int64 // with IfRevision
}

// OpKind says what an Op does.
type OpKind int

// The kinds of operations.
const (
	OpPut OpKind = iota + 1
	OpDelete
	OpCheck
	OpAppend
)

// Condition guards an Op; a batch whose condition fails changes nothing.
type Condition int

// The conditions.
const (
	Always Condition = iota
	IfAbsent
	IfExists
	IfRevision
)

// Put writes data whatever was there.
func Put(k Key, data json.RawMessage) Op { return Op{Kind: OpPut, Key: k, Data: data} }

// Create writes data only where nothing was.
func Create(k Key, data json.RawMessage) Op {
	return Op{Kind: OpPut, Key: k, Data: data, If: IfAbsent}
}

// Replace writes data only over the given revision.
func Replace(k Key, revision int64, data json.RawMessage) Op {
	return Op{Kind: OpPut, Key: k, Data: data, If: IfRevision, IfRev: revision}
}

// Delete removes a document; deleting what is not there is no error unless a
// condition is set on the returned Op.
func Delete(k Key) Op { return Op{Kind: OpDelete, Key: k} }

// Check changes nothing and fails the batch unless the document has the
// revision; revision 0 asks that it does not exist.
func Check(k Key, revision int64) Op {
	if revision == 0 {
		return Op{Kind: OpCheck, Key: k, If: IfAbsent}
	}
	return Op{Kind: OpCheck, Key: k, If: IfRevision, IfRev: revision}
}

// Append adds data to a stream under the stream's next sequence number. The
// first is 1, and there are no gaps. The entry is readable as the document
// EntryKey(stream, sequence).
func Append(stream string, data json.RawMessage) Op {
	return Op{Kind: OpAppend, Key: Key{Partition: stream}, Data: data}
}

// EntryKey is the key of one entry of a stream.
func EntryKey(stream string, sequence int64) Key {
	return Key{Partition: stream, Sort: fmt.Sprintf("%019d", sequence)}
}

// Batch is written atomically: all of it or nothing. At most one operation
// may address a key; several may append to one stream, in order.
type Batch struct {
	Principal Principal
	Ops       []Op
}

// Result answers a Batch, index by index: the new revision of a put document,
// or the sequence number of an appended entry; zero for other operations.
type Result struct {
	Numbers []int64
}

// Query selects documents of one partition whose Sort begins with Prefix.
type Query struct {
	Partition string
	Prefix    string
	// After (exclusive) is where to go on; empty begins at the first (or,
	// with Reverse, at the last).
	After   string
	Reverse bool
	Limit   int
}

// Page is a part of a query's answer. Next is empty at the end, otherwise the
// After of the following query.
type Page struct {
	Documents []Document
	Next      string
}

// ConflictError says which operation of a batch failed its condition.
type ConflictError struct {
	Key   Key
	Index int
}

func (e *ConflictError) Error() string { return fmt.Sprintf("%s: %v", e.Key, ErrConflict) }

// Unwrap makes errors.Is(err, ErrConflict) hold.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Store is implemented by sqlite and, later, dynamodb. All methods are safe for
// concurrent use, also from several processes.
type Store interface {
	// Get returns ErrNotFound when there is none.
	Get(ctx context.Context, key Key) (Document, error)
	// Query returns documents in order of Sort.
	Query(ctx context.Context, q Query) (Page, error)
	// Write is atomic. It fails with *ConflictError, ErrLimit or
	// ErrNoPrincipal and then has changed nothing.
	Write(ctx context.Context, b Batch) (Result, error)
	// Ping fails when the store cannot serve; /readyz asks it.
	Ping(ctx context.Context) error
	Close() error
}
