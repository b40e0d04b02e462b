// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/internal/suggest"
	"github.com/HatiCode/nestor/store"
)

// maxTimeout is more than any attempt takes; a larger one is a slip.
const maxTimeout = Duration(24 * time.Hour)

// maxVersion bounds the text of a version.
const maxVersion = 64

// Report takes one problem: the path of the field, what was expected, and the
// cure (which may be empty).
type Report func(path, message, hint string)

// KnownEngines lists the engine names a definition may use. "fake" is for
// tests.
func KnownEngines() []string {
	return []string{"crossplane", "fake", "helm", "pulumi", "terraform"}
}

// Validate reports everything that is wrong with a definition, as
// manifest.Problems without places. ParseDefinitions does the same with places.
func Validate(d Definition) error {
	var problems manifest.Problems
	validate(d.Normalize(), func(path, message, hint string) {
		problems = append(problems, manifest.Problem{Field: path, Message: message, Hint: hint})
	})
	return problems.OrNil()
}

func validate(d Definition, report Report) {
	if d.APIVersion != APIVersion {
		report("apiVersion", expected(APIVersion, d.APIVersion), "")
	}
	if d.Kind != Kind {
		report("kind", expected(Kind, d.Kind), "")
	}
	checkLabel(report, "metadata.name", "definition", d.Metadata.Name)
	checkVersion(report, d.Metadata.Version)
	checkLabel(report, "spec.provider", "provider", d.Spec.Provider)
	checkLabel(report, "spec.category", "category", d.Spec.Category)
	checkLabel(report, "spec.resourceType", "resource type", d.Spec.ResourceType)
	checkEngines(report, d.Spec.Engines)
	CheckFields("spec.inputs", d.Spec.Inputs, report)
	CheckOutputFields("spec.outputs", d.Spec.Outputs, report)
	for _, engine := range slices.Sorted(maps.Keys(d.Spec.Implementations)) {
		checkImplementation(report, d, engine)
		checkSnapshot(report, d, engine)
	}
	checkOneOf(report, "spec.rollback", string(d.Spec.Rollback), classNames()...)
	checkOneOf(report, "spec.deletionPolicy", string(d.Spec.DeletionPolicy), string(DeletePolicy), string(RetainPolicy))
	checkTimeout(report, "spec.timeouts.apply", d.Spec.Timeouts.Apply)
	checkTimeout(report, "spec.timeouts.destroy", d.Spec.Timeouts.Destroy)
	checkSize(report, d)
}

func classNames() []string {
	var names []string
	for _, class := range RollbackClasses() {
		names = append(names, string(class))
	}
	return names
}

// maxDefinition leaves room in a store's document for what a published version
// adds to its definition.
const maxDefinition = store.MaxDocumentBytes - 8<<10

func checkSize(report Report, d Definition) {
	if _, err := canonical.JSON(d); err != nil {
		report("spec", err.Error(), "")
		return
	}
	text, err := json.Marshal(d)
	switch {
	case err != nil:
		report("spec", err.Error(), "")
	case len(text) > maxDefinition:
		report("spec", fmt.Sprintf("the definition takes %d bytes, more than the %d that can be stored", len(text), maxDefinition), "move content into the module's files")
	}
}

func expected(want, found string) string {
	if found == "" {
		return fmt.Sprintf("missing, expected %q", want)
	}
	return fmt.Sprintf("expected %q, found %s", want, quote(found))
}

func checkLabel(report Report, path, kind, s string) {
	switch err := CheckName(kind, s); {
	case err == nil:
	case s == "":
		report(path, "missing, expected the name of the "+kind, nameRule)
	default:
		report(path, fmt.Sprintf("%s name %s is not a DNS label", kind, quote(s)), nameRule)
	}
}

func checkVersion(report Report, version string) {
	const at, rule = "metadata.version", `write a semantic version such as "1.0.0"`
	if version == "" {
		report(at, "missing, expected a semantic version", rule)
		return
	}
	parsed, err := semver.StrictNewVersion(version)
	switch {
	case len(version) > maxVersion:
		report(at, fmt.Sprintf("version has more than %d characters", maxVersion), rule)
	case err == nil && parsed.Metadata() != "":
		report(at, fmt.Sprintf("version %s has build metadata, which does not tell versions apart", quote(version)),
			fmt.Sprintf("write %q", strings.TrimSuffix(version, "+"+parsed.Metadata())))
	case err == nil:
	default:
		hint := rule
		if loose, looseErr := semver.NewVersion(version); looseErr == nil {
			hint = fmt.Sprintf("write %q", loose.String())
		}
		report(at, quote(version)+" is not a semantic version", hint)
	}
}

