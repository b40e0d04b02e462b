// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/atomicfile"
	"github.com/HatiCode/nestor/internal/expand"
)

// setting is one value of the program's configuration.
type setting struct {
	input   string // the definition's name; empty for one of its settings
	key     string // with its namespace
	value   any
	unknown string // the reason, when the value is not known
	secret  bool
}

// name of the setting without the project's own namespace.
func (s setting) name(project string) string { return strings.TrimPrefix(s.key, project+":") }

// settingsOf maps a request's inputs and the definition's own settings to the
// program's configuration, ordered by key.
func settingsOf(req engine.Request, own catalog.PulumiSettings, project string) ([]setting, error) {
	var all []setting
	add := func(s setting, key string) (err error) {
		if key == "" {
			return nil // left out by the definition
		}
		s.key, err = qualified(key, project)
		all = append(all, s)
		return err
	}
	keyOf := func(input string) string {
		if mapped, ok := req.Implementation.Inputs[input]; ok {
			return mapped
		}
		return input
	}
	for input, value := range req.Inputs {
		if err := add(setting{input: input, value: value, secret: req.Sensitive[input]}, keyOf(input)); err != nil {
			return nil, err
		}
	}
	for input, reason := range req.Unknown {
		if _, both := req.Inputs[input]; both {
			return nil, invalid("input %q is both known and unknown", input)
		}
		if err := add(setting{input: input, unknown: reason, secret: req.Sensitive[input]}, keyOf(input)); err != nil {
			return nil, err
		}
	}
	for key, template := range own.Config {
		s, err := expanded(req, template)
		if err != nil {
			return nil, invalid("settings.config %q: %v", key, err)
		}
		if s.value == nil && s.unknown == "" {
			continue
		}
		if err := add(s, key); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	return all, givenOnce(all)
}

// qualified is a configuration key with its namespace.
func qualified(key, project string) (string, error) {
	namespace, name, has := strings.Cut(key, ":")
	if !has {
		namespace, name = project, key
	}
	if !segment.MatchString(namespace) || name == "" || strings.ContainsAny(name, ":\n") {
		return "", invalid("%q is no configuration key; write \"name\" or \"namespace:name\"", key)
	}
	return namespace + ":" + name, nil
}

// givenOnce refuses two values for a key; settings are ordered by key.
func givenOnce(all []setting) error {
	for i := 1; i < len(all); i++ {
		if all[i].key == all[i-1].key {
			return invalid("configuration %q is given twice, by inputs %q and %q or the definition's settings",
				all[i].key, all[i-1].input, all[i].input)
		}
	}
	return nil
}

var errReference = errors.New("only \"${inputs.<name>}\" can be written here")

// expanded is a template of the definition's settings with the request's
// inputs. It is secret when one of them is, and unknown when one of them is.
func expanded(req engine.Request, template any) (setting, error) {
	var s setting
	value, err := expand.Value(map[string]any{"v": template}, func(reference string) (any, error) {
		name, ok := strings.CutPrefix(reference, "inputs.")
		if !ok {
			return nil, errReference
		}
		s.secret = s.secret || req.Sensitive[name]
		if reason, unknown := req.Unknown[name]; unknown {
			s.unknown = reason
			return "", nil
		}
		if v, given := req.Inputs[name]; given {
			return v, nil
		}
		return nil, expand.ErrAbsent
	})
	if err != nil {
		return s, err
	}
	if s.unknown == "" {
		if m, ok := value.(map[string]any); ok {
			s.value = m["v"]
		}
	}
	return s, nil
}

// configure writes the stack's settings: the configuration, secrets encrypted.
func (n *node) configure(ctx context.Context, s salt, settings []setting) error {
	key, err := n.engine.vault.key(ctx, n.passphrase, s)
	if err != nil {
		return unreadable("the state of stack %s: %v", n.stack.ref(), err)
	}
	values := make(map[string]any, len(settings))
	for _, c := range settings {
		if !c.secret {
			if values[c.key], err = n.written(c.value); err != nil {
				return invalid("input %q: %v", c.input, err)
			}
			continue
		}
		text, err := n.flat(c.value)
		if err != nil {
			return invalid("input %q: %v", c.input, err)
		}
		secret, err := key.EncryptValue(ctx, text)
		if err != nil {
			return failed("encrypt an input", err)
		}
		values[c.key] = map[string]any{"secure": secret}
	}
	// JSON is YAML whose every string is quoted.
	text, err := asYAML(map[string]any{"config": values, "encryptionsalt": s})
	if err != nil {
		return invalid("an input has a value that is no JSON: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(n.settingsFile()), 0o700); err != nil {
		return failed("write the configuration", err)
	}
	if err := atomicfile.Write(n.settingsFile(), text); err != nil {
		return failed("write the configuration", err)
	}
	return nil
}

func (n *node) settingsFile() string {
	return filepath.Join(n.path(programDir), filepath.FromSlash(n.project.settings), "Pulumi."+n.stack.name+".yaml")
}

// written is a value as the settings file has it: lists and maps as they are.
func (n *node) written(value any) (any, error) {
	switch value.(type) {
	case []any, map[string]any:
		return value, nil
	default:
		return n.flat(value)
	}
}

// flat is a value as one text, which is how every program gets its
// configuration: lists and maps as JSON.
func (n *node) flat(value any) (string, error) {
	switch v := value.(type) {
	case string:
		if n.project.runtime == yamlRuntime && misread(v) {
			text, err := json.Marshal(v)
			return string(text), err
		}
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return v.String(), nil
	default:
		text, err := json.Marshal(v)
		return string(text), err
	}
}

// misread says that Pulumi YAML, which guesses the type of a configured text,
// would take this one for something else. It reads a JSON string as a string.
func misread(text string) bool {
	if len(text) > 1 && strings.HasPrefix(text, "0") && !strings.HasPrefix(text, "0.") {
		return false
	}
	_, isBool := strconv.ParseBool(text)
	_, isNumber := strconv.ParseFloat(text, 64)
	return isBool == nil || isNumber == nil || json.Valid([]byte(text))
}

// lookup gives the inputs to templates.
func lookup(inputs map[string]any) expand.Lookup {
	return func(reference string) (any, error) {
		name, ok := strings.CutPrefix(reference, "inputs.")
		if !ok {
			return nil, errReference
		}
		v, given := inputs[name]
		if !given {
			return nil, fmt.Errorf("input %q %w; given are %s", name, expand.ErrAbsent, strings.Join(slices.Sorted(maps.Keys(inputs)), ", "))
		}
		return v, nil
	}
}
