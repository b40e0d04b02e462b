// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// KeepUnknown returns the document after with what before holds and the given
// type does not know: members that a newer program has added to a document
// which this one writes anew. known is any value of the type that both are
// documents of.
//
// It looks into objects that the type has fields for, at any depth. What is in a
// list or a map belongs to who writes it, and is replaced with it.
func KeepUnknown(before, after json.RawMessage, known any) (json.RawMessage, error) {
	kept, _, err := keep(before, after, reflect.TypeOf(known))
	if err != nil {
		return nil, fmt.Errorf("keep what a newer program has written: %w", err)
	}
	return kept, nil
}

// keep returns after itself, byte for byte, when there is nothing to keep.
func keep(before, after json.RawMessage, t reflect.Type) (kept json.RawMessage, changed bool, err error) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || ownWords(t) || !isObject(before) || !isObject(after) {
		return after, false, nil
	}
	var was, is map[string]json.RawMessage
	if err := json.Unmarshal(before, &was); err != nil {
		return nil, false, err
	}
	if err := json.Unmarshal(after, &is); err != nil {
		return nil, false, err
	}
	fields := fieldsOf(t)
	for name, value := range was {
		field, isKnown := fields[name]
		present, written := is[name]
		switch {
		case !isKnown:
			is[name], changed = value, true
		case written:
			inner, more, err := keep(value, present, field)
			if err != nil {
				return nil, false, err
			}
			if more {
				is[name], changed = inner, true
			}
		}
	}
	if !changed {
		return after, false, nil
	}
	kept, err = json.Marshal(is)
	return kept, true, err
}

// ownWords says that a type writes its JSON itself, so that its fields say
// nothing about the members.
func ownWords(t reflect.Type) bool {
	marshaler := reflect.TypeFor[json.Marshaler]()
	return t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler)
}

func isObject(data json.RawMessage) bool {
	return strings.HasPrefix(strings.TrimSpace(string(data)), "{")
}

// fieldsOf are the members that encoding/json writes of a struct, by name.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inlined := f.Anonymous && name == ""
		if name == "-" || inlined || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[name] = f.Type
	}
	return fields
}
