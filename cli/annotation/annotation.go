// SPDX-License-Identifier: Apache-2.0

// Package annotation finds the claims that developers write as comments,
//
//	//nestor:web-app size=small replicas=3 production.replicas=5 name=shop
//
// in a repository of any common languages, checks them against the
// compositions of a team, and writes the application file that holds them.
//
// An annotation stands directly after the opener of a comment (spaces and the
// rest of a longer opener such as "///" or "/**" may come between) or, in a
// block comment, at the beginning of a line, where a leading "*" does not
// count. After the name of a composition come parameters key=value, separated
// by spaces. A value is a run without spaces and quotes, or stands in double
// quotes, in which \" and \\ are escapes, or in single quotes, in which nothing
// is. The key name= names the instance. A key after the name of an environment
// and a dot is for that environment alone.
//
// A scan reads every file that git would not ignore by its pattern files, and
// leaves out links, binaries, other repositories, vendored code and very large
// files. Its result depends on the files alone, not on the machine or the
// number of processors.
//
// The package does not know what a composition does with its parameters, and
// it writes no file.
package annotation

import (
	"github.com/HatiCode/nestor/composer"
)

// nameKey is the key that names the instance.
const nameKey = "name"

// Result is what a scan found.
type Result struct {
	// Claims by file, line and column. One whose name is taken is among them, so
	// that the rest of it is checked too; Scan's error says that it is taken.
	Claims []composer.Claim
	// Columns says, for each of Claims, where its parts are in its line.
	Columns []Columns
	// Notes are no errors, but a person who misses an annotation wants to know.
	// Ordered by file and line.
	Notes []Note
	// Files and Bytes were read.
	Files int
	Bytes int64
}

// Columns holds places in the line of a claim: characters, counted from 1.
type Columns struct {
	// Composition is the column of the composition's name.
	Composition int
	// Keys by the key as it is written: "replicas", "production.replicas".
	Keys map[string]int
}

// Note is a remark about a file or, with Line set, about a line of it.
type Note struct {
	File    string
	Line    int
	Message string
}
