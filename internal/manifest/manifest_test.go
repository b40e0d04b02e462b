// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/internal/manifest"
)

var update = flag.Bool("update", false, "write the golden files")

type thing struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Name     string            `json:"name"`
		Size     string            `json:"size"`
		Replicas int               `json:"replicas"`
		Small    int8              `json:"small"`
		Ratio    *float64          `json:"ratio"`
		Enabled  bool              `json:"enabled"`
		List     []string          `json:"list"`
		Items    []item            `json:"items"`
		Labels   map[string]string `json:"labels"`
		Timeout  period            `json:"timeout"`
		Value    any               `json:"value"`
		Hidden   string            `json:"-"`
	} `json:"spec"`
}

type item struct {
	base
	Value any `json:"value"`
}

type base struct {
	Name string `json:"name"`
}

type period time.Duration

func (p *period) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return errors.New("expected a period")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no period", s)
	}
	*p = period(d)
	return nil
}

func parseOne(t *testing.T, text string) *manifest.Document {
	t.Helper()
	documents, err := manifest.Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	if len(documents) != 1 {
		t.Fatalf("got %d documents, want 1", len(documents))
	}
	return documents[0]
}

func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files under testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			documents, err := manifest.Parse(filepath.Base(file), data)
			var lines strings.Builder
			if err != nil {
				fmt.Fprintln(&lines, err)
			}
			for _, d := range documents {
				if err := d.Decode(new(thing)); err != nil {
					fmt.Fprintln(&lines, err)
				}
			}
			got := lines.String()
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	d := parseOne(t, `
kind: Thing
apiVersion: example/v1
spec:
  name: web
  replicas: 3
  ratio: 1
  enabled: true
  list: [a, "1", 'x: y']
  items:
  - {name: one, value: {deep: [1, 1.5, -2e3, "3", no, ~]}}
  - name: two
  labels: {example.com/x: "1"}
  timeout: 1m
  size:
  value: |
    text
`)
	if d.Kind() != "Thing" || d.APIVersion() != "example/v1" || d.File() != "x.yaml" {
		t.Errorf("kind %q, apiVersion %q, file %q", d.Kind(), d.APIVersion(), d.File())
	}
	var got thing
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	var want thing
	ratio := 1.0
	want.Kind, want.APIVersion = "Thing", "example/v1"
	want.Spec.Name, want.Spec.Replicas, want.Spec.Ratio, want.Spec.Enabled = "web", 3, &ratio, true
	want.Spec.List = []string{"a", "1", "x: y"}
	want.Spec.Items = []item{
		{base: base{Name: "one"}, Value: map[string]any{"deep": []any{int64(1), 1.5, -2000.0, "3", "no", nil}}},
		{base: base{Name: "two"}},
	}
	want.Spec.Labels = map[string]string{"example.com/x": "1"}
	want.Spec.Timeout = period(time.Minute)
	want.Spec.Value = "text\n"
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(item{})); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeKeepsWhatWasRight(t *testing.T) {
	t.Parallel()
	var got thing
	err := parseOne(t, "spec: {name: web, replicas: many, small: 300}").Decode(&got)
	var problems manifest.Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatalf("got %v, want two problems", err)
	}
	if got.Spec.Name != "web" {
		t.Errorf("name %q was lost", got.Spec.Name)
	}
}

