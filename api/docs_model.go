// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// docsModel is openapi.yaml in the order in which a person reads it.
type docsModel struct {
	Title, Version, Description string
	Groups                      []docsGroup
	Schemas                     []docsSchema
}

type docsGroup struct {
	Name, Description string
	Operations        []docsOperation
}

type docsOperation struct {
	ID, Method, Path     string
	Summary, Description string
	Open                 bool // needs no token
	Parameters           []docsParameter
	Body                 *docsContent
	Responses            []docsResponse
}

type docsParameter struct {
	Name, In, Type, Description string
	Required                    bool
}

type docsContent struct {
	Type   string // of the media
	Schema docsType
	Fields []docsField // of a schema without a name
}

type docsResponse struct {
	Status, Description string
	Contents            []docsContent
}

type docsSchema struct {
	Name, Description string
	Type              docsType
	Fields            []docsField
}

// docsType is a type in words, with a link where it has a name.
type docsType struct {
	Before, Link, After string
}

type docsField struct {
	Name, Description string
	Type              docsType
	Required          bool
}

const schemaPrefix = "#/components/schemas/"

func newDocsModel(spec *openapi3.T) docsModel {
	model := docsModel{Title: spec.Info.Title, Version: spec.Info.Version, Description: spec.Info.Description}
	for _, tag := range spec.Tags {
		group := docsGroup{Name: tag.Name, Description: tag.Description}
		for _, path := range spec.Paths.InMatchingOrder() {
			item := spec.Paths.Value(path)
			for method, operation := range item.Operations() {
				if slices.Contains(operation.Tags, tag.Name) {
					group.Operations = append(group.Operations, docsOperationOf(method, path, item, operation))
				}
			}
		}
		slices.SortFunc(group.Operations, func(a, b docsOperation) int {
			return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
		})
		model.Groups = append(model.Groups, group)
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Components.Schemas)) {
		schema := spec.Components.Schemas[name].Value
		model.Schemas = append(model.Schemas, docsSchema{
			Name: name, Description: schema.Description,
			Type: typeOf(&openapi3.SchemaRef{Value: schema}), Fields: fieldsOf(schema, ""),
		})
	}
	return model
}

func docsOperationOf(method, path string, item *openapi3.PathItem, operation *openapi3.Operation) docsOperation {
	d := docsOperation{
		ID: operation.OperationID, Method: method, Path: path,
		Summary: operation.Summary, Description: operation.Description,
		Open: operation.Security != nil && len(*operation.Security) == 0,
	}
	for _, p := range append(slices.Clone(item.Parameters), operation.Parameters...) {
		d.Parameters = append(d.Parameters, docsParameter{
			Name: p.Value.Name, In: p.Value.In, Description: p.Value.Description,
			Type: plainType(p.Value.Schema.Value), Required: p.Value.Required,
		})
	}
	if operation.RequestBody != nil {
		if contents := contentsOf(operation.RequestBody.Value.Content); len(contents) > 0 {
			d.Body = &contents[0]
		}
	}
	for _, status := range slices.Sorted(maps.Keys(operation.Responses.Map())) {
		response := operation.Responses.Value(status).Value
		d.Responses = append(d.Responses, docsResponse{
			Status: strings.Replace(status, "default", "else", 1), Description: *response.Description,
			Contents: contentsOf(response.Content),
		})
	}
	return d
}

func contentsOf(content openapi3.Content) []docsContent {
	var contents []docsContent
	for _, media := range slices.Sorted(maps.Keys(content)) {
		schema := content[media].Schema
		c := docsContent{Type: media, Schema: typeOf(schema)}
		if schema.Ref == "" {
			c.Fields = fieldsOf(schema.Value, "")
		}
		contents = append(contents, c)
	}
	return contents
}

// fieldsOf lists the fields of an object, with those of nested objects that
// have no name of their own.
func fieldsOf(schema *openapi3.Schema, prefix string) []docsField {
	var fields []docsField
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[name]
		fields = append(fields, docsField{
			Name: prefix + name, Description: property.Value.Description,
			Type: typeOf(property), Required: slices.Contains(schema.Required, name),
		})
		if inner, suffix := nested(property); inner != nil {
			fields = append(fields, fieldsOf(inner, prefix+name+suffix+".")...)
		}
	}
	return fields
}

// nested is the object without a name inside of a property, and how one gets
// to it.
func nested(property *openapi3.SchemaRef) (inner *openapi3.Schema, suffix string) {
	for property != nil && property.Ref == "" {
		switch {
		case len(property.Value.Properties) > 0:
			return property.Value, suffix
		case property.Value.Items != nil:
			property, suffix = property.Value.Items, suffix+"[]"
		default:
			property, suffix = property.Value.AdditionalProperties.Schema, suffix+".*"
		}
	}
	return nil, ""
}

func typeOf(schema *openapi3.SchemaRef) docsType {
	if schema == nil {
		return docsType{}
	}
	if name, ok := strings.CutPrefix(schema.Ref, schemaPrefix); ok {
		return docsType{Link: name}
	}
	inner := docsType{}
	switch {
	case schema.Value.Items != nil:
		inner = typeOf(schema.Value.Items)
		inner.Before = "list of " + inner.Before
	case schema.Value.AdditionalProperties.Schema != nil:
		inner = typeOf(schema.Value.AdditionalProperties.Schema)
		inner.Before = "map of " + inner.Before
	default:
		inner.Before = plainType(schema.Value)
	}
	return inner
}

// plainType is a type with its values or bounds.
func plainType(schema *openapi3.Schema) string {
	if schema.Type == nil {
		return "any"
	}
	name := strings.Join(schema.Type.Slice(), " or ")
	switch {
	case len(schema.Enum) > 0:
		values := make([]string, 0, len(schema.Enum))
		for _, v := range schema.Enum {
			if text, ok := v.(string); ok && text != "" {
				values = append(values, text)
			}
		}
		return strings.Join(values, ", ")
	case schema.Format != "":
		return name + " (" + schema.Format + ")"
	default:
		return name
	}
}
