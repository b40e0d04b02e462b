// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
)

// openOutput begins a kept output file.
func openOutput(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600) //nolint:gosec // the worker's choice
	if err != nil {
		return nil, fmt.Errorf("create output file: %w", err)
	}
	return f, nil
}
