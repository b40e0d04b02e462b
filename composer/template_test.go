// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// oneValue is a composition in which the input "value" of resource "target"
// (of the given type) is set to a template; "source" gives outputs.
func oneValue(value any) composer.Composition {
	return composer.Composition{
		APIVersion: composer.APIVersion, Kind: composer.KindComposition,
		Metadata: composer.CompositionMetadata{Name: "one", Team: "alpha"},
		Spec: composer.CompositionSpec{Resources: []composer.Resource{
			{Name: "source", CatalogRef: "source"},
			{Name: "my-db", CatalogRef: "source"},
			{Name: "target", CatalogRef: "target", Config: map[string]any{"value": value}},
		}},
	}
}

func targetCatalog(t catalog.Type, sensitive bool) *catalog.Snapshot {
	return catalog.NewSnapshot([]catalog.Published{
		definition("source", "1.0.0", "aws", "source", nil, []catalog.Field{
			str("text"),
			{Name: "count", Type: catalog.TypeInteger},
			{Name: "tree", Type: catalog.TypeMap},
			{Name: "password", Type: catalog.TypeString, Sensitive: true},
		}),
		definition("target", "1.0.0", "aws", "target", []catalog.Field{{Name: "value", Type: t, Sensitive: sensitive}}, nil),
	})
}

// renderOne gives the input's expression; ok is false if it was left out.
func renderOne(t *testing.T, c composer.Composition, snapshot *catalog.Snapshot, parameters map[string]string) (in composer.NodeInput, ok bool, err error) {
	t.Helper()
	input := releaseInput(byName(c), composer.Claim{Instance: "web", Composition: "one", Parameters: parameters, File: "main.go", Line: 3})
	input.Catalog = snapshot
	input.Environments = input.Environments[:1]
	r, err := composer.NewRelease(input)
	if err != nil {
		return composer.NodeInput{}, false, err
	}
	g, err := composer.NewGraph(composer.GraphInput{Release: r, Environment: input.Environments[0], Compositions: byDigest(t, c), Definitions: snapshot})
	if err != nil {
		return composer.NodeInput{}, false, err
	}
	n, found := g.Node("web.target")
	if !found {
		t.Fatal("the graph has no node web.target")
	}
	if len(n.Inputs) == 0 {
		return composer.NodeInput{}, false, nil
	}
	return n.Inputs[0], true, nil
}

func lit(v any) composer.Expression {
	return composer.Expression{Kind: composer.ExprLiteral, Literal: v}
}

func reference(node, output string, t catalog.Type, path ...string) composer.Expression {
	return composer.Expression{Kind: composer.ExprReference, Reference: &composer.Reference{Node: node, Output: output, Type: t, Path: path}}
}

