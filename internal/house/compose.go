// SPDX-License-Identifier: Apache-2.0

package house

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/HatiCode/nestor/internal/devserver"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// composeFile is the Compose project that Compose checks.
const composeFile = "docker-compose.temporal.yaml"

// knownSettings lists, by image, the environment variables that the image's own
// start-up reads: the server's and the Web UI's configuration templates, the
// flags of temporal-sql-tool and temporal, and PostgreSQL's documentation.
func knownSettings() map[string][]string {
	return map[string][]string{
		"postgres": {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "PGDATA"},
		"temporalio/server": {
			"DB", "DB_PORT", "DBNAME", "VISIBILITY_DBNAME", "POSTGRES_SEEDS", "POSTGRES_USER", "POSTGRES_PWD",
			"BIND_ON_IP", "NUM_HISTORY_SHARDS", "LOG_LEVEL", "DYNAMIC_CONFIG_FILE_PATH", "PROMETHEUS_ENDPOINT",
		},
		"temporalio/admin-tools": {
			"SQL_HOST", "SQL_PORT", "SQL_USER", "SQL_PASSWORD", "SQL_DATABASE", "SQL_PLUGIN",
			"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE",
		},
		"temporalio/ui": {"TEMPORAL_ADDRESS", "TEMPORAL_DEFAULT_NAMESPACE", "TEMPORAL_UI_PORT", "TEMPORAL_CORS_ORIGINS"},
	}
}

// project is what Compose looks at in a Compose file.
type project struct {
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
}

type composeService struct {
	Image       string                `yaml:"image"`
	Environment map[string]string     `yaml:"environment"`
	Ports       []string              `yaml:"ports"`
	Volumes     []string              `yaml:"volumes"`
	Entrypoint  []string              `yaml:"entrypoint"`
	DependsOn   map[string]dependency `yaml:"depends_on"` //nolint:tagliatelle // Compose's own name
	Healthcheck map[string]any        `yaml:"healthcheck"`
}

type dependency struct {
	Condition string `yaml:"condition"`
}

// Compose checks docker-compose.temporal.yaml, which cannot be started in CI:
// pinned images, settings that the images know, ports on loopback only,
// dependencies and mounted files that exist, and every search attribute that
// Nestor's workflows set. A tree without the file passes.
func Compose(tree fs.FS) ([]Finding, error) {
	content, err := fs.ReadFile(tree, composeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", composeFile, err)
	}
	var parsed project
	if err := yaml.Unmarshal(content, &parsed); err != nil {
		return []Finding{{File: composeFile, Text: "does not parse: " + err.Error()}}, nil //nolint:nilerr // a malformed file is a finding, not a failure
	}
	c := composeCheck{tree: tree, project: parsed}
	for _, name := range slices.Sorted(maps.Keys(parsed.Services)) {
		c.service(name, parsed.Services[name])
	}
	if len(parsed.Services) == 0 {
		c.found("has no services")
	}
	c.searchAttributes()
	return c.findings, nil
}

type composeCheck struct {
	tree     fs.FS
	project  project
	scripts  strings.Builder // what the entrypoints run
	findings []Finding
}

func (c *composeCheck) found(format string, args ...any) {
	c.findings = append(c.findings, Finding{File: composeFile, Text: fmt.Sprintf(format, args...)})
}

func (c *composeCheck) service(name string, s composeService) {
	image, tag, _ := strings.Cut(s.Image, ":")
	if tag == "" || tag == "latest" {
		c.found("service %s: the image %q is not pinned to a version", name, s.Image)
	}
	known, ok := knownSettings()[image]
	if !ok {
		c.found("service %s: the image %q is not one whose settings are known", name, image)
	}
	for _, variable := range slices.Sorted(maps.Keys(s.Environment)) {
		if ok && !slices.Contains(known, variable) {
			c.found("service %s: the image %s does not read %s", name, image, variable)
		}
	}
	for _, port := range s.Ports {
		if !strings.HasPrefix(port, "127.0.0.1:") {
			c.found("service %s: the port %s is not bound to 127.0.0.1", name, port)
		}
	}
	for _, other := range slices.Sorted(maps.Keys(s.DependsOn)) {
		target, exists := c.project.Services[other]
		switch {
		case !exists:
			c.found("service %s: depends on %s, which does not exist", name, other)
		case s.DependsOn[other].Condition == "service_healthy" && target.Healthcheck == nil:
			c.found("service %s: waits for %s to be healthy, which has no health check", name, other)
		}
	}
	c.files(name, s)
}

// files checks that what a service mounts and runs exists.
func (c *composeCheck) files(name string, s composeService) {
	mounts := map[string]string{} // path in the container → in the tree
	for _, volume := range s.Volumes {
		source, target, _ := strings.Cut(volume, ":")
		target, _, _ = strings.Cut(target, ":")
		if !strings.HasPrefix(source, "./") {
			if _, ok := c.project.Volumes[source]; !ok {
				c.found("service %s: the volume %s is not declared", name, source)
			}
			continue
		}
		mounts[target] = path.Clean(source)
		if _, err := fs.Stat(c.tree, path.Clean(source)); err != nil {
			c.found("service %s: mounts %s, which does not exist", name, source)
		}
	}
	used := slices.Clone(s.Entrypoint)
	dynamic := s.Environment["DYNAMIC_CONFIG_FILE_PATH"]
	if dynamic != "" {
		used = append(used, dynamic)
	}
	for _, file := range used {
		for target, source := range mounts {
			rest, inside := strings.CutPrefix(file, target+"/")
			if !inside {
				continue
			}
			content, err := fs.ReadFile(c.tree, path.Join(source, rest))
			if err != nil {
				c.found("service %s: uses %s, which %s does not hold", name, file, source)
				continue
			}
			c.scripts.Write(content)
			if file == dynamic {
				c.settings(path.Join(source, rest), content)
			}
		}
	}
}

// settings checks that a dynamic configuration is what `nestor dev` gives its
// server.
func (c *composeCheck) settings(name string, content []byte) {
	var parsed map[string][]struct {
		Value any `yaml:"value"`
	}
	if err := yaml.Unmarshal(content, &parsed); err != nil {
		c.findings = append(c.findings, Finding{File: name, Text: "does not parse: " + err.Error()})
		return
	}
	got := map[string]string{}
	for key, values := range parsed {
		for _, value := range values {
			got[key] = fmt.Sprint(value.Value)
		}
	}
	want := map[string]string{}
	args := devserver.Args(devserver.Options{})
	for i, arg := range args {
		if arg == "--dynamic-config-value" {
			key, value, _ := strings.Cut(args[i+1], "=")
			want[key] = strings.Trim(value, `"`)
		}
	}
	if !maps.Equal(got, want) {
		c.findings = append(c.findings, Finding{File: name, Text: fmt.Sprintf("holds %v, and nestor dev sets %v", got, want)})
	}
}

func (c *composeCheck) searchAttributes() {
	for _, attribute := range contract.SearchAttributes() {
		if !strings.Contains(c.scripts.String(), "--name "+attribute+" --type Keyword") {
			c.found("no service creates the search attribute %s", attribute)
		}
	}
}
