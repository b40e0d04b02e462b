// SPDX-License-Identifier: Apache-2.0

package dev_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/cli/dev"
)

func TestEngine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason   string
		programs map[string]string
		want     string
	}{
		"both":      {"OpenTofu is used first", map[string]string{"tofu": "OpenTofu v1.10.1", "terraform": "Terraform v1.5.7"}, "OpenTofu v1.10.1 ("},
		"terraform": {"Terraform does", map[string]string{"terraform": "Terraform v1.5.7"}, "Terraform v1.5.7 ("},
		"none":      {"the cure is named", nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for program, version := range test.programs {
				script := "#!/bin/sh\necho '" + version + "'\necho on anything\n"
				if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			got, err := dev.Search{Dirs: []string{dir}, LookPath: nowhere}.Engine(t.Context())
			var missing *dev.MissingProgramError
			switch {
			case test.want == "" && (!errors.As(err, &missing) || !strings.Contains(err.Error(), "make tools")):
				t.Errorf("%s: got %q, %v", test.reason, got, err)
			case test.want != "" && (err != nil || !strings.HasPrefix(got, test.want)):
				t.Errorf("%s: got %q, %v; want %q", test.reason, got, err, test.want)
			}
		})
	}
}