func checkEngines(report Report, engines []string) {
	known := KnownEngines()
	if len(engines) == 0 {
		report("spec.engines", "missing, expected at least one engine", "known: "+strings.Join(known, ", "))
	}
	for i, engine := range engines {
		at := manifest.Index("spec.engines", i)
		switch {
		case slices.Index(engines, engine) < i:
			report(at, fmt.Sprintf("engine %s is listed twice", quote(engine)), "remove one of them")
		case !slices.Contains(known, engine):
			report(at, "unknown engine "+quote(engine), engineHint(engine, known))
		}
	}
}

func engineHint(engine string, known []string) string {
	switch strings.ToLower(engine) {
	case "opentofu", "tofu":
		return `write "terraform"; it stands for OpenTofu too`
	}
	if nearest, ok := suggest.Nearest(engine, known); ok {
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	return "known: " + strings.Join(known, ", ")
}

// moduleName is what an engine may call an input or output: a Terraform
// variable, a Helm value's path, a field's path.
var moduleName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.\[\]-]{0,252}$`)

func checkImplementation(report Report, d Definition, engine string) {
	at := manifest.Member("spec.implementations", engine)
	implementation := d.Spec.Implementations[engine]
	if !slices.Contains(d.Spec.Engines, engine) {
		report(at, fmt.Sprintf("engine %s is not listed under spec.engines", quote(engine)), "list it there, or remove this block")
	}
	if message, hint := checkModule(implementation.Module); message != "" {
		report(at+".module", message, hint)
	}
	checkMapping(report, at+".inputs", "input", implementation.Inputs, d.Spec.Inputs, true)
	checkMapping(report, at+".outputs", "output", implementation.Outputs, d.Spec.Outputs, false)
	implementationCheck{engine: engine, at: at, impl: implementation, spec: d.Spec, report: report}.run()
}

func checkModule(module string) (message, hint string) {
	const rule = "a module is a directory beside the definition"
	switch {
	case module == "":
		return "", ""
	case strings.Contains(module, `\`):
		return fmt.Sprintf("module %s has a backslash", quote(module)), "separate directories by /"
	case path.IsAbs(module), len(module) > 1 && module[1] == ':':
		return fmt.Sprintf("module %s is an absolute path", quote(module)), rule
	case slices.Contains(strings.Split(module, "/"), ".."):
		return fmt.Sprintf("module %s leaves the definition's directory", quote(module)), rule
	case path.Clean(module) == ".":
		return "the module is the definition's own directory", "move the module's files into a directory of their own"
	case !fs.ValidPath(module):
		return fmt.Sprintf("module %s is not in its shortest form", quote(module)), fmt.Sprintf("write %q", path.Clean(module))
	default:
		return "", ""
	}
}

// checkMapping looks at the names that an implementation gives to fields: both
// sides must exist, and no two fields may meet under one name.
func checkMapping(report Report, at, kind string, mapping map[string]string, fields []Field, canOmit bool) {
	names := make([]string, len(fields))
	taken := map[string]string{}
	for i, f := range fields {
		names[i] = f.Name
		if _, mapped := mapping[f.Name]; !mapped {
			taken[f.Name] = f.Name
		}
	}
	for _, from := range slices.Sorted(maps.Keys(mapping)) {
		to, here := mapping[from], manifest.Member(at, from)
		if !slices.Contains(names, from) {
			hint := "declare it under spec." + kind + "s"
			if nearest, ok := suggest.Nearest(from, names); ok {
				hint = fmt.Sprintf("did you mean %q?", nearest)
			}
			report(here, fmt.Sprintf("the definition has no %s %s", kind, quote(from)), hint)
			continue
		}
		switch other, twice := taken[to]; {
		case to == "" && canOmit:
		case to == "":
			report(here, "expected the module's name of the "+kind, "")
		case !moduleName.MatchString(to):
			report(here, fmt.Sprintf("%s cannot be the name of a module's %s", quote(to), kind), "use letters, digits, _, -, and . or [] for a path")
		case twice && canOmit:
			report(here, fmt.Sprintf("%s %s and %s both go to %s", kind, quote(from), quote(other), quote(to)), "give each a name of its own")
		default:
			taken[to] = from
		}
	}
}

func checkOneOf(report Report, at, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	report(at, fmt.Sprintf("unknown value %s, expected one of %s", quote(value), strings.Join(allowed, ", ")), didYouMean(value, allowed))
}

func didYouMean(value string, allowed []string) string {
	if nearest, ok := suggest.Nearest(value, allowed); ok {
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	return ""
}

func checkTimeout(report Report, at string, d Duration) {
	if d < 0 || d > maxTimeout {
		report(at, fmt.Sprintf("timeout %s is not between 0s and 24h", time.Duration(d)), `write one such as "30m"`)
	}
}

// finite says whether a bound can be compared with.
func finite(f *float64) bool { return f == nil || !math.IsNaN(*f) && !math.IsInf(*f, 0) }

// reportValue reports a value's error under the path of the value.
func reportValue(report Report, path string, err error) {
	var v *ValueError
	if errors.As(err, &v) {
		report(path, "value "+v.Value+" "+v.Rule, v.Hint)
		return
	}
	report(path, err.Error(), "")
}
