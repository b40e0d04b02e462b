// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"regexp"
	"strconv"
)

// maxName is the length of a DNS label (RFC 1123).
const maxName = 63

var (
	labelForm      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	identifierForm = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)
)

// nameRule says what CheckName asks for.
const nameRule = "use at most 63 lower-case letters, digits and \"-\", beginning and ending with a letter or digit"

// NameError says that a name is not a DNS label.
type NameError struct {
	Kind string // what is named, such as "team"
	Name string
}

func (e *NameError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s name is missing; %s", e.Kind, nameRule)
	}
	return fmt.Sprintf("%s name %s is not a DNS label; %s", e.Kind, quote(e.Name), nameRule)
}

// CheckName accepts DNS labels (RFC 1123) alone: names become parts of paths,
// addresses, workflow ids and Kubernetes objects. The kind is what is named, for
// the message. The error is *NameError.
func CheckName(kind, s string) error {
	if len(s) > maxName || !labelForm.MatchString(s) {
		return &NameError{Kind: kind, Name: s}
	}
	return nil
}

// quote shows a value in a message: on one line, and not more of it than a
// person reads.
func quote(s string) string {
	const limit = 64
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "…"
	}
	return strconv.Quote(s)
}
