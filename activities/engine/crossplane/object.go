// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/internal/expand"
)

// wanted is the object that the definition asks for.
type wanted struct {
	// shown holds a placeholder for each unknown value; sent leaves those out.
	shown, sent *unstructured.Unstructured
	// unknown says that the two differ.
	unknown bool
	digest  string
}

// render fills the definition's template.
func (n *node) render() (wanted, error) {
	v, err := expand.Value(n.settings.Object, kube.Lookup(n.req))
	if err != nil {
		return wanted{}, invalid("", "settings.object: %w", err)
	}
	content, ok := jsonValue(v).(map[string]any)
	if !ok {
		return wanted{}, invalid("", "settings.object is no map")
	}
	if _, has := content["status"]; has {
		return wanted{}, invalid("", "settings.object has a status, which is Crossplane's to write")
	}
	metadata, _ := content["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	for key := range metadata {
		if !slices.Contains([]string{"name", "namespace", "labels", "annotations", "finalizers"}, key) {
			return wanted{}, invalid("", "settings.object.metadata.%s cannot be set; name, namespace, labels, annotations and finalizers can", key)
		}
	}
	delete(metadata, "namespace")
	metadata["name"] = n.name
	if n.namespace != "" {
		metadata["namespace"] = n.namespace
	}
	content["metadata"] = metadata
	w := wanted{shown: &unstructured.Unstructured{Object: content}}
	if err := checkMarks(w.shown); err != nil {
		return w, err
	}
	known, unknown := withoutUnknown(content)
	w.unknown = unknown
	w.sent = &unstructured.Unstructured{Object: known.(map[string]any)}
	w.digest = digest(content)
	if !unknown {
		n.mark(w.sent)
		annotate(w.sent, map[string]string{annotationApplied: w.digest, annotationSettled: ""})
	}
	return w, nil
}

// checkMarks keeps the mark's names for the mark.
func checkMarks(obj *unstructured.Unstructured) error {
	for field, all := range map[string]map[string]string{"labels": obj.GetLabels(), "annotations": obj.GetAnnotations()} {
		for key := range all {
			if strings.HasPrefix(key, markPrefix) {
				return invalid("", "settings.object.metadata.%s has %s; names below %s are Nestor's own", field, key, markPrefix)
			}
		}
	}
	return nil
}

// withoutUnknown copies a value and leaves out what holds a placeholder.
func withoutUnknown(v any) (known any, unknown bool) {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for key, e := range t {
			if s, isText := e.(string); isText {
				if _, un := kube.UnknownIn(s); un {
					unknown = true
					continue
				}
			}
			k, un := withoutUnknown(e)
			out[key], unknown = k, unknown || un
		}
		return out, unknown
	case []any:
		out := make([]any, 0, len(t))
		for _, e := range t {
			if s, isText := e.(string); isText {
				if _, un := kube.UnknownIn(s); un {
					unknown = true
					continue
				}
			}
			k, un := withoutUnknown(e)
			out, unknown = append(out, k), unknown || un
		}
		return out, unknown
	default:
		return v, false
	}
}

// overlay copies the placeholders of shown onto base, so that a comparison with
// it knows what is not known.
func overlay(base, shown any) any {
	if s, isText := shown.(string); isText {
		if _, unknown := kube.UnknownIn(s); unknown {
			return shown
		}
	}
	switch t := shown.(type) {
	case map[string]any:
		b, _ := base.(map[string]any)
		out := maps.Clone(b)
		if out == nil {
			out = map[string]any{}
		}
		for key, e := range t {
			if _, unknown := kube.UnknownIn(e); unknown {
				out[key] = overlay(out[key], e)
			}
		}
		return out
	case []any:
		return shown // an element's place is not known while another's value is not
	default:
		return base
	}
}

// merged is what server-side apply would make of live, as far as that can be
// told without the server: maps are merged, the rest is replaced.
func merged(live, want any) any {
	w, isMap := want.(map[string]any)
	l, _ := live.(map[string]any)
	if !isMap {
		return want
	}
	out := maps.Clone(l)
	if out == nil {
		out = map[string]any{}
	}
	for key, e := range w {
		out[key] = merged(out[key], e)
	}
	return out
}

// jsonValue copies v into the types that unstructured objects are made of.
func jsonValue(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = jsonValue(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = jsonValue(e)
		}
		return out
	case int:
		return int64(t)
	default:
		return v
	}
}

// digest of a value; equal values have equal ones.
func digest(v any) string {
	text, err := json.Marshal(v) // keys in order
	if err != nil {
		return "" // the values are of JSON's own kinds
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:40]
}