func TestDecodeTarget(t *testing.T) {
	t.Parallel()
	for _, into := range []any{nil, thing{}, new(string), (*thing)(nil)} {
		if err := parseOne(t, "kind: x").Decode(into); err == nil {
			t.Errorf("decoding into %T succeeded", into)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		text   string
		kinds  []string
	}{
		"empty":           {"an empty file holds nothing", "", nil},
		"comments":        {"comments are nothing", "# one\n# two\n", nil},
		"empty documents": {"an empty document between others loses none of them", "---\n---\nkind: A\n---\n# c\n---\nkind: B\n---\n", []string{"A", "B"}},
		"end marker":      {"a document can be ended", "kind: A\n...\nkind: B\n", []string{"A", "B"}},
		"inline":          {"content may follow the marker", "--- {kind: A}\n", []string{"A"}},
		"crlf":            {"Windows line ends", "kind: A\r\n---\r\nkind: B\r\n", []string{"A", "B"}},
		"bom":             {"a byte order mark is no content", "\ufeffkind: A\n", []string{"A"}},
		"json":            {"JSON is YAML", "{\"kind\": \"A\",\n\t\"x\": [1, {\"y\": null}]}", []string{"A"}},
		"anchors":         {"an alias stands for its anchor", "kind: &k A\nother: *k\n", []string{"A"}},
		"block scalar":    {"an indented marker is text", "kind: A\ntext: |\n  ---\n  x\n", []string{"A"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			documents, err := manifest.Parse("x.yaml", []byte(tc.text))
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			var kinds []string
			for _, d := range documents {
				kinds = append(kinds, d.Kind())
			}
			if diff := cmp.Diff(tc.kinds, kinds); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	var wide, chain strings.Builder
	for i := range 2100 {
		fmt.Fprintf(&wide, "k%d: v\n", i)
	}
	chain.WriteString("a0: &a0 [0, 1, 2, 3, 4, 5, 6, 7, 8]\n")
	for i := range 9 {
		fmt.Fprintf(&chain, "a%d: &a%[1]d [%s*a%[3]d]\n", i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 8), i)
	}
	long := "a: &a \"" + strings.Repeat("x", 900_000) + "\"\nb: [" + strings.Repeat("*a, ", 20_000) + "]\n"
	tests := map[string]struct {
		reason string
		text   string
		want   string
	}{
		"syntax":           {"the parser's message, with its place", "a: 1\nb: [1\n", "x.yaml:2:4: syntax error: the bracket \"[\" is not closed (add \"]\", or quote a value that begins with \"[\")"},
		"later document":   {"lines count from the top of the file", "a: 1\n---\nb: 'x\n", "x.yaml:3:4: syntax error"},
		"every document":   {"a broken document does not hide another", "a: [\n---\nb: [\n", "\nx.yaml:3:4:"},
		"tab":              {"a tab is named", "a:\n\t- b\n", "x.yaml:2:1: syntax error: a tab cannot indent (indent with spaces)"},
		"colon":            {"an unquoted colon gets its cure", "a: b: c\n", `x.yaml:1:4: syntax error: a key and a value inside of a value (quote a value that contains ": ", or begin the next line in the column of this key)`},
		"list not closed":  {"found at the next line", "a: [1, 2\nb: 3\n", `x.yaml:2:1: syntax error: a list in brackets is not closed before this (add "]" at its end`},
		"map not closed":   {"braces too", "a: {x: 1\nb: 2\n", `x.yaml:2:1: syntax error: a mapping in braces is not closed before this (add "}" at its end`},
		"bare template":    {"a template without quotes", "a: {{ .params.x }}\n", `x.yaml:1:5: syntax error: what stands in these braces is no mapping (put a template in quotes: "{{ … }}")`},
		"no opening":       {"a bracket too many", "a: ]\n", `x.yaml:1:4: syntax error: there is no "[" for this bracket`},
		"single quote":     {"a text that never ends", "a: 'x\n", "x.yaml:1:4: syntax error: the quote ' is not closed (add ' at the end of the value"},
		"double quote":     {"nor with these", "a: \"x\nb: 1\n", `x.yaml:1:4: syntax error: the quote " is not closed (add " at the end of the value`},
		"indentation":      {"a key in no column", "a:\n  b: 1\n c: 2\n", "x.yaml:3:2: syntax error: this does not belong to what is above it (begin all keys of a mapping"},
		"no space":         {"a colon alone makes no field", "a:b\nc: 1\n", `x.yaml:1:1: syntax error: a key without a value (write "key: value", with a space after the colon)`},
		"tab key":          {"a tab before a key", "\ta: 1\n", "x.yaml:1:2: syntax error: a tab cannot indent (indent with spaces)"},
		"list on the key":  {"a dash after a key", "a: - b\n", "x.yaml:1:4: syntax error: a list cannot begin on the line of its key"},
		"after a quote":    {"text after a value", "a: \"b\" c\n", "x.yaml:1:8: syntax error: something follows a value that is over (put the whole value in quotes)"},
		"escape":           {"a backslash means something", "a: \"\\q\"\n", "x.yaml:1:6: syntax error: found unknown escape character 'q' (write \\\\ for a backslash"},
		"reserved":         {"a reserved character gets its cure", "a: @b\n", "(quote a value that begins with this character)"},
		"duplicate":        {"both places are named", "a:\n  b: 1\n  c: 2\n  b: 3\n", `x.yaml:4:3: a.b: duplicate key "b", first on line 2 (remove one of them)`},
		"duplicate quoted": {"spelling does not matter", "a: 1\n\"a\": 2\n", `duplicate key "a"`},
		"scalar root":      {"a document is a mapping", "hello\n", `x.yaml:1:1: expected a mapping such as "kind: …", found the string "hello"`},
		"list root":        {"a list is none", "- a\n", "found a list"},
		"integer key":      {"keys are strings", "1: a\n", "x.yaml:1:1: key 1 is not a string (quote it)"},
		"null key":         {"null is no string", "a: {~: b}\n", "key ~ is not a string"},
		"exponent key":     {"what only looks like a string", "1e3: a\n", "key 1e3 is not a string"},
		"complex key":      {"complex keys are refused by name", "? a\n: b\n", "x.yaml:1:1: complex keys (?) are not supported"},
		"merge":            {"merge keys are refused by name", "a: &a {x: 1}\nb:\n  <<: *a\n", "x.yaml:3:3: merge keys (<<) are not supported (write the fields out)"},
		"tag":              {"tags are refused by name", "a: !!str 5\n", `x.yaml:1:4: tag "!!str" is not supported`},
		"directive":        {"directives are refused by name", "%YAML 1.2\n---\na: 1\n", "x.yaml:1:1: directives (%) are not supported"},
		"infinity":         {"no finite number", "a: .inf\n", "x.yaml:1:4: a: .inf is not a finite number"},
		"large integer":    {"no silent float", "a: 123456789012345678901234567890\n", "a: 123456789012345678901234567890 does not fit into 64 bits (quote it if it shall be a string)"},
		"octal":            {"two readers, two numbers", "a: 0123\n", "a: 0123 is octal to some readers and decimal to others (quote it if it shall be a string)"},
		"unknown alias":    {"an alias needs its anchor", "a: *b\n", "x.yaml:1:4: a: alias *b has no anchor &b before it"},
		"cyclic alias":     {"no endless value", "a: &a [*a]\n", "alias *a contains itself"},
		"billion laughs":   {"a small file stays small", chain.String(), "too large with its aliases expanded (use fewer aliases)"},
		"long alias":       {"a large string is not multiplied", long, "too large with its aliases expanded"},
		"deep brackets":    {"no stack is exhausted", "a: " + strings.Repeat("[", 500_000), "nested deeper than 64 levels"},
		"deep braces":      {"no stack is exhausted", strings.Repeat("{a: ", 200_000), "nested deeper than 64 levels"},
		"deep dashes":      {"no stack is exhausted", strings.Repeat("- ", 500_000), "nested deeper than 64 levels"},
		"deep indentation": {"nor by lines", deepLines(200), "nested deeper than 64 levels"},
		"wide":             {"the parser is quadratic in the keys", wide.String(), "a mapping has more than 2000 keys"},
		"size":             {"a limit on the whole", strings.Repeat("#", manifest.MaxBytes+1), "more than the 1048576 allowed"},
		"utf8":             {"bytes that are no text", "a: 1\nb: \xff\n", "x.yaml:2:4: the file is not valid UTF-8"},
		"control":          {"characters nobody can see", "a: \x00\n", "x.yaml:1:4: control character U+0000"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			documents, err := manifest.Parse("x.yaml", []byte(tc.text))
			var problems manifest.Problems
			if !errors.As(err, &problems) || documents != nil {
				t.Fatalf("%s: got %d documents and error %v", tc.reason, len(documents), err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s:\n got %s\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func deepLines(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestProblemPlaces(t *testing.T) {
	t.Parallel()
	d := parseOne(t, `kind: A
metadata:
  labels:
    example.com/x: "1"
spec:
  inputs:
    - name: a
      type: string
    - name: b
`)
	tests := map[string]struct {
		reason string
		path   string
		want   string
	}{
		"value":         {"a scalar is shown itself", "spec.inputs[0].type", "8:13"},
		"list":          {"a list is shown by its key", "spec.inputs", "6:3"},
		"element":       {"an element by its first key", "spec.inputs[1]", "9:7"},
		"missing":       {"what is missing by what surrounds it", "spec.inputs[1].type", "9:7"},
		"missing block": {"even far away", "spec.outputs[3].name", "5:1"},
		"beyond":        {"an index beyond the end", "spec.inputs[7]", "6:3"},
		"quoted":        {"a key with dots", `metadata.labels["example.com/x"]`, "4:20"},
		"root":          {"nothing at all", "", "1:1"},
		"malformed":     {"a malformed path goes as far as it can", "spec.inputs[x", "6:3"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := d.Problem(tc.path, "m", "h")
			got := fmt.Sprintf("%d:%d", p.Line, p.Column)
			if got != tc.want {
				t.Errorf("%s: %s is at %s, want %s", tc.reason, tc.path, got, tc.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	problems := manifest.Problems{
		{File: "b", Line: 1, Column: 1, Message: "m"},
		{File: "a", Line: 10, Column: 1, Field: "spec.x", Message: "m", Hint: "h"},
		{File: "a", Line: 9, Column: 2, Message: "m"},
		{File: "a", Line: 9, Column: 2, Message: "m"},
		{Field: "name", Message: "no place"},
	}
	want := "name: no place\na:9:2: m\na:10:1: spec.x: m (h)\nb:1:1: m"
	if diff := cmp.Diff(want, problems.OrNil().Error()); diff != "" {
		t.Errorf("one line each, sorted, once (-want +got):\n%s", diff)
	}
	if err := manifest.Problems(nil).OrNil(); err != nil {
		t.Errorf("no problems are an error: %v", err)
	}
	for path, want := range map[string]bool{"spec.x": true, "spec.x.y": true, "spec.x[1]": true, "spec.xy": false, "spec": false} {
		if problems.Covers(path) != want {
			t.Errorf("Covers(%q) = %t", path, !want)
		}
	}
	many := make(manifest.Problems, 150)
	if got := many.Error(); !strings.HasSuffix(got, "and 50 more problems") {
		t.Errorf("150 problems end with %q", got[len(got)-40:])
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"kind: A\nspec: {x: [1, 2.5, \"a\"], y: ~}\n", "a: &a [1]\nb: *a\n", "---\n---\n- a\n...\n", "a: |\n  b\n c\n",
		"? a\n: b\n", "a: !!str b\n", "<<: x\n", "a: 'b''c'\r\n\"d\\n\": >-\n  e\n", "{\"a\": [{}, []]}", "- - - a\n  - b\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, err := manifest.Parse("f.yaml", data)
		var problems manifest.Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("error is %T, not Problems", err)
		}
		for _, p := range problems {
			if p.Message == "" || p.Line < 0 || len(data) <= manifest.MaxBytes && p.Line == 0 {
				t.Errorf("problem without a message or a place: %+v", p)
			}
		}
		for _, d := range documents {
			var v thing
			if err := d.Decode(&v); err != nil && !errors.As(err, &problems) {
				t.Fatalf("error is %T, not Problems", err)
			}
			if _, err := json.Marshal(v.Spec.Value); err != nil {
				t.Errorf("value is not JSON: %v", err)
			}
		}
	})
}
