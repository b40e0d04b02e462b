// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
)

// Claims implements engine.Claimer: an adopted release by its cluster, namespace
// and name. A release that Nestor makes bears its node's mark, which is claim
// enough.
func (e *Engine) Claims(req engine.Request, source *engine.Source) ([]engine.ClaimName, error) {
	if source == nil || source.Ref == "" {
		return nil, nil
	}
	settings, err := catalog.Settings[catalog.HelmSettings](req.Implementation)
	if err != nil {
		return nil, invalid("the definition's %v", err)
	}
	return []engine.ClaimName{{Name: "release " + cmp.Or(settings.Cluster, req.Cluster, "default") + " " + source.Ref}}, nil
}
