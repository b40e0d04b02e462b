// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/expand"
)

// Claims implements engine.Claimer: whatever the implementation's identities
// name, with the inputs in their templates filled in.
func (e *Engine) Claims(req engine.Request, source *engine.Source) ([]engine.ClaimName, error) {
	if source != nil {
		return []engine.ClaimName{{Name: "adopted " + string(source.State) + source.Ref, Everywhere: true}}, nil
	}
	var names []engine.ClaimName
	for _, address := range slices.Sorted(maps.Keys(req.Implementation.Identity)) {
		id, err := expand.String(req.Implementation.Identity[address], func(reference string) (any, error) {
			value, given := req.Inputs[strings.TrimPrefix(reference, "inputs.")]
			if !given {
				return nil, expand.ErrAbsent
			}
			return value, nil
		})
		if errors.Is(err, expand.ErrAbsent) {
			continue
		}
		if err != nil {
			return nil, &engine.Error{Class: engine.Invalid, Engine: e.name, Message: err.Error(), Err: err}
		}
		names = append(names, engine.ClaimName{Name: address + " " + id})
	}
	return names, nil
}
