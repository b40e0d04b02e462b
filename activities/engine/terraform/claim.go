// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// Claims implements engine.Claimer: a resource by its type and ID, an adopted
// state by its lineage, which its copies share.
func (e *Engine) Claims(req engine.Request, source *engine.Source) ([]engine.ClaimName, error) {
	if source != nil {
		d, err := parseSource(*source)
		if err != nil {
			return nil, err
		}
		return []engine.ClaimName{{Name: "lineage " + d.Lineage, Everywhere: true}}, nil
	}
	ids, err := identities(req, req.Implementation)
	if err != nil {
		return nil, err
	}
	names := make([]engine.ClaimName, 0, len(ids))
	for _, address := range slices.Sorted(maps.Keys(ids)) {
		names = append(names, engine.ClaimName{Name: typeOf(address) + " " + ids[address]})
	}
	return names, nil
}

// indexed is the key of one instance among several.
var indexed = regexp.MustCompile(`\[[^\]]*\]`)

// typeOf the resource at an address inside a module, such as aws_s3_bucket for
// module.logs.aws_s3_bucket.this["eu"].
func typeOf(address string) string {
	parts := strings.Split(indexed.ReplaceAllString(address, ""), ".")
	return parts[max(len(parts)-2, 0)]
}
