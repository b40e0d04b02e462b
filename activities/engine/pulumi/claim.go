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
		return sourceClaims(*source)
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

// sourceClaims of an exported stack; what is none is refused by Adopt.
func sourceClaims(source engine.Source) ([]engine.ClaimName, error) {
	var exported struct {
		Version    int             `json:"version"`
		Deployment json.RawMessage `json:"deployment"`
	}
	if decode(source.State, &exported) != nil {
		return nil, nil
	}
	d, err := parseDeployment(exported.Version, exported.Deployment)
	root, found := d.root()
	if err != nil || !found {
		return nil, nil //nolint:nilerr // Adopt says what is wrong with it
	}
	return []engine.ClaimName{{Name: "stack " + root.URN + " " + root.Created, Everywhere: true}}, nil
}