func concat(parts ...composer.Expression) composer.Expression {
	return composer.Expression{Kind: composer.ExprConcat, Parts: parts}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	text := reference("web.source", "text", catalog.TypeString)
	dashed := reference("web.my-db", "text", catalog.TypeString)
	tests := map[string]struct {
		reason     string
		value      any
		typ        catalog.Type // default: string
		parameters map[string]string
		want       composer.Expression
	}{
		"plain":               {reason: "text without templates is itself", value: "a $x ${VAR} {b}", want: lit("a $x ${VAR} {b}")},
		"param":               {reason: "a parameter", value: "{{ .params.size }}", parameters: map[string]string{"size": "big"}, want: lit("big")},
		"typed param":         {reason: "text takes the type of the input it lands in", value: "{{ .params.n }}", typ: catalog.TypeInteger, parameters: map[string]string{"n": "3"}, want: lit(int64(3))},
		"boolean":             {reason: "the same for booleans", value: "{{ eq .env.name \"staging\" }}", typ: catalog.TypeBoolean, want: lit(true)},
		"number into string":  {reason: "a template's number becomes text for a string", value: "{{ add 1 2 }}", want: lit("3")},
		"list from JSON":      {reason: "a parameter can be JSON for a list", value: "{{ .params.l }}", typ: catalog.TypeList, parameters: map[string]string{"l": `["a",1]`}, want: lit([]any{"a", int64(1)})},
		"split":               {reason: "a list stays a list", value: `{{ split "," .params.l }}`, typ: catalog.TypeList, parameters: map[string]string{"l": "a,b"}, want: lit([]any{"a", "b"})},
		"environment":         {reason: "all of .env", value: `{{ .env.name }} {{ .env.provider }} {{ .env.region }} {{ .env.cluster }} {{ .env.labels.tier }}`, want: lit("staging aws us-west-2 main test")},
		"dashed label":        {reason: "a dash in a name needs no index", value: `{{ .env.labels.cost-center }}{{ index .env.labels "cost-center" }}`, want: lit("4242")},
		"names":               {reason: "application, team, instance", value: `{{ .app.name }}.{{ .team }}.{{ .instance }}`, want: lit("shop.alpha.web")},
		"reference":           {reason: "a whole reference is typed", value: "{{ .resources.source.outputs.count }}", typ: catalog.TypeInteger, want: reference("web.source", "count", catalog.TypeInteger)},
		"widened":             {reason: "an integer is a number", value: "{{ .resources.source.outputs.count }}", typ: catalog.TypeNumber, want: reference("web.source", "count", catalog.TypeInteger)},
		"literal reference":   {reason: "the other spelling", value: "${resources.source.outputs.text}", want: text},
		"dashed reference":    {reason: "a dash in a resource's name", value: "{{ .resources.my-db.outputs.text }}", want: dashed},
		"dashed literal":      {reason: "the same in the other spelling", value: "${resources.my-db.outputs.text}", want: dashed},
		"path":                {reason: "a path into a map has no known type", value: "{{ .resources.source.outputs.tree.a.b-c }}", want: reference("web.source", "tree", "", "a", "b-c")},
		"inside text":         {reason: "text around references", value: "x{{ .resources.source.outputs.text }}:${resources.my-db.outputs.text}y", want: concat(lit("x"), text, lit(":"), dashed, lit("y"))},
		"params beside":       {reason: "known pieces join", value: "{{ .params.a }}-{{ .params.b }}{{ .resources.source.outputs.text }}", parameters: map[string]string{"a": "1", "b": "2"}, want: concat(lit("1-2"), text)},
		"printf":              {reason: "printf hands references on", value: `{{ printf "%s:%d%%" .resources.source.outputs.text .resources.source.outputs.count }}`, want: concat(text, lit(":"), reference("web.source", "count", catalog.TypeInteger), lit("%"))},
		"join":                {reason: "join hands references on", value: `{{ list "a" .resources.source.outputs.text | join "," }}`, want: concat(lit("a,"), text)},
		"list of references":  {reason: "a list may hold references", value: `{{ list "a" .resources.source.outputs.text }}`, typ: catalog.TypeList, want: composer.Expression{Kind: composer.ExprList, Parts: []composer.Expression{lit("a"), text}}},
		"variable":            {reason: "a reference through a variable", value: `{{ $x := .resources.source.outputs.text }}{{ $x }}`, want: text},
		"default reference":   {reason: "a reference counts as given", value: `{{ default "x" .resources.source.outputs.text }}`, want: text},
		"chosen":              {reason: "a condition on what is known", value: `{{ if eq .env.name "staging" }}{{ .resources.source.outputs.text }}{{ else }}none{{ end }}`, want: text},
		"with":                {reason: "with moves the dot, references do not care", value: `{{ with .env }}{{ .name }}{{ $.resources.my-db.outputs.text }}{{ end }}`, want: concat(lit("staging"), dashed)},
		"range":               {reason: "a loop", value: `{{ range $i, $x := split "," "a,b" }}{{ $i }}{{ $x }}{{ end }}{{ range 3 }}.{{ end }}`, want: lit("0a1b...")},
		"nested":              {reason: "maps and lists are rendered deeply", value: map[string]any{"a": []any{"{{ .params.x }}", int64(1)}, "b": "{{ .resources.source.outputs.text }}"}, typ: catalog.TypeMap, parameters: map[string]string{"x": "y"}, want: composer.Expression{Kind: composer.ExprMap, Fields: map[string]composer.Expression{"a": lit([]any{"y", int64(1)}), "b": text}}},
		"functions":           {reason: "text functions", value: `{{ "  Ab " | trim | lower | upper | replace "A" "x" | quote }}{{ trunc 2 "abc" }}{{ trimPrefix "v" "v1" }}{{ trimSuffix "x" "1x" }}`, want: lit(`"xB"ab11`)},
		"comparisons":         {reason: "numbers, strings and several", value: `{{ lt 1 2 }}{{ ge 2 3 }}{{ ne "a" "b" }}{{ eq "a" "b" "a" }}{{ and true false }}{{ or "" "x" }}{{ not 0 }}`, want: lit("truefalsetruetruefalsextrue")},
		"int":                 {reason: "text of digits", value: `{{ if gt (int .params.n) 2 }}many{{ end }}{{ sub 5 .params.n }}{{ len "äb" }}`, parameters: map[string]string{"n": "3"}, want: lit("many22")},
		"json":                {reason: "documents inside text", value: `{{ toJson (list "a<" 1) }}`, want: lit(`["a<",1]`)},
		"default":             {reason: "an optional parameter without a schema", value: `{{ default "x" .params.size }}`, want: lit("x")},
		"escaped":             {reason: "two dollars make one", value: `$${resources.source.outputs.text}`, want: lit("${resources.source.outputs.text}")},
		"escaped braces":      {reason: "braces from a string", value: `{{ "{{" }}x`, want: lit("{{x")},
		"comment":             {reason: "a comment, even with a dash and a quote", value: `a{{- /* isn't .x-y */ -}} b`, want: lit("ab")},
		"quoted dots":         {reason: "what looks like a reference inside a string is text", value: `{{ ".resources.x.outputs.y ${resources.z}" }}`, want: lit(".resources.x.outputs.y ${resources.z}")},
		"trim marker":         {reason: "a dash of a trim marker belongs to no name", value: `a {{- .env.name -}} b`, want: lit("astagingb")},
		"else if":             {reason: "many conditions are no nesting", value: strings.Repeat(`{{ if false }}{{ else if false }}{{ else if true }}x{{ end }}`, 40), want: lit(strings.Repeat("x", 40))},
		"parameter is data":   {reason: "no template, no reference and no secret comes out of a parameter", value: `{{ .params.x }}`, parameters: map[string]string{"x": `{{ .team }}${resources.source.outputs.text}`}, want: lit(`{{ .team }}${resources.source.outputs.text}`)},
		"parameter in text":   {reason: "inside text neither", value: `a{{ .params.x }}b`, parameters: map[string]string{"x": "{{ .team }}${resources.a"}, want: lit("a{{ .team }}${resources.ab")},
		"parameter in printf": {reason: "nor through printf", value: `{{ printf .params.x }}`, parameters: map[string]string{"x": "{{ 1 }}%%"}, want: lit("{{ 1 }}%")},
		"shell":               {reason: "shell and HCL are text", value: `{{ .params.x }}`, parameters: map[string]string{"x": "$(rm -rf /)\"}\nresource \"x\" {${file(\"/etc/passwd\")}"}, want: lit("$(rm -rf /)\"}\nresource \"x\" {${file(\"/etc/passwd\")}")},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.typ == "" {
				tc.typ = catalog.TypeString
			}
			c := oneValue(tc.value)
			if err := c.Validate(); err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			got, _, err := renderOne(t, c, targetCatalog(tc.typ, false), tc.parameters)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got.Value); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestTemplateErrors(t *testing.T) {
	t.Parallel()
	const ref = ".resources.source.outputs.text"
	tests := map[string]struct {
		reason     string
		value      any
		typ        catalog.Type
		parameters map[string]string
		want       []string // in one problem
	}{
		"syntax":              {reason: "an open action", value: "{{ .params.x ", want: []string{"not closed"}},
		"missing parameter":   {reason: "a parameter that was not given", value: "{{ .params.size }}", want: []string{"main.go:3", `parameter "size" is missing`, "size=…"}},
		"missing key":         {reason: "a key that does not exist", value: "{{ .env.labels.nope }}", want: []string{`there is no "nope"`}},
		"wrong root":          {reason: "a misspelt first name", value: "{{ .param.size }}", want: []string{"there is no .param", `did you mean "params"?`}},
		"wrong env":           {reason: "a misspelt key of .env", value: "{{ .env.regoin }}", want: []string{".env.regoin", `did you mean "region"?`}},
		"unknown function":    {reason: "env is no function", value: `{{ env "HOME" }}`, want: []string{`there is no function "env"`}},
		"no call":             {reason: "text/template's own are not there", value: `{{ call .params.x }}`, want: []string{`there is no function "call"`}},
		"no html":             {reason: "neither are these", value: `{{ html "x" }}`, want: []string{`there is no function "html"`}},
		"instrumentation":     {reason: "internal functions cannot be called", value: `{{ _output "source" "text" }}`, want: []string{`there is no function "_output"`}},
		"define":              {reason: "templates cannot define others", value: `{{ define "x" }}{{ end }}`, want: []string{`"define" is not available`}},
		"recursion":           {reason: "templates cannot call themselves", value: `{{ template "t" . }}`, want: []string{`"template" is not available`}},
		"method":              {reason: "a reference shows nothing of itself", value: `{{ $x := ` + ref + ` }}{{ $x.String }}`, want: []string{"main.go:3"}},
		"condition":           {reason: "a value that is not known cannot decide", value: `{{ if ` + ref + ` }}x{{ end }}`, want: []string{"a condition needs the value of web.source.outputs.text", "only when the graph runs"}},
		"comparison":          {reason: "nor be compared", value: `{{ if eq ` + ref + ` "x" }}x{{ end }}`, want: []string{"eq needs the value of web.source.outputs.text"}},
		"through list":        {reason: "nor hidden in a list", value: `{{ toJson (list ` + ref + `) }}`, want: []string{"toJson needs the value"}},
		"function":            {reason: "nor changed", value: `{{ upper ` + ref + ` }}`, want: []string{"upper needs the value"}},
		"range":               {reason: "nor looped over", value: `{{ range ` + ref + ` }}x{{ end }}`, want: []string{"range needs the value"}},
		"with":                {reason: "nor entered", value: `{{ with ` + ref + ` }}x{{ end }}`, want: []string{"needs the value"}},
		"padded":              {reason: "nor padded", value: `{{ printf "%5s" ` + ref + ` }}`, want: []string{"%5s needs the value"}},
		"unknown resource":    {reason: "a resource that is not there", value: "{{ .resources.sorce.outputs.text }}", want: []string{`there is no resource "sorce"`, `did you mean "source"?`}},
		"unknown output":      {reason: "an output that is not declared", value: "{{ .resources.source.outputs.txt }}", want: []string{"main.go:3", "web.source", `gives no output "txt"`, `did you mean "text"?`}},
		"no outputs":          {reason: "a reference has a form", value: "{{ .resources.source.text }}", want: []string{"no reference", "resources.<name>.outputs.<output>"}},
		"bad literal":         {reason: "in the other spelling too", value: "${resources.source}", want: []string{"no reference"}},
		"odd literal":         {reason: "and is nothing else", value: "${resources.source/../x.outputs.y}", want: []string{"no reference", "$${"}},
		"open literal":        {reason: "and is closed", value: "${resources.source.outputs.text", want: []string{"no closing brace"}},
		"self":                {reason: "no resource needs itself", value: "{{ .resources.target.outputs.x }}", want: []string{"refers to itself"}},
		"path into text":      {reason: "there is nothing inside a string", value: "{{ .resources.source.outputs.text.a }}", want: []string{"type string", `no "a" in it`}},
		"type":                {reason: "types must fit", value: "{{ " + ref + " }}", typ: catalog.TypeInteger, want: []string{"output web.source.outputs.text is of type string, the input of type integer"}},
		"number to string":    {reason: "a number becomes text only inside text", value: "{{ .resources.source.outputs.count }}", want: []string{"is of type integer, the input is a string", "printf"}},
		"concat to integer":   {reason: "text is no integer", value: "1{{ .resources.source.outputs.count }}", typ: catalog.TypeInteger, want: []string{"text made of references is a string"}},
		"mistyped":            {reason: "rendered values have the declared type", value: "{{ .params.x }}", typ: catalog.TypeInteger, parameters: map[string]string{"x": "many"}, want: []string{"main.go:3", "web.target.value", `value "many" must be an integer`}},
		"list inside text":    {reason: "a list has no form in text", value: `x{{ split "," "a,b" }}`, want: []string{"a list cannot stand inside text"}},
		"secret":              {reason: "a secret cannot go to an input that is not sensitive", value: "secret://env/NESTOR_SECRET_ALPHA__X", want: []string{"can only be given to a sensitive input"}},
		"secret in parameter": {reason: "not through a parameter either", value: "{{ .params.x }}", parameters: map[string]string{"x": "secret://env/NESTOR_SECRET_ALPHA__X"}, want: []string{"can only be given to a sensitive input"}},
		"secret in JSON":      {reason: "nor hidden in JSON", value: "{{ .params.x }}", typ: catalog.TypeList, parameters: map[string]string{"x": `["secret:\/\/env/NESTOR_SECRET_ALPHA__X"]`}, want: []string{"can only be given to a sensitive input"}},
		"key":                 {reason: "keys are taken as they are", value: map[string]any{"{{ .team }}": "x"}, typ: catalog.TypeMap, want: []string{"a key cannot be a template"}},
		"template too long":   {reason: "a template has a size", value: "{{ .team }}" + strings.Repeat("x", composer.MaxTemplateBytes), want: []string{"more than the 8192 allowed"}},
		"output too long":     {reason: "and its output", value: `{{ range 5000 }}xxxxxxxxxxxxxxxxxxxx{{ end }}`, want: []string{"more than 65536 bytes"}},
		"doubling":            {reason: "a value on the way has one too", value: `{{ $x := "xxxxxxxx" }}{{ range 100 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`, want: []string{"more than 65536 bytes"}},
		"replace bomb":        {reason: "and is not built first", value: `{{ $x := printf "%0900d" 1 }}{{ replace "0" (printf "%0900d" 1) $x }}`, want: []string{"more than 65536 bytes"}},
		"width bomb":          {reason: "widths are small", value: `{{ printf "%1000000d" 1 }}`, want: []string{"no verb that printf knows"}},
		"argument width":      {reason: "and not from arguments", value: `{{ printf "%*d" 1000000 1 }}`, want: []string{"no verb that printf knows"}},
		"silent loops":        {reason: "loops that print nothing are bounded", value: `{{ range 10000 }}{{ range 10000 }}{{ range 10000 }}{{ end }}{{ end }}{{ end }}`, want: []string{"too much work"}},
		"long range":          {reason: "a range has a length", value: `{{ range 10001 }}{{ end }}`, want: []string{"range over 10001 is too long"}},
		"deep":                {reason: "parentheses have a depth", value: "{{ " + strings.Repeat("(", 60) + "1" + strings.Repeat(")", 60) + " }}", want: []string{"nests deeper than"}},
		"arity":               {reason: "functions say what they take", value: `{{ lower "a" "b" }}`, want: []string{"lower has 2 arguments; it takes 1"}},
		"incomparable":        {reason: "text is not compared with numbers", value: `{{ if gt .params.n 2 }}x{{ end }}`, parameters: map[string]string{"n": "3"}, want: []string{"cannot be compared", "int makes an integer"}},
		"unknown input":       {reason: "covered by the graph's own test", value: map[string]any{"a": "b"}, want: []string{"must be a string"}},
		"printf short":        {reason: "values are counted", value: `{{ printf "%s %s" "a" }}`, want: []string{"too few values"}},
		"printf long":         {reason: "both ways", value: `{{ printf "%s" "a" "b" }}`, want: []string{"more values than its format takes"}},
		"printf verb":         {reason: "verbs fit their values", value: `{{ printf "%d" "a" }}`, want: []string{"%d does not fit a string"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.typ == "" {
				tc.typ = catalog.TypeString
			}
			_, _, err := renderOne(t, oneValue(tc.value), targetCatalog(tc.typ, false), tc.parameters)
			wantProblem(t, tc.reason, err, tc.want...)
		})
	}
}

func TestSensitiveInputs(t *testing.T) {
	t.Parallel()
	secret := composer.Expression{Kind: composer.ExprSecret, Secret: "secret://env/NESTOR_SECRET_ALPHA__DB"}
	password := composer.Expression{Kind: composer.ExprReference, Reference: &composer.Reference{Node: "web.source", Output: "password", Type: catalog.TypeString, Sensitive: true}}
	tests := map[string]struct {
		reason string
		value  any
		typ    catalog.Type
		want   composer.Expression
		fails  string
	}{
		"reference to a secret": {"it is marked", "secret://env/NESTOR_SECRET_ALPHA__DB", catalog.TypeString, secret, ""},
		"from a template":       {"a template may build it", `secret://env/NESTOR_SECRET_ALPHA__{{ "DB" }}`, catalog.TypeString, secret, ""},
		"output":                {"an output may be given", "{{ .resources.source.outputs.password }}", catalog.TypeString, password, ""},
		"map":                   {"a map holds at least one", map[string]any{"user": "app", "password": "secret://env/NESTOR_SECRET_ALPHA__DB"}, catalog.TypeMap, composer.Expression{Kind: composer.ExprMap, Fields: map[string]composer.Expression{"user": lit("app"), "password": secret}}, ""},
		"clear":                 {"a value in clear is refused", "hunter2", catalog.TypeString, composer.Expression{}, "cannot be given in clear"},
		"clear number":          {"whatever its type", int64(42), catalog.TypeInteger, composer.Expression{}, "cannot be given in clear"},
		"clear map":             {"and inside a map", map[string]any{"password": "hunter2"}, catalog.TypeMap, composer.Expression{}, "cannot be given in clear"},
		"part of text":          {"a secret is a whole value", "hunter2 secret://env/NESTOR_SECRET_ALPHA__DB", catalog.TypeString, composer.Expression{}, "no reference to a secret"},
		"in a concat":           {"also beside a reference", "secret://env/NESTOR_SECRET_ALPHA__{{ .resources.source.outputs.text }}", catalog.TypeString, composer.Expression{}, "is a whole value"},
		"upwards":               {"a path stays inside its source", "secret://file/../../etc/passwd", catalog.TypeString, composer.Expression{}, "leads upwards"},
		"encoded":               {"also when it is encoded", "secret://file/%2e%2e/x", catalog.TypeString, composer.Expression{}, "no reference to a secret"},
		"empty source":          {"a source has a name", "secret:///x", catalog.TypeString, composer.Expression{}, "no reference to a secret"},
		"other team":            {"a team's secrets are its own", "secret://env/NESTOR_SECRET_BETA__DB", catalog.TypeString, composer.Expression{}, "is not team alpha's (write secret://env/NESTOR_SECRET_ALPHA__<NAME>"},
		"other team's file":     {"a team's secrets are its own", "secret://file/beta/db", catalog.TypeString, composer.Expression{}, "is not team alpha's"},
		"other team's in a map": {"wherever it stands", map[string]any{"password": "secret://env/NESTOR_SECRET_BETA__DB"}, catalog.TypeMap, composer.Expression{}, "is not team alpha's"},
		"other team's built":    {"a template cannot get around it", `secret://env/NESTOR_SECRET_{{ "BETA" }}__DB`, catalog.TypeString, composer.Expression{}, "is not team alpha's"},
		"credential":            {"credentials are the platform's", "secret://env/NESTOR_CREDENTIAL_AWS", catalog.TypeString, composer.Expression{}, "is not team alpha's"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := renderOne(t, oneValue(tc.value), targetCatalog(tc.typ, true), nil)
			if tc.fails != "" {
				wantProblem(t, tc.reason, err, "main.go:3", tc.fails)
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: the message repeats the secret: %v", tc.reason, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got.Value); diff != "" || !got.Sensitive {
				t.Errorf("%s: sensitive %t (-want +got):\n%s", tc.reason, got.Sensitive, diff)
			}
		})
	}
	t.Run("definition's default", func(t *testing.T) {
		t.Parallel()
		snapshot := catalog.NewSnapshot([]catalog.Published{
			definition("source", "1.0.0", "aws", "source", nil, nil),
			definition("target", "1.0.0", "aws", "target", []catalog.Field{{Name: "key", Type: catalog.TypeString, Sensitive: true, Default: "secret://env/NESTOR_SECRET_BETA__DB"}}, nil),
		})
		c := oneValue(nil)
		c.Spec.Resources[2].Config = nil
		_, _, err := renderOne(t, c, snapshot, nil)
		wantProblem(t, "a definition cannot lend another team's secret", err, "main.go:3", "web.target.key", "the default of target@1.0.0", "is not team alpha's")
	})
	t.Run("spreads", func(t *testing.T) {
		t.Parallel()
		got, _, err := renderOne(t, oneValue("x{{ .resources.source.outputs.password }}"), targetCatalog(catalog.TypeString, false), nil)
		if err != nil || !got.Sensitive {
			t.Errorf("an input made of a sensitive output: sensitive %t, error %v", got.Sensitive, err)
		}
	})
}

