// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// actions of a preview, each once.
func actions(p engine.Preview) map[orchestrator.Action]bool {
	out := map[orchestrator.Action]bool{}
	for _, c := range p.Changes {
		out[c.Action] = true
	}
	return out
}

// attribute finds a changed attribute whose path ends in name.
func attribute(p engine.Preview, name string) (orchestrator.AttributeChange, bool) {
	for _, c := range p.Changes {
		for _, a := range c.Attributes {
			if a.Path == name || strings.HasSuffix(a.Path, "."+name) {
				return a, true
			}
		}
	}
	return orchestrator.AttributeChange{}, false
}

func testCreate(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	req := s.request(t, nil)
	before, err := s.engine.Observe(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if before.Exists {
		t.Error("it exists before anything was made")
	}
	p, err := s.engine.Preview(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[orchestrator.Action]bool{orchestrator.ActionCreate: true}, actions(p)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if p.State.Lineage != "" {
		t.Errorf("a preview of what is not there was made on %+v", p.State)
	}
	s.wantLedger(t) // a preview changes nothing
	r, err := s.engine.Apply(t.Context(), req, p)
	if err != nil {
		t.Fatal(err)
	}
	s.wantLedger(t, "create alpha", "set alpha 3")
	after, err := s.engine.Observe(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !after.Exists || after.Serial != r.Serial || after.Lineage != r.Lineage {
		t.Errorf("observed %+v after %+v", after, r)
	}
	if diff := cmp.Diff(r.Outputs, after.Outputs); diff != "" {
		t.Errorf("observed outputs (-applied +observed):\n%s", diff)
	}
}

func testNoChange(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	_, first := s.up(t, nil)
	p, second := s.up(t, nil)
	if !p.Empty() {
		t.Errorf("the second preview has changes: %+v", p.Changes)
	}
	want := p.State // what else the engine says of it is its own business
	want.Lineage, want.Serial = first.Lineage, first.Serial
	if diff := cmp.Diff(want, p.State); diff != "" {
		t.Errorf("the state that the preview was made on (-applied +previewed):\n%s", diff)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("result (-first +second):\n%s", diff)
	}
	s.wantLedger(t, "create alpha", "set alpha 3")
}

func testUpdate(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	_, first := s.up(t, nil)
	p, second := s.up(t, map[string]any{"size": int64(5)})
	if !actions(p)[orchestrator.ActionUpdate] {
		t.Errorf("no update in %+v", p.Changes)
	}
	if second.Lineage != first.Lineage || second.Lineage != "" && second.Serial <= first.Serial {
		t.Errorf("an update made lineage %s, serial %d of %s, %d", second.Lineage, second.Serial, first.Lineage, first.Serial)
	}
	a, ok := attribute(p, "size")
	want := orchestrator.AttributeChange{Path: a.Path, Before: int64(3), After: int64(5)}
	if diff := cmp.Diff(want, a); !ok || diff != "" {
		t.Errorf("size (-want +got):\n%s", diff)
	}
	wantKept(t, p, first, second)
	if second.Outputs["size"] != int64(5) || second.Outputs["id"] != first.Outputs["id"] {
		t.Errorf("outputs %v after %v; want the same id and size 5", second.Outputs, first.Outputs)
	}
	s.wantLedger(t, "create alpha", "set alpha 3", "set alpha 5")
}

// wantKept: what a preview claims to keep is kept.
func wantKept(t *testing.T, p engine.Preview, before, after engine.Result) {
	t.Helper()
	for _, name := range p.OutputsKept {
		if diff := cmp.Diff(before.Outputs[name], after.Outputs[name]); diff != "" {
			t.Errorf("the preview said that output %s stays (-before +after):\n%s", name, diff)
		}
	}
}

func testReplace(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	_, first := s.up(t, nil)
	held := s.instances(t, nil)
	p, second := s.up(t, map[string]any{"name": "beta"})
	wantReplacement(t, h, p)
	now := s.instances(t, map[string]any{"name": "beta"})
	for _, c := range p.Changes {
		if was, told := p.Instances[c.Address]; told && c.Action == orchestrator.ActionReplace && (held[c.Address] != was || now[c.Address] == was) {
			t.Errorf("%s is told from others by %q, which was %q before and is %q now", c.Address, was, held[c.Address], now[c.Address])
		}
	}
	wantKept(t, p, first, second)
	if first.Outputs["id"] == second.Outputs["id"] {
		t.Error("the id is still the old one")
	}
	if c, d := s.count(t, "create beta"), s.count(t, "destroy alpha"); c != 1 || d != 1 {
		t.Errorf("created %d, destroyed %d; want 1 and 1", c, d)
	}
}

// instances are what the engine tells the thing by.
func (s *subject) instances(t *testing.T, change map[string]any) map[string]string {
	t.Helper()
	seen, err := s.engine.Observe(t.Context(), s.request(t, change))
	if err != nil {
		t.Fatal(err)
	}
	return seen.Instances
}

// wantReplacement says that a preview shows how the thing is replaced.
func wantReplacement(t *testing.T, h Harness, p engine.Preview) {
	t.Helper()
	if h.Replacement == ReplaceByName {
		if a := actions(p); !a[orchestrator.ActionCreate] || !a[orchestrator.ActionDelete] {
			t.Errorf("no creation and deletion in %+v", p.Changes)
		}
		return
	}
	if !actions(p)[orchestrator.ActionReplace] {
		t.Errorf("no replacement in %+v", p.Changes)
	}
	for _, c := range p.Changes {
		for _, a := range c.Attributes {
			if a.Replaces && a.Before == "alpha" && a.After == "beta" {
				return
			}
		}
	}
	t.Errorf("no attribute is said to force the replacement: %+v", p.Changes)
}

func testOutputs(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	p, r := s.up(t, nil)
	id, ok := r.Outputs["id"].(string)
	if !ok || id == "" {
		t.Errorf("id is %#v", r.Outputs["id"])
	}
	want := map[string]any{
		"id": id, "name": "alpha", "size": int64(3), "text": "plain", "password": password, "ratio": 0.5, "enabled": true,
		"zones": []any{"a", "b"}, "labels": map[string]any{"owner": "ada"},
	}
	if diff := cmp.Diff(want, r.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	a, ok := attribute(p, "password")
	if !ok || !a.Sensitive || a.After != nil {
		t.Errorf("the password's change is %+v; want it masked", a)
	}
	// A secret that changes shows neither the old nor the new value.
	p, _ = s.up(t, map[string]any{"password": "another-" + password})
	for _, c := range p.Changes {
		for _, a := range c.Attributes {
			for _, v := range []any{a.Before, a.After} {
				if text, ok := v.(string); ok && strings.Contains(text, password) {
					t.Errorf("%s.%s shows the password", c.Address, a.Path)
				}
			}
		}
	}
}

// largest integer that every program between the inputs and the outputs can
// carry: some of them know floating point numbers alone.
const largest = int64(1)<<53 - 1

// testOddOutputs carries values that are easily lost: what is empty, and a
// number that a floating point notation would round.
func testOddOutputs(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	odd := map[string]any{
		"text": "", "zones": []any{}, "labels": map[string]any{}, "size": largest, "ratio": 2.0, "enabled": false,
	}
	_, r := s.up(t, odd)
	want := map[string]any{
		"id": r.Outputs["id"], "name": "alpha", "size": largest, "text": "", "password": password, "ratio": 2.0,
		"enabled": false, "zones": []any{}, "labels": map[string]any{},
	}
	if diff := cmp.Diff(want, r.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	s.wantLedger(t, "create alpha", "set alpha 9007199254740991")
	p, again := s.up(t, odd)
	if diff := cmp.Diff(r, again); diff != "" || !p.Empty() {
		t.Errorf("applied again with changes %+v (-first +second):\n%s", p.Changes, diff)
	}
}

// testNestedOutputs carries lists and maps inside one another.
func testNestedOutputs(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	details := map[string]any{
		"list":  []any{int64(1), "two", []any{true, false}, map[string]any{"three": 3.5}},
		"deep":  map[string]any{"er": map[string]any{"est": []any{map[string]any{"n": largest}, map[string]any{"n": int64(-1)}}}},
		"empty": map[string]any{"text": "", "list": []any{}, "map": map[string]any{}},
	}
	req := s.request(t, map[string]any{"details": details})
	req.Outputs = append(req.Outputs, engine.OutputSpec{Name: "details", Type: "map"})
	_, r, err := s.apply(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(details, r.Outputs["details"]); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	p, again, err := s.apply(t.Context(), req)
	if diff := cmp.Diff(r.Outputs, again.Outputs); err != nil || diff != "" || !p.Empty() {
		t.Errorf("applied again with changes %+v, %v (-first +second):\n%s", p.Changes, err, diff)
	}
}

func testMissingOutput(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	req := s.request(t, nil)
	req.Outputs = append(req.Outputs, engine.OutputSpec{Name: "endpoint", Type: "string"})
	_, _, err := s.apply(t.Context(), req)
	if e := wantClass(t, err, engine.Invalid); !strings.Contains(e.Message, "endpoint") {
		t.Errorf("the message does not name the output: %v", err)
	}
	wrong := s.request(t, nil)
	wrong.Outputs = []engine.OutputSpec{{Name: "name", Type: "integer"}}
	_, _, err = s.apply(t.Context(), wrong)
	if e := wantClass(t, err, engine.Invalid); !strings.Contains(e.Message, "name") {
		t.Errorf("the message does not name the output: %v", err)
	}
}

func testLiteral(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	text := "${path.root} %{ if true }x%{ endif } {{ .x }} $(touch pwned) `id` \"; exit 1 #\n\\ ünïcode"
	p, r := s.up(t, map[string]any{"text": text, "labels": map[string]any{"a.b": "${1+1}"}})
	if r.Outputs["text"] != text {
		t.Errorf("text came out as %q", r.Outputs["text"])
	}
	if diff := cmp.Diff(map[string]any{"a.b": "${1+1}"}, r.Outputs["labels"]); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if a, ok := attribute(p, "text"); !ok || a.After != text {
		t.Errorf("the preview shows %#v", a)
	}
}

func testUnknown(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	const reason = "known after web.database"
	req := s.request(t, nil)
	req.Unknown = map[string]string{}
	for _, name := range []string{"size", "text", "zones", "labels", "enabled"} {
		delete(req.Inputs, name)
		req.Unknown[name] = reason
	}
	p, err := s.engine.Preview(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[orchestrator.Action]bool{orchestrator.ActionCreate: true}, actions(p)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if a, ok := attribute(p, "text"); !ok || a.Unknown != reason || a.After != nil {
		t.Errorf("text is %+v; want it unknown, %s", a, reason)
	}
	for _, c := range p.Changes {
		if strings.Contains(c.Address, "unknown") {
			t.Errorf("the preview lists the engine's own resource: %s", c.Address)
		}
	}
	_, err = s.engine.Apply(t.Context(), req, p)
	wantClass(t, err, engine.Invalid)
	s.wantLedger(t)
}
