// SPDX-License-Identifier: Apache-2.0

// Package config holds the CLI's settings: a file of contexts like kubectl's,
// and the rule that flags win over NESTOR_* variables, which win over the file.
//
// It does not talk to a server and does not know what a setting is for.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/internal/manifest"
)

// Context is one platform, and who one is there.
type Context struct {
	Name string `json:"name"`
	// Server is the API's base URL.
	Server string `json:"server,omitempty"`
	Token  string `json:"token,omitempty"`
	Team   string `json:"team,omitempty"`
	// Environment used when a command is given none.
	Environment string `json:"environment,omitempty"`
	// TemporalUI is the address of the Temporal Web UI.
	TemporalUI string `json:"temporalUi,omitempty"`
}

// File is the content of the configuration file.
type File struct {
	// Current names the context in use; empty uses none.
	Current  string    `json:"current,omitempty"`
	Contexts []Context `json:"contexts,omitempty"`
}

// Path is where the configuration file is: NESTOR_CONFIG, or nestor/config.yaml
// in XDG_CONFIG_HOME, or in the user's configuration directory.
func Path(getenv func(string) string) (string, error) {
	if path := getenv("NESTOR_CONFIG"); path != "" {
		return path, nil
	}
	if dir := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "nestor", "config.yaml"), nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the configuration file: %w; set NESTOR_CONFIG to its path", err)
	}
	return filepath.Join(dir, "nestor", "config.yaml"), nil
}

// Load reads the file. One that does not exist is an empty File. What is wrong
// in it comes as manifest.Problems.
func Load(path string) (File, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the user's own file, by the user's own choice
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, nil
	}
	if err != nil {
		return File{}, fmt.Errorf("read the configuration: %w", err)
	}
	documents, err := manifest.Parse(path, data)
	if err != nil {
		return File{}, err
	}
	var file File
	for i, document := range documents {
		if i > 0 {
			return File{}, manifest.Problems{document.Problem("", "a second document", "keep one document in the file")}
		}
		if err := document.Decode(&file); err != nil {
			return File{}, err
		}
		if err := file.check(document); err != nil {
			return File{}, err
		}
	}
	return file, nil
}

func (f *File) check(document *manifest.Document) error {
	var problems manifest.Problems
	seen := map[string]bool{}
	for i, c := range f.Contexts {
		at := manifest.Member(manifest.Index("contexts", i), "name")
		switch {
		case c.Name == "":
			problems = append(problems, document.Problem(at, "a context needs a name", ""))
		case seen[c.Name]:
			problems = append(problems, document.Problem(at, fmt.Sprintf("a second context %q", c.Name), "rename one of them"))
		}
		seen[c.Name] = true
	}
	return problems.OrNil()
}

// Context returns the context of that name.
func (f *File) Context(name string) (Context, bool) {
	i := slices.IndexFunc(f.Contexts, func(c Context) bool { return c.Name == name })
	if i < 0 {
		return Context{}, false
	}
	return f.Contexts[i], true
}

// Names lists the contexts in the order of the file.
func (f *File) Names() []string {
	names := make([]string, 0, len(f.Contexts))
	for _, c := range f.Contexts {
		names = append(names, c.Name)
	}
	return names
}

// Set adds the context, or replaces the one of its name.
func (f *File) Set(c Context) {
	if i := slices.IndexFunc(f.Contexts, func(o Context) bool { return o.Name == c.Name }); i >= 0 {
		f.Contexts[i] = c
		return
	}
	f.Contexts = append(f.Contexts, c)
}

// Remove drops the context of that name, and says whether it was there. If it
// was the current one, there is none afterwards.
func (f *File) Remove(name string) bool {
	before := len(f.Contexts)
	f.Contexts = slices.DeleteFunc(f.Contexts, func(c Context) bool { return c.Name == name })
	if f.Current == name {
		f.Current = ""
	}
	return len(f.Contexts) < before
}

// Save writes the file atomically and readable by its owner alone, since it
// holds tokens. Comments of an earlier version are lost.
func (f *File) Save(path string) (err error) {
	var b bytes.Buffer
	b.WriteString("# Contexts of the nestor command. Edit with: nestor config set NAME --server URL …\n")
	if err := output.YAML.Write(&b, f); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".config-*.yaml")
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write the configuration: %w", err), os.Remove(temporary.Name()))
		}
	}()
	if _, err := temporary.Write(b.Bytes()); err != nil {
		return errors.Join(err, temporary.Close())
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// Mask hides a token but for what tells two of them apart.
func Mask(token string) string {
	switch {
	case token == "":
		return ""
	case len(token) < 12:
		return strings.Repeat("•", 8)
	default:
		return strings.Repeat("•", 8) + token[len(token)-4:]
	}
}