// FuzzTemplate looks for templates that panic, hang or leave their bounds.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"{{ .params.x }}", "a{{ .resources.my-db.outputs.text }}b", "${resources.source.outputs.text}", "{{ range 3 }}{{ . }}{{ end }}",
		`{{ printf "%5.2f%%" 1.5 }}`, "{{/* x */}}", `{{ "\"" }}`, "{{ `}}` }}", "{{ $x := 1 }}{{ $x.a-b }}", "{{ (.env).name }}", "{{", "$${resources.", "{{ '}' }}",
		`{{ join "," (list 1 .resources.source.outputs.text) }}`, `{{ output "a/b" "c.d" "e" }}`, "{{ if .params.x }}{{ else if 1 }}{{ end }}", `{{ define "t" }}{{ end }}`,
		`{{ break }}`, `{{ with $ }}{{ .params.x }}{{ end }}`, `{{ index .params "x" }}`, "{{ 0x1p-2 }}{{ 1i }}", `{{ trunc -1 "x" }}`, `{{ len nil }}`,
	} {
		f.Add(seed, "value")
	}
	f.Fuzz(func(t *testing.T, source, parameter string) {
		got, ok, err := renderOne(t, oneValue(source), targetCatalog(catalog.TypeString, false), map[string]string{"x": parameter})
		if err != nil {
			var problems manifest.Problems
			if !errors.As(err, &problems) {
				// The digest refuses a template that is not UTF-8; a file
				// cannot hold one.
				if utf8.ValidString(source) {
					t.Fatalf("an error of another kind: %v", err)
				}
			}
			return
		}
		if ok && len(fmt.Sprint(got.Value.Literal)) > composer.MaxTemplateOutput+len("<nil>") {
			t.Fatalf("more output than allowed: %d bytes", len(fmt.Sprint(got.Value.Literal)))
		}
	})
}

// FuzzParameter gives any text as a parameter: it comes out as it went in, or
// is refused, but is never interpreted.
func FuzzParameter(f *testing.F) {
	for _, seed := range []string{"x", "{{ .team }}", "${resources.source.outputs.text}", "$${resources.", "%s%n", "\x00", "{{", "}}", "../../etc", "\"; rm -rf /", "secret://env/NESTOR_SECRET_ALPHA__X"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, parameter string) {
		for source, want := range map[string]string{
			"{{ .params.x }}":                   parameter,
			"a{{ .params.x }}b":                 "a" + parameter + "b",
			`{{ printf "%s" .params.x }}`:       parameter,
			`{{ join "" (list .params.x "") }}`: parameter,
			`{{ default "d" .params.x }}`:       parameter,
		} {
			got, _, err := renderOne(t, oneValue(source), targetCatalog(catalog.TypeString, false), map[string]string{"x": parameter})
			if err != nil {
				continue
			}
			if parameter == "" && strings.Contains(source, "default") {
				want = "d"
			}
			if got.Value.Kind != composer.ExprLiteral || got.Value.Literal != want {
				t.Fatalf("%s with %q gave %#v", source, parameter, got.Value)
			}
		}
	})
}
