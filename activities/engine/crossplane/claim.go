// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"cmp"
	"fmt"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
)

// Claims implements engine.Claimer: an adopted object by its cluster, kind and
// name. An object that Nestor makes bears its node's mark, which is claim enough.
func (e *Engine) Claims(req engine.Request, source *engine.Source) ([]engine.ClaimName, error) {
	if source == nil || source.Ref == "" {
		return nil, nil
	}
	settings, err := catalog.Settings[catalog.CrossplaneSettings](req.Implementation)
	if err != nil {
		return nil, invalid("", "%v", err)
	}
	return []engine.ClaimName{{Name: fmt.Sprintf("object %s %v %v %s",
		cmp.Or(settings.Cluster, req.Cluster, "default"), settings.Object["apiVersion"], settings.Object["kind"], source.Ref)}}, nil
}
