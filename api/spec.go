// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed openapi.yaml
var specText []byte

// Spec returns the text of openapi.yaml.
func Spec() []byte { return append([]byte(nil), specText...) }

// LoadSpec parses openapi.yaml and checks it.
func LoadSpec(ctx context.Context) (*openapi3.T, error) {
	spec, err := openapi3.NewLoader().LoadFromData(specText)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	if err := spec.Validate(ctx); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return spec, nil
}
