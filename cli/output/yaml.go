// SPDX-License-Identifier: Apache-2.0

package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// toYAML turns a JSON document into YAML in the same order. Every string that
// any version of YAML might take for something else is quoted.
func toYAML(data []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := read(decoder)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := writeYAML(&b, value, ""); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// member is a field of an object; an object is a []member, a list a []any.
type member struct {
	name  string
	value any
}

func read(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	delimiter, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if delimiter == '[' {
		list := []any{}
		for decoder.More() {
			value, err := read(decoder)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := decoder.Token()
		return list, err
	}
	object := []member{}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, errors.New("a key that is no string")
		}
		value, err := read(decoder)
		if err != nil {
			return nil, err
		}
		object = append(object, member{name, value})
	}
	_, err = decoder.Token()
	return object, err
}

// writeYAML writes a value, ending with a line break. The indent stands before
// every line but the first.
func writeYAML(b *bytes.Buffer, value any, indent string) error {
	switch v := value.(type) {
	case []member:
		return writeObject(b, v, indent)
	case []any:
		return writeList(b, v, indent)
	default:
		s, err := scalar(v)
		b.WriteString(s + "\n")
		return err
	}
}

func writeObject(b *bytes.Buffer, object []member, indent string) error {
	if len(object) == 0 {
		b.WriteString("{}\n")
	}
	for i, m := range object {
		if i > 0 {
			b.WriteString(indent)
		}
		key, err := scalar(m.name)
		if err != nil {
			return err
		}
		b.WriteString(key + ":")
		if nested(m.value) {
			b.WriteString("\n" + indent + "  ")
		} else {
			b.WriteByte(' ')
		}
		if err := writeYAML(b, m.value, indent+"  "); err != nil {
			return err
		}
	}
	return nil
}

func writeList(b *bytes.Buffer, list []any, indent string) error {
	if len(list) == 0 {
		b.WriteString("[]\n")
	}
	for i, item := range list {
		if i > 0 {
			b.WriteString(indent)
		}
		b.WriteString("- ")
		if err := writeYAML(b, item, indent+"  "); err != nil {
			return err
		}
	}
	return nil
}

func nested(value any) bool {
	switch v := value.(type) {
	case []member:
		return len(v) > 0
	case []any:
		return len(v) > 0
	default:
		return false
	}
}

func scalar(value any) (string, error) {
	text, ok := value.(string)
	if ok && plain(text) {
		return text, nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", fmt.Errorf("write %v as yaml: %w", value, err)
	}
	// JSON leaves DEL as it is, which YAML does not allow.
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`), nil
}

// plain says that a text needs no quotes: it begins with a letter, has no sign
// that YAML knows, and is no word that YAML 1.1 or 1.2 takes for a value.
func plain(s string) bool {
	for i, r := range s {
		switch {
		case unicode.IsLetter(r):
		case i == 0:
			return false
		case unicode.IsDigit(r), strings.ContainsRune("_./-@+()→", r):
		case r == ' ':
			if i == len(s)-1 {
				return false
			}
		case r == ':':
			if i == len(s)-1 || s[i+1] == ' ' {
				return false
			}
		default:
			return false
		}
	}
	return s != "" && !slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s))
}
