// SPDX-License-Identifier: Apache-2.0

package catalog

import "slices"

// Normalize returns the definition with its defaults filled in and its values
// (field defaults, enums, settings) as the Go types that Type names. A definition
// that went through encoding/json holds float64 where its author wrote an
// integer; normalized, it equals the one that was parsed. It shares nothing
// that it changes with d.
func (d Definition) Normalize() Definition {
	if d.Spec.Rollback == "" {
		d.Spec.Rollback = Revertible
	}
	if d.Spec.DeletionPolicy == "" {
		d.Spec.DeletionPolicy = DeletePolicy
	}
	d.Spec.Inputs = NormalizeFields(d.Spec.Inputs)
	d.Spec.Outputs = NormalizeFields(d.Spec.Outputs)
	if d.Spec.Implementations != nil {
		implementations := make(map[string]Implementation, len(d.Spec.Implementations))
		for engine, i := range d.Spec.Implementations {
			if i.Settings != nil {
				i.Settings, _ = plain(i.Settings).(map[string]any)
			}
			if i.Snapshot != nil {
				step := *i.Snapshot
				step.Outputs = NormalizeFields(step.Outputs)
				if step.Settings != nil {
					step.Settings, _ = plain(step.Settings).(map[string]any)
				}
				i.Snapshot = &step
			}
			implementations[engine] = i
		}
		d.Spec.Implementations = implementations
	}
	return d
}

// NormalizeFields does the same for fields alone. A value that does not fit its
// field's type is left as it is, for validation to find.
func NormalizeFields(fields []Field) []Field {
	out := slices.Clone(fields)
	for i, f := range out {
		out[i].Default = normalValue(f, f.Default)
		if f.Enum == nil {
			continue
		}
		out[i].Enum = make([]any, len(f.Enum))
		for j, v := range f.Enum {
			out[i].Enum[j] = normalValue(f, v)
		}
	}
	return out
}

// normalValue retypes numbers. Text stays text: "3" as the default of an
// integer is its author's mistake.
func normalValue(f Field, v any) any {
	if _, isText := v.(string); isText || v == nil {
		return v
	}
	if typed, err := Coerce(f, v); err == nil {
		return typed
	}
	return v
}
