// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"maps"
	"slices"

	"github.com/HatiCode/nestor/internal/suggest"
)

// UnknownDefinitionError says that no version of a name is published.
type UnknownDefinitionError struct {
	Name       string
	Suggestion string // a name that exists and was probably meant; may be empty
}

func (e *UnknownDefinitionError) Error() string {
	if e.Suggestion != "" {
		return fmt.Sprintf("the catalog has no definition %s; did you mean %q?", quote(e.Name), e.Suggestion)
	}
	return fmt.Sprintf("the catalog has no definition %s; \"nestor catalog list\" shows what there is", quote(e.Name))
}

// Unwrap makes errors.Is(err, ErrNotFound) hold.
func (e *UnknownDefinitionError) Unwrap() error { return ErrNotFound }

// Snapshot is a set of published versions in memory, as of one moment. It is
// immutable and safe for concurrent use; its zero value is empty. What it
// returns is shared and must not be changed.
type Snapshot struct {
	names    []string               // sorted
	byName   map[string][]Published // oldest first
	byDigest map[string]Published
}

// NewSnapshot holds the given versions, normalized.
func NewSnapshot(versions []Published) *Snapshot {
	byName := map[string][]Published{}
	for _, p := range versions {
		p.Definition = p.Definition.Normalize()
		byName[p.Definition.Metadata.Name] = append(byName[p.Definition.Metadata.Name], p)
	}
	return newSnapshot(byName)
}

// newSnapshot takes byName over; its definitions are normalized.
func newSnapshot(byName map[string][]Published) *Snapshot {
	s := &Snapshot{byName: byName, byDigest: map[string]Published{}}
	for name, versions := range byName {
		byName[name] = SortVersions(versions)
		for _, p := range versions {
			s.byDigest[p.Digest] = p
		}
	}
	s.names = slices.Sorted(maps.Keys(byName))
	return s
}

// Names lists the definitions, sorted.
func (s *Snapshot) Names() []string { return slices.Clone(s.names) }

// Versions lists all versions of a definition, oldest first; none for a name
// that is not there.
func (s *Snapshot) Versions(name string) []Published { return slices.Clone(s.byName[name]) }

// Resolve chooses the version that "name" or "name@range" means; see the
// function Resolve. A name that is not there is *UnknownDefinitionError.
func (s *Snapshot) Resolve(ref string) (Published, error) {
	name, versionRange, err := SplitRef(ref)
	if err != nil {
		return Published{}, err
	}
	versions := s.byName[name]
	if len(versions) == 0 {
		return Published{}, s.unknown(name)
	}
	return Resolve(versionRange, versions)
}

func (s *Snapshot) unknown(name string) *UnknownDefinitionError {
	suggestion, _ := suggest.Nearest(name, s.names)
	return &UnknownDefinitionError{Name: name, Suggestion: suggestion}
}

// FindByType lists all versions of all definitions of that provider and
// resource type, by name and then oldest first.
func (s *Snapshot) FindByType(provider, resourceType string) []Published {
	var out []Published
	for _, name := range s.names {
		for _, p := range s.byName[name] {
			if p.Definition.Spec.Provider == provider && p.Definition.Spec.ResourceType == resourceType {
				out = append(out, p)
			}
		}
	}
	return out
}

// ByDigest returns the version with that digest.
func (s *Snapshot) ByDigest(digest string) (Published, bool) {
	p, ok := s.byDigest[digest]
	return p, ok
}

// Preferred is the version that stands for a definition in lists: the one that
// its bare name means, or the newest where there are only pre-releases.
func (s *Snapshot) Preferred(name string) (Published, bool) {
	versions := s.byName[name]
	if len(versions) == 0 {
		return Published{}, false
	}
	if p, err := Resolve("", versions); err == nil {
		return p, true
	}
	return versions[len(versions)-1], true
}

// Only is the snapshot with nothing but the given names.
func (s *Snapshot) Only(names ...string) *Snapshot {
	byName := make(map[string][]Published, len(names))
	for _, name := range names {
		if versions, ok := s.byName[name]; ok {
			byName[name] = versions
		}
	}
	return newSnapshot(byName)
}
