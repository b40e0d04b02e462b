// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"os"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/composer"
)

// TestDocumentedExamples holds that what users are told to write can be read.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	const file = "../docs/product-teams/compositions.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	compositions, overrides := 0, 0
	for i, part := range strings.Split(string(page), "```yaml\n") {
		if i == 0 {
			continue
		}
		example, _, closed := strings.Cut(part, "```\n")
		if !closed {
			t.Fatalf("example %d is not closed", i)
		}
		if strings.Contains(example, "kind: ") {
			compositions++
			_, err = composer.ParseComposition(file, []byte(example))
		} else {
			overrides++
			_, err = composer.ParseEnvironmentOverrides(file, []byte(example))
		}
		if err != nil {
			t.Errorf("example %d:\n%v", i, err)
		}
	}
	if compositions == 0 || overrides == 0 {
		t.Errorf("%d compositions and %d overrides; the page shows both", compositions, overrides)
	}
}
