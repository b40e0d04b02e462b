// SPDX-License-Identifier: Apache-2.0

package manifest

// Document is one YAML document whose root is a mapping. It is immutable.
type Document struct {
	file string
	root *node
}

// Kind is the string under "kind", empty if there is none.
func (d *Document) Kind() string { return d.text("kind") }

// APIVersion is the string under "apiVersion", empty if there is none.
func (d *Document) APIVersion() string { return d.text("apiVersion") }

// File is the name the document was parsed under.
func (d *Document) File() string { return d.file }

func (d *Document) text(name string) string {
	f, ok := d.root.field(name)
	if !ok {
		return ""
	}
	s, _ := f.value.scalar.(string)
	return s
}

// Problem makes a problem of this document. The path is such as
// "spec.inputs[2].name"; where it does not exist (a missing field), the place is
// that of the nearest value around it.
func (d *Document) Problem(path, message, hint string) Problem {
	line, column := d.root.locate(path)
	return Problem{File: d.file, Line: line, Column: column, Field: path, Message: message, Hint: hint}
}
