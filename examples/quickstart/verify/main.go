// SPDX-License-Identifier: Apache-2.0

// Command verify looks at what the demo left behind and says whether it holds:
// both environments succeeded, what the database and the cache gave arrived in
// the deployment, and the database's password is nowhere in clear that it
// should not be.
//
//	verify DIRECTORY
//
// The directory holds staging.json and production.json (from `nestor status -o
// json`) and data, the platform's data directory.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// replicas that the annotation asks for.
const replicas = 3

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: verify DIRECTORY")
		os.Exit(1)
	}
	if err := verify(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}

// status is what verify needs of `nestor status -o json`.
type status struct {
	Application string     `json:"application"`
	Environment string     `json:"environment"`
	Status      string     `json:"status"`
	Deployment  string     `json:"deployment"`
	Release     string     `json:"release"`
	Resources   []resource `json:"resources"`
}

type resource struct {
	Name       string         `json:"name"`
	Definition string         `json:"definition"`
	Version    string         `json:"version"`
	Status     string         `json:"status"`
	Outputs    map[string]any `json:"outputs"`
}

func verify(dir string, out io.Writer) error {
	var all []status
	for _, environment := range []string{"staging", "production"} {
		s, err := read(filepath.Join(dir, environment+".json"))
		if err != nil {
			return err
		}
		if err := s.holds(dir, environment); err != nil {
			return fmt.Errorf("%s: %w", environment, err)
		}
		all = append(all, s)
	}
	if all[0].Release != all[1].Release {
		return fmt.Errorf("production got release %s, staging has %s", all[1].Release, all[0].Release)
	}
	for i, s := range all {
		cloud := []string{"aws-rds-mysql", "gcp-cloudsql-mysql"}[i]
		if database := s.resource("database"); database.Definition != cloud {
			return fmt.Errorf("%s: the database is a %s, not a %s", s.Environment, database.Definition, cloud)
		}
	}
	for _, s := range all {
		if err := s.print(out); err != nil {
			return err
		}
	}
	return nil
}

func read(path string) (status, error) {
	content, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return status{}, err
	}
	var s status
	if err := json.Unmarshal(content, &s); err != nil {
		return status{}, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// resource of the composition's name in the one instance that there is.
func (s status) resource(name string) resource {
	for _, r := range s.Resources {
		if strings.HasSuffix(r.Name, "."+name) {
			return r
		}
	}
	return resource{}
}

func (s status) holds(dir, environment string) error {
	if s.Environment != environment || s.Status != "succeeded" {
		return fmt.Errorf("it is %s in %q", s.Status, s.Environment)
	}
	page, ok := s.resource("deployment").Outputs["page"].(string)
	if !ok {
		return errors.New("the deployment gave no page")
	}
	files := []string{page}
	for i := range replicas {
		files = append(files, filepath.Join(filepath.Dir(page), fmt.Sprintf("replica-%d.json", i+1)))
	}
	for _, name := range []string{"database", "cache"} {
		endpoint, ok := s.resource(name).Outputs["endpoint"].(string)
		if !ok || endpoint == "" {
			return fmt.Errorf("the %s gave no endpoint", name)
		}
		for _, file := range files {
			if err := contains(file, endpoint); err != nil {
				return fmt.Errorf("the %s's endpoint did not arrive: %w", name, err)
			}
		}
	}
	password, err := os.ReadFile(filepath.Join(filepath.Dir(page), "database.password"))
	if err != nil {
		return err
	}
	if len(password) < 16 {
		return errors.New("the database's password did not arrive")
	}
	return hidden(dir, password)
}

func contains(file, text string) error {
	content, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return err
	}
	if !bytes.Contains(content, []byte(text)) {
		return fmt.Errorf("%s does not hold %q", file, text)
	}
	return nil
}

// hidden fails when a secret is in clear in what Nestor keeps, logs or prints.
// The engine's state is the user's own and holds it; so does the application.
func hidden(dir string, secret []byte) error {
	tree := os.DirFS(dir)
	return fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == "site", path == "data/state":
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		if bytes.Contains(content, secret) {
			return fmt.Errorf("the database's password is in clear in %s", filepath.Join(dir, path))
		}
		return nil
	})
}

func (s status) print(out io.Writer) error {
	if _, err := fmt.Fprintf(out, "\n%s: %s %s\n", s.Environment, s.Application, s.Status); err != nil {
		return err
	}
	for _, r := range s.Resources {
		if _, err := fmt.Fprintf(out, "  %s  %s@%s  %s\n", r.Name, r.Definition, r.Version, r.Status); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(r.Outputs)) {
			if _, err := fmt.Fprintf(out, "    %s = %v\n", name, r.Outputs[name]); err != nil {
				return err
			}
		}
	}
	return nil
}
