// SPDX-License-Identifier: Apache-2.0

package annotation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/internal/secretref"
	"github.com/HatiCode/nestor/internal/suggest"
)

// Known is a composition that claims may name.
type Known struct {
	Name string
	// Team owns it, and the secrets that its sensitive parameters may name.
	Team string
	// Params is its schema. Without one its templates decide which parameters
	// it takes, and none is checked here.
	Params []catalog.Field
}

// Check compares claims with the compositions of their team: whether these
// exist, have such parameters, and take such values. A sensitive parameter must
// be a reference to a secret, since what is generated is committed; no problem
// repeats its value. A required parameter must be given for
// all environments or for one at least (whether that is enough is decided when a
// release is made, where the environments are known). The problems are sorted;
// nil means that all is well.
//
// Without Columns, as for claims that were read from an application file,
// problems are placed at the first column.
func Check(result Result, compositions []Known) manifest.Problems {
	c := checker{known: map[string]Known{}}
	for _, k := range compositions {
		c.known[k.Name] = k
		c.names = append(c.names, k.Name)
	}
	slices.Sort(c.names)
	for i, claim := range result.Claims {
		c.claim, c.columns = claim, Columns{Composition: 1}
		if i < len(result.Columns) {
			c.columns = result.Columns[i]
		}
		c.check()
	}
	return c.problems.Sorted()
}

type checker struct {
	known    map[string]Known
	names    []string
	claim    composer.Claim
	columns  Columns
	problems manifest.Problems
}

func (c *checker) check() {
	known, ok := c.known[c.claim.Composition]
	if !ok {
		c.fail(c.columns.Composition, fmt.Sprintf("there is no composition %q", c.claim.Composition),
			meant(c.claim.Composition, c.names, "the team has no composition", "the team has"))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.claim.Parameters)) {
		c.parameter(known, name, name, c.claim.Parameters[name])
	}
	for _, environment := range slices.Sorted(maps.Keys(c.claim.Environments)) {
		values := c.claim.Environments[environment]
		for _, name := range slices.Sorted(maps.Keys(values)) {
			c.parameter(known, environment+"."+name, name, values[name])
		}
	}
	for _, field := range known.Params {
		if field.Required && field.Default == nil && !c.given(field.Name) {
			c.fail(c.columns.Composition, fmt.Sprintf("%s needs the parameter %q", known.Name, field.Name),
				fmt.Sprintf("add %s=<%s>", field.Name, field.Type))
		}
	}
}

// given says whether a parameter has a value in some environment.
func (c *checker) given(name string) bool {
	if _, ok := c.claim.Parameters[name]; ok {
		return true
	}
	for _, values := range c.claim.Environments {
		if _, ok := values[name]; ok {
			return true
		}
	}
	return false
}

// parameter checks one value; key is how the annotation writes its name.
func (c *checker) parameter(known Known, key, name, value string) {
	if len(known.Params) == 0 {
		return
	}
	i := slices.IndexFunc(known.Params, func(f catalog.Field) bool { return f.Name == name })
	if i < 0 {
		names := make([]string, 0, len(known.Params))
		for _, f := range known.Params {
			names = append(names, f.Name)
		}
		slices.Sort(names)
		c.fail(c.column(key), fmt.Sprintf("%s has no parameter %q", known.Name, name), meant(name, names, "", "it has"))
		return
	}
	if known.Params[i].Sensitive {
		c.sensitive(known.Team, key, name, value)
		return
	}
	typed, err := catalog.Coerce(known.Params[i], value)
	if err == nil {
		err = catalog.CheckValue(known.Params[i], typed)
	}
	if err != nil {
		c.fail(c.column(key), err.Error(), "")
	}
}

// sensitive checks that a value names a secret of the team. What is behind it
// is checked where it is used.
func (c *checker) sensitive(team, key, name, value string) {
	if !strings.HasPrefix(value, secretref.Scheme) {
		c.fail(c.column(key), fmt.Sprintf("the sensitive parameter %q cannot be given in clear", name), "write "+secretref.Forms(team))
		return
	}
	_, err := secretref.Parse(team, value)
	var wrong *secretref.Error
	switch {
	case errors.As(err, &wrong):
		c.fail(c.column(key), name+": "+wrong.Message, wrong.Hint)
	case err != nil:
		c.fail(c.column(key), name+": "+err.Error(), "")
	}
}

func (c *checker) column(key string) int {
	if column, ok := c.columns.Keys[key]; ok {
		return column
	}
	return 1
}

func (c *checker) fail(column int, message, hint string) {
	c.problems = append(c.problems, manifest.Problem{
		File: c.claim.File, Line: c.claim.Line, Column: column, Message: message, Hint: hint,
	})
}

// maxListed bounds the names that a hint lists.
const maxListed = 10

// meant is the hint for a name that does not exist.
func meant(word string, names []string, none, some string) string {
	if len(names) == 0 {
		return none
	}
	if nearest, ok := suggest.Nearest(word, names); ok {
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	if more := len(names) - maxListed; more > 0 {
		return fmt.Sprintf("%s %s and %d more", some, strings.Join(names[:maxListed], ", "), more)
	}
	return some + " " + strings.Join(names, ", ")
}
