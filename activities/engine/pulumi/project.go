// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/atomicfile"
)

// Directories and files of a workspace, beside those of package supervise.
const (
	programDir      = "program"
	fingerprintFile = "program.digest"
)

// project is a definition's program as its project file describes it.
type project struct {
	file    string // name of the project file
	text    []byte // its content
	dir     string // the program's directory in the bundle
	name    string
	runtime string
	// compiler turns something else into YAML before the program runs.
	compiler bool
	main     string // directory of the program inside dir; usually ""
	settings string // directory of stack settings inside dir; usually ""
	// types that the project declares for its configuration, by key.
	types map[string]string
}

const (
	yamlRuntime = "yaml"
	goRuntime   = "go"
)

// readProject reads the project file of a definition's program.
func readProject(req engine.Request) (project, error) {
	module := req.Implementation.Module
	p := project{dir: filepath.Join(req.Bundle, filepath.FromSlash(module))}
	for _, name := range []string{"Pulumi.yaml", "Pulumi.yml", "Pulumi.json"} {
		text, err := os.ReadFile(filepath.Join(p.dir, name)) //nolint:gosec // the bundle's own file
		if err == nil {
			p.file, p.text = name, text
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return p, failed("read the definition's program", err)
		}
	}
	if p.file == "" {
		return p, invalid("the definition's module %q has no Pulumi.yaml", module)
	}
	var head struct {
		Name           string `yaml:"name"`
		Runtime        any    `yaml:"runtime"`
		Main           string `yaml:"main"`
		StackConfigDir string `yaml:"stackConfigDir"`

		Config map[string]any `yaml:"config"`
	}
	if err := yaml.Unmarshal(p.text, &head); err != nil {
		return p, invalid("%s/%s does not parse: %v", module, p.file, shorten(yaml.FormatError(err, false, false)))
	}
	p.name, p.main, p.settings = head.Name, head.Main, head.StackConfigDir
	switch r := head.Runtime.(type) {
	case string:
		p.runtime = r
	case map[string]any:
		p.runtime, _ = r["name"].(string)
		options, _ := r["options"].(map[string]any)
		_, p.compiler = options["compiler"]
	}
	p.types = map[string]string{}
	for key, declared := range head.Config {
		if d, ok := declared.(map[string]any); ok {
			p.types[strings.TrimPrefix(key, p.name+":")], _ = d["type"].(string)
		}
	}
	if !segment.MatchString(p.name) || p.runtime == "" {
		return p, invalid("%s/%s needs a name and a runtime", module, p.file)
	}
	for _, dir := range []string{p.main, p.settings} {
		if dir != "" && !filepath.IsLocal(filepath.FromSlash(dir)) {
			return p, invalid("%s/%s: %q is not a directory inside the module", module, p.file, dir)
		}
	}
	return p, nil
}

// languages that people write and the hosts that Pulumi calls them by.
func (p project) host() string { return "pulumi-language-" + p.runtime }

// checkHost says what is missing to run a program of this language.
func (n *node) checkHost() error {
	if n.has(n.project.host()) {
		return nil
	}
	return &engine.Error{
		Class: engine.Unavailable, Engine: Name,
		Message: fmt.Sprintf("the definition's program is written in %q, and the worker has no %s; needed beside pulumi or in PATH, looked in %s",
			n.project.runtime, n.project.host(), strings.Join(n.searchPath(), ", ")),
	}
}

// place puts the program into the workspace: the bundle is read-only, and
// language hosts write beside programs. The project file is written each time,
// since a preview with unknown inputs runs another one.
func (n *node) place(ctx context.Context, projectText, mainText []byte) error {
	p := n.project
	want, err := digestOf(p.dir)
	if err != nil {
		return failed("read the definition's program", err)
	}
	want += "\n" + p.dir
	dir := n.path(programDir)
	if have, err := os.ReadFile(n.path(fingerprintFile)); err != nil || string(have) != want {
		if err := os.RemoveAll(n.path(fingerprintFile)); err != nil {
			return failed("clear workspace", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return failed("clear workspace", err)
		}
		if err := copyTree(p.dir, dir); err != nil {
			return failed("copy the definition's program", err)
		}
		if err := n.install(ctx); err != nil {
			return err
		}
		if err := atomicfile.Write(n.path(fingerprintFile), []byte(want)); err != nil {
			return failed("record the program", err)
		}
	}
	if err := atomicfile.Write(filepath.Join(dir, p.file), projectText); err != nil {
		return failed("write the project", err)
	}
	if mainText != nil {
		if err := atomicfile.Write(filepath.Join(dir, filepath.FromSlash(p.mainFile())), mainText); err != nil {
			return failed("write the program", err)
		}
	}
	return nil
}

// mainFile is the file of a YAML program that is not in its project file; empty
// for one that is.
func (p project) mainFile() string {
	for _, name := range []string{"Main.json", "Main.yaml"} {
		path := filepath.ToSlash(filepath.Join(p.main, name))
		if _, err := os.Stat(filepath.Join(p.dir, filepath.FromSlash(path))); err == nil {
			return path
		}
	}
	return ""
}

// checkNames refuses a program in YAML that calls a resource or a variable as it
// calls a configuration key. Pulumi takes the key for it, and leaves the other
// out without a word: the resource would never be made.
func (n *node) checkNames() error {
	p := n.project
	if !p.wraps() {
		return nil
	}
	text := p.text
	if main := p.mainFile(); main != "" {
		var err error
		if text, err = os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(main))); err != nil {
			return failed("read the definition's program", err)
		}
	}
	var program struct {
		Resources map[string]any `yaml:"resources"`
		Variables map[string]any `yaml:"variables"`
	}
	if err := yaml.Unmarshal(text, &program); err != nil {
		return nil //nolint:nilerr // Pulumi tells what is wrong with it
	}
	keys := map[string]bool{}
	for key := range p.types {
		keys[key] = true
	}
	for _, s := range n.settings {
		keys[s.name(p.name)] = true
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for kind, names := range map[string]map[string]any{"resource": program.Resources, "variable": program.Variables} {
			if _, taken := names[key]; taken {
				return invalid("the definition's program %q has a %s and a configuration key that are both called %q, "+
					"and Pulumi would leave the %s out; give the %s another name", n.req.Implementation.Module, kind, key, kind, kind)
			}
		}
	}
	return nil
}

// digestOf a directory's files.
func digestOf(dir string) (string, error) {
	h := sha256.New()
	err := walkFiles(dir, func(path, relative string) error {
		f, err := os.Open(path) //nolint:gosec // the bundle's own files
		if err != nil {
			return err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		_, err = fmt.Fprintf(h, "%s %x\n", relative, sum.Sum(nil))
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// copyTree copies the files of a directory, writable by their owner.
func copyTree(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return walkFiles(from, func(path, relative string) error {
		text, err := os.ReadFile(path) //nolint:gosec // the bundle's own files
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		return os.WriteFile(target, text, info.Mode().Perm()&0o700|0o600) //nolint:gosec // inside the workspace
	})
}

// walkFiles calls visit for each regular file, in order.
func walkFiles(dir string, visit func(path, relative string) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return visit(path, relative)
	})
}

// trimmed is a text for a message, without the paths of this machine.
func (n *node) trimmed(text string) string {
	for _, dir := range []string{n.path(programDir), n.project.dir, n.req.Workspace} {
		if dir != "" {
			text = strings.ReplaceAll(text, dir+string(filepath.Separator), "")
		}
	}
	return text
}

// lines of a text.
func lines(text []byte) [][]byte { return bytes.Split(bytes.TrimSpace(text), []byte{'\n'}) }
