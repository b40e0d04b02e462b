// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"

	"github.com/HatiCode/nestor/store"
)

// The catalog's documents, all of them written by Service alone:
//
//	partition                    sort            document
//	catalog/definition/<name>    <version>       Published
//	catalog/names                <name>          {} (there is such a definition)
//	catalog/digest/<digest>      definition      pointer to the version of that digest
//	catalog/digest/<digest>      bundle          {} (a version has that bundle)
//	catalog/events               <sequence>      Event, a stream
//
// and its blobs:
//
//	catalog/bundles/<hex>        the bundle's archive
//
// Publishing writes the version, its name, its digests and its event in one
// transaction. Only the version is conditional, so publications of different
// versions never conflict. Search works on a Snapshot and needs no index.

// EventStream is the stream of catalog changes; DecodeEvent reads its entries.
const EventStream = "catalog/events"

const (
	namesPartition = "catalog/names"
	sortDefinition = "definition"
	sortBundle     = "bundle"
)

func versionsPartition(name string) string { return "catalog/definition/" + name }

func versionKey(name, version string) store.Key {
	return store.Key{Partition: versionsPartition(name), Sort: version}
}

func nameKey(name string) store.Key { return store.Key{Partition: namesPartition, Sort: name} }

func digestKey(digest string) store.Key {
	return store.Key{Partition: "catalog/digest/" + digest, Sort: sortDefinition}
}

func bundleKey(digest string) store.Key {
	return store.Key{Partition: "catalog/digest/" + digest, Sort: sortBundle}
}

func bundleBlob(digest string) string {
	return "catalog/bundles/" + strings.TrimPrefix(digest, "sha256:")
}
