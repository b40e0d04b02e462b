// SPDX-License-Identifier: Apache-2.0

package house

import (
	"bytes"
	"io/fs"
	"regexp"
)

// header is the first line of every Go file that was written by hand.
const header = "// SPDX-License-Identifier: Apache-2.0\n"

// Headers finds Go files without the licence header. Generated files need none.
func Headers(tree fs.FS) ([]Finding, error) {
	generated := regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	var found []Finding
	err := eachFile(tree, ".go", func(name string, content []byte) error {
		if bytes.HasPrefix(content, []byte(header)) || generated.Match(content) {
			return nil
		}
		found = append(found, Finding{File: name, Line: 1, Text: "the first line is not " + header[:len(header)-1]})
		return nil
	})
	return found, err
}
