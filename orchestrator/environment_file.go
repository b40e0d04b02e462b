// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/internal/secretref"
	"github.com/HatiCode/nestor/internal/suggest"
)

// maxApprovals bounds EnvironmentSpec.Approvals.Required.
const maxApprovals = 20

// ParseEnvironments reads a file of one or more environments and checks each by
// itself: whether what it comes after exists is the registry's to say. It
// returns them in order. The name file is only for messages; an error is
// manifest.Problems with everything that is wrong in the whole file.
func ParseEnvironments(file string, data []byte) ([]Environment, error) {
	documents, err := manifest.Parse(file, data)
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 {
		return nil, manifest.Problems{{
			File: file, Line: 1, Column: 1, Message: "the file holds no " + KindEnvironment,
			Hint: fmt.Sprintf("begin with \"apiVersion: %s\" and \"kind: %s\"", APIVersion, KindEnvironment),
		}}
	}
	var problems manifest.Problems
	environments := make([]Environment, 0, len(documents))
	seen := map[string]bool{}
	for _, document := range documents {
		e, found := parseEnvironment(document)
		name := e.Metadata.Name
		if len(found) == 0 && seen[name] {
			found = manifest.Problems{document.Problem("metadata.name",
				fmt.Sprintf("environment %q is in this file already", name), "give it another name")}
		}
		seen[name] = true
		problems = append(problems, found...)
		environments = append(environments, e)
	}
	if err := problems.OrNil(); err != nil {
		return nil, err
	}
	return environments, nil
}

func parseEnvironment(document *manifest.Document) (Environment, manifest.Problems) {
	var e Environment
	if kind := document.Kind(); kind != KindEnvironment {
		// Its fields are another kind's; calling each unknown would help nobody.
		return e, manifest.Problems{document.Problem("kind",
			fmt.Sprintf("expected %s, found %q", KindEnvironment, kind), "")}
	}
	var problems manifest.Problems
	if err := document.Decode(&e); err != nil && !errors.As(err, &problems) {
		return e, manifest.Problems{document.Problem("", err.Error(), "")}
	}
	mistyped := problems
	check := environmentCheck{e: e, report: func(path, message, hint string) {
		if !mistyped.Covers(path) {
			problems = append(problems, document.Problem(path, message, hint))
		}
	}}
	check.run()
	return e, problems
}

// environmentCheck reports what is wrong with an environment.
type environmentCheck struct {
	e      Environment
	report catalog.Report
}

func (c environmentCheck) run() {
	if c.e.APIVersion != APIVersion {
		c.report("apiVersion", fmt.Sprintf("expected %s, found %q", APIVersion, c.e.APIVersion), "")
	}
	if err := catalog.CheckName("environment", c.e.Metadata.Name); err != nil {
		c.report("metadata.name", err.Error(), "")
	}
	if after := c.e.Spec.After; after != "" {
		if err := catalog.CheckName("environment", after); err != nil {
			c.report("spec.after", err.Error(), "")
		} else if after == c.e.Metadata.Name {
			c.report("spec.after", "an environment cannot come after itself", "name the one before it, or leave it out for the first")
		}
	}
	c.providers()
	c.engines()
	c.clusters()
	c.states()
	c.credentials()
	c.variables()
	c.shared()
	c.bounds()
	c.drift()
}

func (c environmentCheck) providers() {
	spec := c.e.Spec
	if spec.Provider == "" {
		c.report("spec.provider", "missing, expected a provider", "name the provider that compositions get, such as aws")
	}
	if len(spec.AllowedProviders) > 0 && spec.Provider != "" && !slices.Contains(spec.AllowedProviders, spec.Provider) {
		c.report("spec.allowedProviders", fmt.Sprintf("%q, the environment's own provider, is not in it", spec.Provider), "add it")
	}
	if len(spec.AllowedRegions) > 0 && spec.Region != "" && !slices.Contains(spec.AllowedRegions, spec.Region) {
		c.report("spec.allowedRegions", fmt.Sprintf("%q, the environment's own region, is not in it", spec.Region), "add it")
	}
}

