// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

const (
	localBackend = "local"
	placeholder  = "{address}"
)

// backendBlock is the root module's backend, and for the local one the state
// file's path.
func (e *Engine) backendBlock(req engine.Request) (block object, file string, err error) {
	kind := req.Backend.Type
	if kind == "" {
		kind = localBackend
	}
	if !identifier.MatchString(kind) {
		return nil, "", invalid("backend type %q is no name", kind)
	}
	if kind == localBackend {
		if file, err = e.stateFile(req); err != nil {
			return nil, "", err
		}
		if isTemplate(file) {
			return nil, "", errTemplate(file)
		}
		return object{localBackend: object{"path": file}}, file, nil
	}
	config := make(object, len(req.Backend.Config))
	for key, value := range req.Backend.Config {
		if config[key], err = fill(value, req.Address); err != nil {
			return nil, "", err
		}
	}
	return object{kind: config}, "", nil
}

// where names the backend as a person has to configure it elsewhere. What else
// is set there may be a secret.
func (n *node) where() string {
	for kind, settings := range n.backend {
		parts := []string{"backend " + kind}
		config, _ := settings.(object)
		for _, key := range []string{"path", "bucket", "storage_account_name", "container_name", "key", "prefix"} {
			if value, is := config[key].(string); is {
				parts = append(parts, fmt.Sprintf("%s %q", key, value))
			}
		}
		return strings.Join(parts, ", ")
	}
	return "the backend"
}

// stateFile of the local backend: <path>/<address>.tfstate, or the path itself
// where it holds the placeholder.
func (e *Engine) stateFile(req engine.Request) (string, error) {
	dir := filepath.Join(e.config.DataDir, "state")
	for key, value := range req.Backend.Config {
		path, ok := value.(string)
		if key != "path" || !ok || path == "" {
			return "", invalid("the local backend has one setting, \"path\", a directory; found %q", key)
		}
		dir = path
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(e.config.DataDir, dir)
	}
	if strings.Contains(dir, placeholder) {
		return filepath.Clean(strings.ReplaceAll(dir, placeholder, filepath.FromSlash(req.Address))), nil
	}
	return filepath.Join(dir, filepath.FromSlash(req.Address)+".tfstate"), nil
}

// fill replaces the placeholder in strings.
func fill(value any, address string) (any, error) {
	var err error
	switch v := value.(type) {
	case string:
		if isTemplate(v) {
			return nil, errTemplate(v)
		}
		return strings.ReplaceAll(v, placeholder, address), nil
	case map[string]any:
		out := make(object, len(v))
		for k, e := range v {
			if out[k], err = fill(e, address); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			if out[i], err = fill(e, address); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return value, nil
	}
}

// isTemplate finds what OpenTofu evaluates in a backend's configuration and
// Terraform takes literally: refused, since no spelling means the same to both.
func isTemplate(s string) bool { return strings.Contains(s, "${") || strings.Contains(s, "%{") }

func errTemplate(s string) error {
	return invalid("the state backend's setting %q holds a template; write the value itself", s)
}
