// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
)

var errNotYet = errors.New("not yet")

func lookup(r composer.Reference) (any, error) {
	switch r.Output {
	case "text":
		return "db.local", nil
	case "count":
		return float64(3306), nil // as JSON gives it
	case "tree":
		return map[string]any{"a": []any{map[string]any{"b-c": "deep"}}}, nil
	case "password":
		return "hunter2", nil
	default:
		return nil, errNotYet
	}
}

func secret(ref string) (string, error) {
	if ref == "secret://env/DB" {
		return "s3cret", nil
	}
	return "", errNotYet
}

func TestResolveInput(t *testing.T) {
	t.Parallel()
	text, count := reference("n", "text", catalog.TypeString), reference("n", "count", catalog.TypeInteger)
	db := composer.Expression{Kind: composer.ExprSecret, Secret: "secret://env/DB"}
	tests := map[string]struct {
		reason string
		input  composer.NodeInput
		want   any
		fails  string
	}{
		"literal":    {"a literal that went through JSON takes its type again", composer.NodeInput{Type: catalog.TypeInteger, Value: lit(float64(3))}, int64(3), ""},
		"reference":  {"so does an output", composer.NodeInput{Type: catalog.TypeInteger, Value: count}, int64(3306), ""},
		"number":     {"a number input has a float", composer.NodeInput{Type: catalog.TypeNumber, Value: count}, float64(3306), ""},
		"concat":     {"numbers are written as text inside text", composer.NodeInput{Type: catalog.TypeString, Value: concat(lit("http://"), text, lit(":"), count)}, "http://db.local:3306", ""},
		"path":       {"into lists and maps", composer.NodeInput{Type: catalog.TypeString, Value: reference("n", "tree", "", "a", "0", "b-c")}, "deep", ""},
		"secret":     {"secrets are looked up", composer.NodeInput{Type: catalog.TypeString, Sensitive: true, Value: db}, "s3cret", ""},
		"map":        {"maps deeply", composer.NodeInput{Type: catalog.TypeMap, Value: composer.Expression{Kind: composer.ExprMap, Fields: map[string]composer.Expression{"a": text, "b": {Kind: composer.ExprList, Parts: []composer.Expression{count, lit(true)}}}}}, map[string]any{"a": "db.local", "b": []any{int64(3306), true}}, ""},
		"no path":    {"a step that is not there", composer.NodeInput{Type: catalog.TypeString, Value: reference("n", "tree", "", "x")}, nil, `n.outputs.tree.x: there is no "x" in a map`},
		"not known":  {"a look-up's own error", composer.NodeInput{Type: catalog.TypeString, Value: reference("n", "later", "")}, nil, "not yet"},
		"type":       {"a value of another type than declared", composer.NodeInput{Name: "port", Type: catalog.TypeInteger, Value: text}, nil, "input port"},
		"in text":    {"a map inside text", composer.NodeInput{Type: catalog.TypeString, Value: concat(lit("x"), reference("n", "tree", ""))}, nil, "n.outputs.tree is a map and cannot stand inside text"},
		"constraint": {"constraints hold for values that come late", composer.NodeInput{Type: catalog.TypeString, Value: text, Check: &catalog.Field{Name: "x", Type: catalog.TypeString, Pattern: "[0-9]+"}}, nil, "must match the pattern"},
		"masked":     {"an error repeats no sensitive value", composer.NodeInput{Name: "p", Type: catalog.TypeInteger, Sensitive: true, Value: reference("n", "password", "")}, nil, "not shown"},
		"kind":       {"a kind from the future", composer.NodeInput{Value: composer.Expression{Kind: "call"}}, nil, `unknown kind "call"`},
		"no ref":     {"a broken record", composer.NodeInput{Value: composer.Expression{Kind: composer.ExprReference}}, nil, "reference to nothing"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := composer.ResolveInput(tc.input, lookup, secret)
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: got error %v, want one with %q", tc.reason, err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	a, b := reference("b", "x", ""), reference("a", "y", "")
	e := composer.Expression{Kind: composer.ExprMap, Fields: map[string]composer.Expression{"z": b, "a": concat(a, lit("-"), b, a)}}
	if diff := cmp.Diff([]composer.Reference{*a.Reference, *b.Reference}, e.References()); diff != "" {
		t.Errorf("each once, in order (-want +got):\n%s", diff)
	}
	if e.Known(func(r composer.Reference) bool { return r.Node == "a" }) {
		t.Error("known although b is not")
	}
	if !e.Known(func(composer.Reference) bool { return true }) || !lit(1).Known(nil) {
		t.Error("unknown although everything is known")
	}
	if e.Sensitive() || !(composer.Expression{Kind: composer.ExprSecret}).Sensitive() {
		t.Error("sensitive is what holds a secret")
	}
}
