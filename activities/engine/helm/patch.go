// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// patch is how a live object is brought to what a manifest says.
type patch struct {
	Type types.PatchType `json:"type"`
	Text []byte          `json:"text"`
}

// empty says that there is nothing to change.
func (p patch) empty() bool { return string(p.Text) == "{}" || len(p.Text) == 0 }

// threeWay makes the patch that turns live into what after says, and takes away
// what before said and after does not. What neither says is left alone. before
// may be nil.
func threeWay(before, live, after *unstructured.Unstructured) (patch, error) {
	if before == nil {
		before = after
	}
	texts := make([][]byte, 3)
	for i, u := range []*unstructured.Unstructured{before, after, live} {
		var err error
		if texts[i], err = json.Marshal(u.Object); err != nil {
			return patch{}, err
		}
	}
	schema, err := strategic(after)
	if err != nil {
		return patch{}, err
	}
	if schema == nil { // a custom kind
		text, err := jsonmergepatch.CreateThreeWayJSONMergePatch(texts[0], texts[1], texts[2])
		return patch{Type: types.MergePatchType, Text: text}, err
	}
	text, err := strategicpatch.CreateThreeWayMergePatch(texts[0], texts[1], texts[2], schema, true)
	return patch{Type: types.StrategicMergePatchType, Text: text}, err
}

// strategic tells how lists of a built-in kind are merged; nil for others.
func strategic(u *unstructured.Unstructured) (strategicpatch.LookupPatchMeta, error) {
	typed, err := scheme.Scheme.New(u.GroupVersionKind())
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // a kind that is not built in is no error
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return nil, fmt.Errorf("merge rules of %s: %w", u.GetKind(), err)
	}
	return meta, nil
}

// locally applies a patch without a server's help.
func (p patch) locally(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(u.Object)
	if err != nil {
		return nil, err
	}
	if p.Type == types.StrategicMergePatchType {
		schema, err := strategic(u)
		if err != nil {
			return nil, err
		}
		text, err = strategicpatch.StrategicMergePatchUsingLookupPatchMeta(text, p.Text, schema)
		if err != nil {
			return nil, err
		}
	} else if text, err = jsonpatch.MergePatch(text, p.Text); err != nil {
		return nil, err
	}
	out := &unstructured.Unstructured{}
	return out, out.UnmarshalJSON(text)
}

// overlaid is what two manifests say together, the later one where they differ:
// what may be in the cluster when the second was perhaps applied in part.
func overlaid(earlier, later *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if earlier.GroupVersionKind() != later.GroupVersionKind() {
		return later, nil
	}
	text, err := json.Marshal(later.Object)
	if err != nil {
		return nil, err
	}
	schema, err := strategic(later)
	if err != nil {
		return nil, err
	}
	p := patch{Type: types.MergePatchType, Text: text}
	if schema != nil {
		p.Type = types.StrategicMergePatchType
	}
	return p.locally(earlier)
}
