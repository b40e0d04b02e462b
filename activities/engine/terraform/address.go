// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// place is an address in a state: of a module, a resource or an instance.
type place struct {
	module string // "module.a.module.b"; empty for the root
	kind   string // the resource's type; empty for a module
	name   string
	key    json.RawMessage // of the instance: a number or a string; nil without one
}

// String is the address as both programs write it.
func (p place) String() string {
	parts := []string{}
	if p.module != "" {
		parts = append(parts, p.module)
	}
	if p.kind != "" {
		parts = append(parts, p.kind, p.name)
	}
	text := strings.Join(parts, ".")
	if p.key != nil {
		text += "[" + string(p.key) + "]"
	}
	return text
}

// resource is the place without its instance's key.
func (p place) resource() place { p.key = nil; return p }

// inside is the place in a module.
func (p place) inside(module string) place {
	switch {
	case p.module == "":
		p.module = module
	case module != "":
		p.module = module + "." + p.module
	}
	return p
}

// parsePlace reads an address of a managed resource, an instance or a module.
func parsePlace(text string) (place, error) {
	var p place
	parts, err := split(text)
	if err != nil {
		return p, err
	}
	for len(parts) >= 2 && parts[0].name == "module" && parts[0].key == nil {
		step := "module." + parts[1].name
		if parts[1].key != nil {
			step += "[" + string(parts[1].key) + "]"
		}
		p = p.step(step)
		parts = parts[2:]
	}
	if len(parts) == 0 {
		return p, nil
	}
	if len(parts) != 2 || parts[0].key != nil || parts[0].name == "data" || parts[0].name == "module" {
		return p, fmt.Errorf("%q is no address of a resource, such as %q or %q", text, "aws_s3_bucket.main", "module.a.aws_s3_bucket.main[0]")
	}
	p.kind, p.name, p.key = parts[0].name, parts[1].name, parts[1].key
	return p, nil
}

func (p place) step(module string) place {
	if p.module != "" {
		module = p.module + "." + module
	}
	p.module = module
	return p
}

// segments of an address, each with the key that follows it.
type part struct {
	name string
	key  json.RawMessage
}

// split cuts an address at its dots, of which a key may hold some.
func split(text string) ([]part, error) {
	var parts []part
	for rest := text; ; {
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		p := part{name: rest[:end]}
		if !identifier.MatchString(p.name) {
			return nil, fmt.Errorf("%q is no address: %q is no name", text, p.name)
		}
		rest = rest[end:]
		if strings.HasPrefix(rest, "[") {
			var err error
			if p.key, rest, err = cutKey(rest[1:]); err != nil {
				return nil, fmt.Errorf("%q is no address: %w", text, err)
			}
		}
		parts = append(parts, p)
		if rest == "" {
			return parts, nil
		}
		if rest[0] != '.' {
			return nil, fmt.Errorf("%q is no address: %q follows a key", text, rest)
		}
		rest = rest[1:]
	}
}

// cutKey reads what stands behind a bracket, and the bracket that closes it.
func cutKey(text string) (key json.RawMessage, rest string, err error) {
	if quoted, err := strconv.QuotedPrefix(text); err == nil && text[0] == '"' {
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, "", err
		}
		rest, closed := strings.CutPrefix(text[len(quoted):], "]")
		if !closed {
			return nil, "", fmt.Errorf("the key %s is not closed", quoted)
		}
		key, err = json.Marshal(value)
		return key, rest, err
	}
	number, rest, closed := strings.Cut(text, "]")
	if _, err := strconv.ParseUint(number, 10, 31); err != nil || !closed {
		return nil, "", fmt.Errorf("%q is no key, which is a number or a quoted text", number)
	}
	return json.RawMessage(number), rest, nil
}
