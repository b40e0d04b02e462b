// SPDX-License-Identifier: Apache-2.0

// Package project finds the application that a working directory belongs to:
// its root, the nestor.yaml that names it, the application file that `nestor
// generate` wrote, and the commit that is checked out.
//
// It reads files only; what the annotations say is cli/annotation's business.
package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/HatiCode/nestor/cli/annotation"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// FileName of the file that names an application, at its root.
const FileName = "nestor.yaml"

const gitName = ".git"

// File is the content of nestor.yaml.
type File struct {
	Application string `json:"application"`
	Team        string `json:"team"`
}

// Project is what is known about a working directory.
type Project struct {
	// Root is the directory of nestor.yaml, else that of .nestor, else that of
	// .git, else the working directory.
	Root string
	// Named says that there is a nestor.yaml; File is its content then.
	Named bool
	File  File
}

// Find looks in dir and the directories above it. What is wrong in a
// nestor.yaml comes as manifest.Problems.
func Find(dir string) (Project, error) {
	for _, marker := range []string{FileName, annotation.Path, gitName} {
		root, ok, err := above(dir, marker)
		if err != nil {
			return Project{}, err
		}
		if !ok {
			continue
		}
		p := Project{Root: root}
		if marker == FileName {
			p.Named = true
			p.File, err = readFile(filepath.Join(root, FileName), relative(dir, root))
		}
		return p, err
	}
	return Project{Root: dir}, nil
}

// above looks for name in dir and above it, but not outside the repository
// that dir is in.
func above(dir, name string) (root string, ok bool, err error) {
	for {
		_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if err == nil {
			return dir, true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", false, fmt.Errorf("look for %s: %w", name, err)
		}
		parent := filepath.Dir(dir)
		if parent == dir || name != gitName && exists(filepath.Join(dir, gitName)) {
			return "", false, nil
		}
		dir = parent
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// relative is nestor.yaml as seen from dir, for messages.
func relative(dir, root string) string {
	path := filepath.Join(root, FileName)
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	return path
}

func readFile(path, shown string) (File, error) {
	data, err := os.ReadFile(path) //nolint:gosec // a file of the user's repository
	if err != nil {
		return File{}, fmt.Errorf("read the application's name: %w", err)
	}
	documents, err := manifest.Parse(shown, data)
	if err != nil {
		return File{}, err
	}
	if len(documents) != 1 {
		return File{}, manifest.Problems{{
			File: shown, Line: 1, Column: 1, Message: "expected the fields application and team",
			Hint: "delete the file and run `nestor init`",
		}}
	}
	var file File
	if err := documents[0].Decode(&file); err != nil {
		return File{}, err
	}
	var problems manifest.Problems
	for _, f := range []struct{ field, value string }{{"application", file.Application}, {"team", file.Team}} {
		if message := CheckName(f.value); message != "" {
			problems = append(problems, documents[0].Problem(f.field, message, "such as "+Name(f.value)))
		}
	}
	return file, problems.OrNil()
}

// CheckName returns what is wrong with the name of an application or a team;
// nothing is wrong with a DNS label.
func CheckName(name string) string {
	switch {
	case name == "":
		return "a name is missing"
	case len(name) > 63:
		return "a name has at most 63 characters"
	case name != Name(name):
		return fmt.Sprintf("%q is not a DNS label: lower-case letters, digits and inner dashes", name)
	default:
		return ""
	}
}

// Name makes a DNS label of any text, such as a directory's name.
func Name(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if s := b.String(); s != "" && !strings.HasSuffix(s, "-") {
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "-")
	if len(name) > 63 {
		name = strings.Trim(name[:63], "-")
	}
	if name == "" {
		return "app"
	}
	return name
}

// ErrNoApplication says that there is no application file yet.
var ErrNoApplication = errors.New("there is no " + annotation.Path)

// Application reads the application file of the project. It fails with
// ErrNoApplication when there is none.
func (p Project) Application() (composer.Application, error) {
	data, err := os.ReadFile(filepath.Join(p.Root, filepath.FromSlash(annotation.Path)))
	if errors.Is(err, fs.ErrNotExist) {
		return composer.Application{}, ErrNoApplication
	}
	if err != nil {
		return composer.Application{}, fmt.Errorf("read the application: %w", err)
	}
	return annotation.Read(data)
}

// Stale scans the project again and returns how the application file differs
// from what the annotations and nestor.yaml say now; empty when it does not.
func (p Project) Stale(ctx context.Context, app composer.Application) (difference string, err error) {
	result, err := annotation.Scan(ctx, p.Root, annotation.Options{})
	if err != nil {
		return "", err
	}
	now := app
	now.Spec.Claims = result.Claims
	if p.Named {
		now.Metadata.Name, now.Metadata.Team = p.File.Application, p.File.Team
	}
	_, difference, err = annotation.Stale(p.Root, now)
	return difference, err
}
