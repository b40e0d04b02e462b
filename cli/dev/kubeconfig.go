// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// readKubeconfig reads the kubeconfig of a cluster that is there already, and
// returns it with everything in it that it refers to in files, because the
// worker gets it as a secret, apart from those. It says the address of the
// cluster that is current in it.
func readKubeconfig(path string) (content []byte, server string, err error) {
	refuse := func(err error) error {
		return fmt.Errorf("read the kubeconfig %s: %w", path, err)
	}
	given, err := os.ReadFile(path) //nolint:gosec // the user's own file, named by the user
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w; name another with --kubeconfig, or run a cluster with --kubernetes", err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(given, &config); err != nil || config["clusters"] == nil {
		return nil, "", refuse(errors.New("it is no kubeconfig: it names no clusters"))
	}
	in := filepath.Dir(path)
	for _, named := range []struct{ list, entry, file, data string }{
		{"clusters", "cluster", "certificate-authority", "certificate-authority-data"},
		{"users", "user", "client-certificate", "client-certificate-data"},
		{"users", "user", "client-key", "client-key-data"},
		{"users", "user", "tokenFile", "token"},
	} {
		for _, entry := range entries(config, named.list, named.entry) {
			if err := include(entry.values, in, named.file, named.data); err != nil {
				return nil, "", refuse(fmt.Errorf("%s %q: %w", named.entry, entry.name, err))
			}
		}
	}
	server, err = currentServer(config)
	if err != nil {
		return nil, "", refuse(err)
	}
	content, err = yaml.Marshal(config)
	return content, server, err
}

// entry is one cluster, context or user.
type entry struct {
	name   string
	values map[string]any
}

func entries(config map[string]any, list, kind string) []entry {
	var found []entry
	items, _ := config[list].([]any)
	for _, item := range items {
		item, _ := item.(map[string]any)
		name, _ := item["name"].(string)
		if values, is := item[kind].(map[string]any); is {
			found = append(found, entry{name, values})
		}
	}
	return found
}

// include replaces the name of a file by what is in it. Tokens alone are not
// encoded.
func include(values map[string]any, in, file, data string) error {
	path, _ := values[file].(string)
	if path == "" {
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(in, path)
	}
	content, err := os.ReadFile(path) //nolint:gosec // the user's own file, named by the user's kubeconfig
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	delete(values, file)
	values[data] = base64.StdEncoding.EncodeToString(content)
	if data == "token" {
		values[data] = strings.TrimSpace(string(content))
	}
	return nil
}

// currentServer is the address of the cluster of the current context.
func currentServer(config map[string]any) (string, error) {
	current, _ := config["current-context"].(string)
	if current == "" {
		return "", errors.New("it has no current context; choose one with `kubectl config use-context`")
	}
	for _, context := range entries(config, "contexts", "context") {
		if context.name != current {
			continue
		}
		for _, cluster := range entries(config, "clusters", "cluster") {
			if server, is := cluster.values["server"].(string); is && cluster.name == context.values["cluster"] {
				return server, nil
			}
		}
	}
	return "", fmt.Errorf("its current context %q leads to no cluster", current)
}