func (c environmentCheck) engines() {
	known, offered := catalog.KnownEngines(), OfferedEngines()
	if len(c.e.Spec.Engines) == 0 {
		c.report("spec.engines", "missing, expected at least one engine", "known: "+strings.Join(offered, ", "))
	}
	for i, engine := range c.e.Spec.Engines {
		at := manifest.Index("spec.engines", i)
		switch {
		case !slices.Contains(known, engine):
			hint := "known: " + strings.Join(offered, ", ")
			if near, ok := suggest.Nearest(engine, offered); ok {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			c.report(at, fmt.Sprintf("engine %q is not known", engine), hint)
		case !slices.Contains(ImplementedEngines(), engine):
			c.report(at, fmt.Sprintf("this version of Nestor has no engine %s yet; it runs %s", engine, strings.Join(offered, ", ")),
				"remove it; definitions may list it already")
		case slices.Index(c.e.Spec.Engines, engine) < i:
			c.report(at, fmt.Sprintf("engine %q is listed already", engine), "remove one of them")
		}
	}
}

// maxVariable bounds the value of a variable, in bytes.
const maxVariable = 4 << 10

// variableName is what a variable of a program may be called.
func variableName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) }

func (c environmentCheck) variables() {
	for _, name := range slices.Sorted(maps.Keys(c.e.Spec.Variables)) {
		at, value := manifest.Member("spec.variables", name), c.e.Spec.Variables[name]
		_, twice := c.e.Spec.Credentials[name]
		switch {
		case !variableName().MatchString(name):
			c.report(at, fmt.Sprintf("%q is no name of an environment variable", name), "use letters, digits and _")
		case twice:
			c.report(at, fmt.Sprintf("%q is among the credentials already", name), "remove one of them")
		case strings.HasPrefix(value, secretref.Scheme):
			c.report(at, "a variable is shown in clear, and this is a reference to a secret", "move it to spec.credentials")
		case len(value) > maxVariable || strings.ContainsRune(value, 0):
			c.report(at, fmt.Sprintf("the value is longer than %d bytes, or holds a zero byte", maxVariable), "")
		}
	}
}

func (c environmentCheck) credentials() {
	variable := variableName()
	for _, name := range slices.Sorted(maps.Keys(c.e.Spec.Credentials)) {
		at := manifest.Member("spec.credentials", name)
		if !variable.MatchString(name) {
			c.report(at, fmt.Sprintf("%q is no name of an environment variable", name), "use letters, digits and _")
		}
		// Its message does not quote the value: somebody may have pasted the
		// secret itself.
		_, err := secretref.Parse(secretref.Platform, c.e.Spec.Credentials[name])
		var wrong *secretref.Error
		if errors.As(err, &wrong) {
			c.report(at, wrong.Message, wrong.Hint+", never the secret itself")
		}
	}
}

func (c environmentCheck) shared() {
	for i, name := range c.e.Spec.Shared {
		team, application, ok := strings.Cut(name, "/")
		if !ok || catalog.CheckName("team", team) != nil || catalog.CheckName("application", application) != nil {
			c.report(manifest.Index("spec.shared", i), fmt.Sprintf("%q is not \"<team>/<application>\"", name), "")
		}
	}
}

func (c environmentCheck) bounds() {
	if n := c.e.Spec.Approvals.Required; n < 0 || n > maxApprovals {
		c.report("spec.approvals.required", fmt.Sprintf("%d is not between 0 and %d", n, maxApprovals), "")
	}
	if n := c.e.Spec.MaxInFlight; n < 0 || n > LimitMaxInFlight {
		c.report("spec.maxInFlight", fmt.Sprintf("%d is not between 0 (the default) and %d", n, LimitMaxInFlight), "")
	}
}
