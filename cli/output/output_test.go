// SPDX-License-Identifier: Apache-2.0

package output_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/internal/manifest"
)

func TestTable(t *testing.T) {
	t.Parallel()
	table := output.NewColumns("NAME", "STATUS", "MESSAGE")
	table.Row("数据库", "ready", "")
	table.Styled(output.Cell{Text: "b"}, output.Cell{Text: "failed", Style: func(s string) string { return "<" + s + ">" }},
		output.Cell{Text: "a \x1b[31mlong\x1b[0m message\nwith a second line that does not fit onto a line of forty columns"})
	tests := map[string]struct {
		reason string
		limit  int
		want   string
	}{
		"without end": {"nothing is cut where there is no terminal", 0, "NAME    STATUS  MESSAGE\n数据库  ready   -\nb       <failed>  a long message with a second line that does not fit onto a line of forty columns\n"},
		"terminal":    {"the widest column is cut", 40, "NAME    STATUS  MESSAGE\n数据库  ready   -\nb       <failed>  a long message with a s…\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := table.Write(&b, tt.limit); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
			for line := range strings.Lines(b.String()) {
				if w := text.Width(strings.Trim(strings.NewReplacer("<", "", ">", "").Replace(line), "\n")); tt.limit > 0 && w > tt.limit {
					t.Errorf("%s: a line of %d columns", tt.reason, w)
				}
			}
		})
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	value := struct {
		B string         `json:"b"`
		A map[string]any `json:"a"`
	}{B: "<a & b>", A: map[string]any{"x": 1, "y": []any{"no", "1e3", true}}}
	for format, want := range map[output.Format]string{
		output.JSON: "{\n  \"b\": \"<a & b>\",\n  \"a\": {\n    \"x\": 1,\n    \"y\": [\n      \"no\",\n      \"1e3\",\n      true\n    ]\n  }\n}\n",
		output.YAML: "b: \"<a & b>\"\na:\n  x: 1\n  \"y\":\n    - \"no\"\n    - \"1e3\"\n    - true\n",
	} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := format.Write(&b, value); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is written as YAML is read back as the same, whatever the strings.
func TestYAMLKeepsStrings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9a-zA-Z:#. _~-]{0,12}`), rapid.SampledFrom([]string{"no", "1e3", "0x1f", "null", ".inf", "a: b", "a #b", "- a", "=", "1_000", "12:30:00", "2026-01-02"}))
		type document struct {
			Strings []string          `json:"strings"`
			Map     map[string]string `json:"map"`
		}
		valid := word.Filter(utf8.ValidString)
		want := document{
			Strings: rapid.SliceOfN(valid, 1, 5).Draw(t, "strings"),
			Map:     rapid.MapOfN(valid, valid, 1, 3).Draw(t, "map"),
		}
		var b bytes.Buffer
		if err := output.YAML.Write(&b, want); err != nil {
			t.Fatal(err)
		}
		documents, err := manifest.Parse("out.yaml", b.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		var got document
		if err := documents[0].Decode(&got); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, b.String())
		}
	})
}
