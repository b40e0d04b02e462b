// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/expand"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/internal/suggest"
)

// implementationCheck reports what is wrong with what an implementation says to
// its engine.
type implementationCheck struct {
	engine string
	at     string // the implementation's path
	impl   Implementation
	spec   Spec
	report Report
}

// run checks what the engine needs. Engines that are not named here have no
// rules of their own.
func (c implementationCheck) run() {
	switch c.engine {
	case "terraform":
		c.needModule("a Terraform module")
		for _, name := range slices.Sorted(maps.Keys(c.impl.Settings)) {
			c.report(c.at+".settings."+name, fmt.Sprintf("there is no setting %q; Terraform has none", name), "remove it; a module's variables are inputs")
		}
		c.identity(terraformAddress, `write an address inside the module, such as aws_s3_bucket.this`)
	case "pulumi":
		c.needModule("a Pulumi program")
		c.identity(pulumiAddress, `write "type::name", such as aws:s3/bucket:Bucket::this`)
		c.pulumi()
	case "helm":
		c.noIdentity("Helm")
		c.helm()
	case "crossplane":
		if c.impl.Module != "" {
			c.report(c.at+".module", "Crossplane takes no module", "what it makes is settings.object")
		}
		c.noIdentity("Crossplane")
		c.crossplane()
	}
}

func (c implementationCheck) needModule(what string) {
	if c.impl.Module == "" {
		c.report(c.at+".module", "missing, expected the directory of "+what, "put it beside the definition's file")
	}
}

