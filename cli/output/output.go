// SPDX-License-Identifier: Apache-2.0

// Package output writes a command's result: JSON and YAML for programs, tables
// for people. What is in the result is the command's business.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Format of a result.
type Format string

// The formats; Table is the default.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Formats lists them for messages and completion.
func Formats() []string { return []string{string(JSON), string(YAML), string(Table)} }

func (f Format) String() string {
	if f == "" {
		return string(Table)
	}
	return string(f)
}

// Flag makes a Format a flag's value.
type Flag struct{ Format *Format }

// Set takes one of Formats.
func (f Flag) Set(s string) error {
	switch v := Format(strings.ToLower(s)); v {
	case Table, JSON, YAML:
		*f.Format = v
		return nil
	default:
		return fmt.Errorf("must be one of %s", strings.Join(Formats(), ", "))
	}
}

func (f Flag) String() string {
	if f.Format == nil {
		return ""
	}
	return f.Format.String()
}

// Type is shown in a flag's usage.
func (Flag) Type() string { return strings.Join(Formats(), "|") }

// Structured says that the result is meant for a program.
func (f Format) Structured() bool { return f == JSON || f == YAML }

// Write writes v as JSON or YAML, by its json tags, ending with a line break.
func (f Format) Write(w io.Writer, v any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write the result as %s: %w", f.String(), err)
	}
	data := b.Bytes()
	if f == YAML {
		converted, err := toYAML(data)
		if err != nil {
			return fmt.Errorf("write the result as yaml: %w", err)
		}
		data = converted
	}
	_, err := w.Write(data)
	return err
}
