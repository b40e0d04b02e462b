// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"regexp"

	"github.com/HatiCode/nestor/internal/canonical"
)

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// IsDigest says whether s has the form of a digest.
func IsDigest(s string) bool { return digestForm.MatchString(s) }

// Digest names a definition together with its files: "sha256:" over the
// canonical JSON of {"bundleDigest": …, "definition": …}, the definition
// normalized. See docs/adr/0006-definition-digest-and-bundles.md.
func Digest(d Definition, bundleDigest string) (string, error) {
	digest, err := canonical.Digest(struct {
		Definition   Definition `json:"definition"`
		BundleDigest string     `json:"bundleDigest"`
	}{d.Normalize(), bundleDigest})
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", d.Ref(), err)
	}
	return digest, nil
}
