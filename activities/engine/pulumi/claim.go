// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// Claims implements engine.Claimer: a resource by its type and import ID, an
// adopted stack by its name and the time it was made, which its exports share.
func (e *Engine) Claims(req engine.Request, source *engine.Source) ([]engine.ClaimName, error) {
	if source != nil {
		root, is := exportedRoot(*source)
		if !is {
			return nil, nil // Adopt says what is wrong with it
		}
		return []engine.ClaimName{{Name: "stack " + root.URN + " " + root.Created, Everywhere: true}}, nil
	}
	ids, err := identities(req)
	if err != nil {
		return nil, err
	}
	names := make([]engine.ClaimName, 0, len(ids))
	for _, address := range slices.Sorted(maps.Keys(ids)) {
		kind, _, _ := strings.Cut(address, "::")
		names = append(names, engine.ClaimName{Name: kind + " " + ids[address]})
	}
	return names, nil
}

// exportedRoot is the resource that stands for an exported stack itself, if the
// source is one.
func exportedRoot(source engine.Source) (resource, bool) {
	var exported struct {
		Version    int             `json:"version"`
		Deployment json.RawMessage `json:"deployment"`
	}
	if decode(source.State, &exported) != nil {
		return resource{}, false
	}
	d, err := parseDeployment(exported.Version, exported.Deployment)
	if err != nil {
		return resource{}, false
	}
	return d.root()
}
