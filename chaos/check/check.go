// SPDX-License-Identifier: Apache-2.0

// Package check says what is wrong after a deployment, and at the end: resources
// and effects that are doubled, missing or that nobody names, locks that are
// left, and secrets that are somewhere in clear.
//
// It only looks; it never puts anything right, and it never skips what it could
// not look at.
package check

import (
	"fmt"
	"slices"
)

// Findings of all checks, as sentences for a reader.
type Findings struct {
	// Duplicates are resources and effects beyond those of an undisturbed run.
	Duplicates []string
	// Lost are resources, effects, events and whole deployments that an
	// undisturbed run has and this one has not.
	Lost []string
	// Orphans exist and are named by nothing: no head, no residue.
	Orphans []string
	// Locks are left when nothing runs.
	Locks []string
	// Leaks are places where a secret is in clear.
	Leaks []string
}

// Add takes over other findings.
func (f *Findings) Add(other Findings) {
	f.Duplicates = append(f.Duplicates, other.Duplicates...)
	f.Lost = append(f.Lost, other.Lost...)
	f.Orphans = append(f.Orphans, other.Orphans...)
	f.Locks = append(f.Locks, other.Locks...)
	f.Leaks = append(f.Leaks, other.Leaks...)
}

// None says that nothing is wrong.
func (f *Findings) None() bool { return len(f.All()) == 0 }

// All findings, with their kinds.
func (f *Findings) All() []string {
	var all []string
	for _, kind := range []struct {
		name  string
		found []string
	}{
		{"duplicate", f.Duplicates}, {"lost", f.Lost}, {"orphan", f.Orphans}, {"lock", f.Locks}, {"leak", f.Leaks},
	} {
		for _, text := range kind.found {
			all = append(all, kind.name+": "+text)
		}
	}
	return all
}

func (f *Findings) duplicate(format string, args ...any) { add(&f.Duplicates, format, args...) }
func (f *Findings) lost(format string, args ...any)      { add(&f.Lost, format, args...) }
func (f *Findings) orphan(format string, args ...any)    { add(&f.Orphans, format, args...) }
func (f *Findings) lock(format string, args ...any)      { add(&f.Locks, format, args...) }
func (f *Findings) leak(format string, args ...any)      { add(&f.Leaks, format, args...) }

func add(list *[]string, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}
