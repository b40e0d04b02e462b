// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// ErrNotFound is wrapped by every error that says that the catalog does not
// hold what was asked for.
var ErrNotFound = errors.New("not in the catalog")

// maxRange bounds the text of a range.
const maxRange = 256

// RangeError says that a range cannot be read.
type RangeError struct{ Range string }

func (e *RangeError) Error() string {
	return quote(e.Range) + " is not a version range; write one such as 1.2.3, ^1.2, ~1.2.3 or \">=1 <2\""
}

// NoVersionError says that a definition has versions, but none for a range.
type NoVersionError struct {
	Name      string
	Range     string
	Available []string // newest first
}

func (e *NoVersionError) Error() string {
	const shown = 10
	available := strings.Join(e.Available[:min(shown, len(e.Available))], ", ")
	if more := len(e.Available) - shown; more > 0 {
		available += fmt.Sprintf(" and %d older", more)
	}
	if e.Range == "" {
		return fmt.Sprintf("%s has only pre-releases: %s; name one exactly", e.Name, available)
	}
	return fmt.Sprintf("%s has no version for %s; there are %s", e.Name, quote(e.Range), available)
}

// Unwrap makes errors.Is(err, ErrNotFound) hold.
func (e *NoVersionError) Unwrap() error { return ErrNotFound }

// SplitRef takes "name" or "name@range" apart and checks the name. The range is
// empty, which means latest, when there is none.
func SplitRef(ref string) (name, versionRange string, err error) {
	name, versionRange, hasRange := strings.Cut(ref, "@")
	if err := CheckName("definition", name); err != nil {
		return "", "", err
	}
	versionRange = strings.TrimSpace(versionRange)
	if hasRange && versionRange == "" {
		return "", "", fmt.Errorf("reference %s has an empty range; write %q for the latest version", quote(ref), name)
	}
	return name, versionRange, nil
}

// Resolve chooses the newest of the versions of one definition that is in the
// range; empty and "latest" mean any. Pre-releases are chosen only by a range
// that names one, deprecated versions only exactly or where nothing else is in
// the range. The error is *RangeError or *NoVersionError, or wraps ErrNotFound
// when versions is empty.
func Resolve(versionRange string, versions []Published) (Published, error) {
	versionRange = strings.TrimSpace(versionRange)
	if versionRange == "latest" {
		versionRange = ""
	}
	accept, err := acceptor(versionRange)
	if err != nil {
		return Published{}, err
	}
	if len(versions) == 0 {
		return Published{}, fmt.Errorf("no version is published: %w", ErrNotFound)
	}
	sorted := SortVersions(versions)
	deprecated := -1
	for i := len(sorted) - 1; i >= 0; i-- {
		v, err := semver.StrictNewVersion(sorted[i].Definition.Metadata.Version)
		if err != nil || !accept(v) {
			continue
		}
		if sorted[i].Deprecated == "" {
			return sorted[i], nil
		}
		if deprecated < 0 {
			deprecated = i
		}
	}
	if deprecated >= 0 {
		return sorted[deprecated], nil
	}
	missing := &NoVersionError{Name: sorted[0].Definition.Metadata.Name, Range: versionRange}
	for _, p := range slices.Backward(sorted) {
		missing.Available = append(missing.Available, p.Definition.Metadata.Version)
	}
	return Published{}, missing
}

// acceptor is the range as a predicate.
func acceptor(versionRange string) (func(*semver.Version) bool, error) {
	if versionRange == "" {
		return func(v *semver.Version) bool { return v.Prerelease() == "" }, nil
	}
	if len(versionRange) > maxRange {
		return nil, &RangeError{Range: versionRange}
	}
	if exact, err := semver.StrictNewVersion(strings.TrimLeft(versionRange, "=v")); err == nil {
		return exact.Equal, nil
	}
	constraint, err := semver.NewConstraint(versionRange)
	if err != nil {
		return nil, &RangeError{Range: versionRange}
	}
	return constraint.Check, nil
}

// SortVersions returns the versions by semantic version, oldest first.
func SortVersions(versions []Published) []Published {
	out := slices.Clone(versions)
	slices.SortStableFunc(out, func(a, b Published) int {
		return compareVersions(a.Definition.Metadata.Version, b.Definition.Metadata.Version)
	})
	return out
}

// compareVersions puts what is no version before all that is.
func compareVersions(a, b string) int {
	va, errA := semver.StrictNewVersion(a)
	vb, errB := semver.StrictNewVersion(b)
	switch {
	case errA != nil && errB != nil:
		return strings.Compare(a, b)
	case errA != nil:
		return -1
	case errB != nil:
		return 1
	default:
		return va.Compare(vb)
	}
}