var (
	terraformAddress = regexp.MustCompile(`^(module\.[A-Za-z_][A-Za-z0-9_-]*(\[[^\]]+\])?\.)*[A-Za-z_][A-Za-z0-9_-]*\.[A-Za-z_][A-Za-z0-9_-]*(\[[^\]]+\])?$`)
	pulumiAddress    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./:-]*[A-Za-z0-9_]::[^:].*$`)
)

func (c implementationCheck) noIdentity(engine string) {
	if len(c.impl.Identity) > 0 {
		c.report(c.at+".identity", engine+" names what it makes beforehand and takes no identity", "remove it")
	}
}

// identity checks addresses and the templates of their ids, which end up in
// places where a secret must not be.
func (c implementationCheck) identity(address *regexp.Regexp, hint string) {
	for _, name := range slices.Sorted(maps.Keys(c.impl.Identity)) {
		here, template := manifest.Member(c.at+".identity", name), c.impl.Identity[name]
		if !address.MatchString(name) || strings.HasPrefix(name, "data.") {
			c.report(here, quote(name)+" is no address of a resource", hint)
		}
		if template == "" {
			c.report(here, "missing, expected the id by which the engine imports it", "such as \"${inputs.name}\"")
			continue
		}
		c.template(here, template, publicInputs)
	}
}

func (c implementationCheck) helm() {
	at := c.at + ".settings"
	s, ok := settingsOf[HelmSettings](c)
	if !ok {
		return
	}
	c.chart(at, s)
	for _, named := range [][2]string{{"cluster", s.Cluster}, {"namespace", s.Namespace}, {"release", s.Release}} {
		c.template(at+"."+named[0], named[1], publicInputs)
	}
	c.template(at+".values", s.Values, anyInputs)
	c.outputs(at, s.Outputs, true)
}

// chart checks where a chart comes from.
func (c implementationCheck) chart(at string, s HelmSettings) {
	oci, module := strings.HasPrefix(s.Chart, "oci://"), c.impl.Module != ""
	switch {
	case module && s.Chart != "":
		c.report(at+".chart", "the chart is in module "+quote(c.impl.Module)+" already", "remove one of them")
		return
	case !module && s.Chart == "":
		c.report(c.at, "missing, expected a chart", "name a chart's directory as module, or settings.chart with a version")
	}
	switch {
	case s.Chart == "":
		for _, named := range [][2]string{{"repository", s.Repository}, {"version", s.Version}} {
			if named[1] != "" {
				c.report(at+"."+named[0], "there is no settings.chart that it could be about", "remove it")
			}
		}
		return
	case s.Version == "":
		c.report(at+".version", "missing, expected the chart's version", "name it exactly, such as \"1.2.3\": another day must give the same chart")
	}
	switch {
	case oci && s.Repository != "":
		c.report(at+".repository", "the chart names its registry already", "remove it")
	case !oci && strings.Contains(s.Chart, "://"):
		c.report(at+".chart", quote(s.Chart)+" is no chart", "write oci://host/path/name, or a name and the URL of its repository")
	case !oci && s.Repository == "":
		c.report(at+".repository", "missing, expected the URL of the repository that has the chart", "or write the chart as oci://host/path/name")
	case !oci && !strings.HasPrefix(s.Repository, "https://") && !strings.HasPrefix(s.Repository, "http://"):
		c.report(at+".repository", quote(s.Repository)+" is no URL of a chart repository", "write https://…; a registry goes into chart, as oci://host/path/name")
	}
}

func (c implementationCheck) crossplane() {
	at := c.at + ".settings"
	s, ok := settingsOf[CrossplaneSettings](c)
	if !ok {
		return
	}
	if s.Object == nil {
		c.report(at+".object", "missing, expected a claim, a composite or a managed resource", "give it apiVersion, kind and spec")
	} else {
		for _, name := range []string{"apiVersion", "kind"} {
			if text, isText := s.Object[name].(string); !isText || text == "" || strings.Contains(text, "${") {
				c.report(at+".object."+name, "missing, expected the object's "+name, "write it out; it is no template")
			}
		}
	}
	c.template(at+".object", s.Object, anyInputs)
	for _, named := range [][2]string{{"cluster", s.Cluster}, {"namespace", s.Namespace}} {
		c.template(at+"."+named[0], named[1], publicInputs)
	}
	c.outputs(at, s.Outputs, false)
}

func (c implementationCheck) pulumi() {
	at := c.at + ".settings"
	s, ok := settingsOf[PulumiSettings](c)
	if !ok {
		return
	}
	c.template(at+".config", s.Config, anyInputs)
	for _, name := range slices.Sorted(maps.Keys(s.Plugins)) {
		if s.Plugins[name] == "" {
			c.report(manifest.Member(at+".plugins", name), "missing, expected the plugin's version", `such as "7.1.0"`)
		}
	}
}

// outputs checks where outputs come from. Helm has nothing to take one from
// that is not listed, nor an object or a secret of its own.
func (c implementationCheck) outputs(at string, outputs map[string]ObjectOutput, helm bool) {
	declared := make([]string, len(c.spec.Outputs))
	for i, o := range c.spec.Outputs {
		declared[i] = o.Name
		if _, given := outputs[o.Name]; helm && !given {
			c.report(at+".outputs", "nothing gives the output "+quote(o.Name), "say where it comes from, or remove it from spec.outputs")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		here, o := manifest.Member(at+".outputs", name), outputs[name]
		if !slices.Contains(declared, name) {
			hint := "declare it under spec.outputs"
			if near, ok := suggest.Nearest(name, declared); ok {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			c.report(here, "the definition has no output "+quote(name), hint)
			continue
		}
		c.output(here, o, helm)
	}
}

func (c implementationCheck) output(at string, o ObjectOutput, helm bool) {
	sources := 0
	for _, set := range []bool{o.Value != nil, o.Path != "", o.SecretKey != ""} {
		if set {
			sources++
		}
	}
	switch {
	case sources != 1 && helm:
		c.report(at, "expected exactly one of value and path", "")
	case sources != 1:
		c.report(at, "expected exactly one of value, path and secretKey", "")
	case helm && o.SecretKey != "":
		c.report(at+".secretKey", "Helm has no connection secret", "name the secret as object, and a path such as {.data.password} with base64: true")
	case helm && o.Path != "" && o.Object == nil:
		c.report(at+".object", "missing, expected the object that the path is in", "give it apiVersion, kind and name")
	case o.Object != nil && o.Path == "":
		c.report(at+".path", "missing, expected a field of the object", "write a JSONPath such as {.status.endpoint}")
	case o.Base64 && o.Path == "":
		c.report(at+".base64", "only what a path has found is decoded", "remove it")
	}
	own := []string{"release.name", "release.namespace"}
	if !helm {
		own = []string{"object.name", "object.namespace"}
	}
	c.template(at+".value", o.Value, anyInputs, own...)
	if o.Object == nil {
		return
	}
	for _, named := range [][2]string{{"apiVersion", o.Object.APIVersion}, {"kind", o.Object.Kind}, {"name", o.Object.Name}} {
		if named[1] == "" {
			c.report(at+".object."+named[0], "missing, expected the object's "+named[0], "")
		}
	}
	c.template(at+".object.name", o.Object.Name, publicInputs, own...)
	c.template(at+".object.namespace", o.Object.Namespace, publicInputs, own...)
}

// inputsAllowed says which inputs a template may use.
type inputsAllowed bool

const (
	anyInputs    inputsAllowed = false
	publicInputs inputsAllowed = true // what is shown holds no secret
)

// template checks every string in v: that it parses, and that what it refers to
// exists.
func (c implementationCheck) template(at string, v any, allowed inputsAllowed, own ...string) {
	switch t := v.(type) {
	case string:
		references, err := expand.References(t)
		if err != nil {
			c.report(at, err.Error(), "")
		}
		for _, r := range references {
			c.reference(at, r, allowed, own)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(t)) {
			c.template(manifest.Member(at, key), t[key], allowed, own...)
		}
	case []any:
		for i, element := range t {
			c.template(manifest.Index(at, i), element, allowed, own...)
		}
	}
}

func (c implementationCheck) reference(at, reference string, allowed inputsAllowed, own []string) {
	if slices.Contains(own, reference) {
		return
	}
	known := slices.Clone(own)
	for _, in := range c.spec.Inputs {
		name := "inputs." + in.Name
		if name != reference {
			known = append(known, name)
			continue
		}
		if in.Sensitive && allowed == publicInputs {
			c.report(at, fmt.Sprintf("input %s is sensitive, and this is shown and stored in clear", quote(in.Name)), "use an input that is not")
		}
		return
	}
	hint := "inputs are written ${inputs.<name>}, and declared under spec.inputs"
	if near, ok := suggest.Nearest(reference, known); ok {
		hint = fmt.Sprintf("did you mean \"${%s}\"?", near)
	}
	c.report(at, fmt.Sprintf("\"${%s}\" names nothing that is known here", reference), hint)
}
