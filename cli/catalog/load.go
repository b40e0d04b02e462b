// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"os"
	"slices"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/source"
	"github.com/HatiCode/nestor/internal/manifest"
)

// item is a definition with the files it needs, as it was found on disk.
type item struct {
	document   source.Document
	definition catalog.Definition
	bundle     bundle.Bundle
}

// load reads and checks all definitions below the paths, and reports what is
// wrong with any of them at once.
func load(f *cli.Factory, paths []string) ([]item, error) {
	loader := source.Loader{Kind: catalog.Kind, APIVersion: catalog.APIVersion, Stdin: f.IO.In, Dir: f.Dir, Modules: modulesOf}
	documents, err := loader.Load(paths)
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 {
		return nil, cli.Errorf("a definition begins with \"apiVersion: "+catalog.APIVersion+"\" and \"kind: "+catalog.Kind+"\"",
			"there is no definition in what was given")
	}
	var problems manifest.Problems
	items := make([]item, 0, len(documents))
	for _, document := range documents {
		found, err := check(document)
		var list manifest.Problems
		if errors.As(err, &list) {
			problems = append(problems, list...)
		} else if err != nil {
			return nil, err
		}
		items = append(items, found)
	}
	problems = append(problems, twice(items)...)
	return items, problems.OrNil()
}

func check(document source.Document) (item, error) {
	definitions, err := catalog.ParseDefinitions(document.File, []byte(document.Text))
	if err != nil {
		return item{}, err
	}
	definition := definitions[0]
	packed, err := bundle.Pack(os.DirFS(document.Dir), modules(definition))
	if err != nil {
		return item{}, place(document, "spec.implementations", err.Error())
	}
	return item{document: document, definition: definition, bundle: packed}, nil
}

// place makes a problem of something that is wrong beside the file.
func place(document source.Document, path, message string) error {
	parsed, err := manifest.Parse(document.File, []byte(document.Text))
	if err != nil {
		return err
	}
	return manifest.Problems{parsed[0].Problem(path, message, "")}
}

// twice finds definitions that are in what was given more than once.
func twice(items []item) manifest.Problems {
	var problems manifest.Problems
	first := map[string]string{}
	for _, i := range items {
		ref := i.definition.Ref()
		if i.definition.Metadata.Name == "" {
			continue // it could not be read
		}
		if where, again := first[ref]; again && where != i.document.File {
			problems = append(problems, manifest.Problem{
				File: i.document.File, Message: ref + " is in " + where + " too", Hint: "give one of them another name or version",
			})
		}
		first[ref] = i.document.File
	}
	return problems
}

func modules(d catalog.Definition) []string {
	var dirs []string
	for _, implementation := range d.Spec.Implementations {
		dirs = append(dirs, implementation.Modules()...)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// modulesOf names the modules of a document, as far as it can be read.
func modulesOf(document source.Document) []string {
	definitions, err := catalog.ParseDefinitions(document.File, []byte(document.Text))
	if err != nil {
		return nil // check reports it
	}
	return modules(definitions[0])
}

// request is the item as the API takes it.
func (i item) request() client.DefinitionSource {
	body := client.DefinitionSource{File: i.document.File, Definition: i.document.Text}
	for _, file := range i.bundle.Files() {
		body.Files = append(body.Files, client.SourceFile{Path: file.Path, Content: file.Data, Executable: file.Executable})
	}
	return body
}
