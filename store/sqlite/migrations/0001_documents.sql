-- SPDX-License-Identifier: Apache-2.0
-- TEXT compares bytewise (collation BINARY), which is the order store.Key asks for.
-- An ordinary rowid table: WITHOUT ROWID would save a descent, but it moves
-- whatever is above 1 KB of a row to pages of its own. Measured with documents
-- of 1 KB: half the reads a second and a file three times as large.
CREATE TABLE documents (
    partition TEXT    NOT NULL,
    sort      TEXT    NOT NULL,
    revision  INTEGER NOT NULL,
    principal TEXT    NOT NULL,
    time      INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    data      BLOB    NOT NULL, -- JSON, byte for byte as it was written
    PRIMARY KEY (partition, sort)
) STRICT;

-- The last sequence of each stream outlives the entries, which may be deleted.
CREATE TABLE streams (
    name TEXT    NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
