// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/terraform"
)

// instance is one of a resource in a state that a test writes.
type instance struct {
	module, kind, name string
	key                any
	provider           string
	dependencies       []string
	data               bool
}

const builtin = `provider["terraform.io/builtin/terraform"]`

// stateOf writes a state, each instance of which holds the text "kept".
func stateOf(t *testing.T, serial int, instances ...instance) []byte {
	t.Helper()
	var resources []any
	for _, i := range instances {
		value := map[string]any{"value": "kept", "type": "string"}
		held := map[string]any{"schema_version": 0, "attributes": map[string]any{
			"id": "id-of-" + i.name, "input": value, "output": value, "triggers_replace": nil,
		}}
		if i.key != nil {
			held["index_key"] = i.key
		}
		if i.dependencies != nil {
			held["dependencies"] = i.dependencies
		}
		r := map[string]any{"mode": "managed", "type": "terraform_data", "name": i.name, "provider": builtin, "instances": []any{held}}
		if i.kind != "" {
			r["type"] = i.kind
		}
		if i.provider != "" {
			r["provider"] = i.provider
		}
		if i.module != "" {
			r["module"] = i.module
		}
		if i.data {
			r["mode"] = "data"
		}
		resources = append(resources, r)
	}
	text, err := json.Marshal(map[string]any{
		"version": 4, "terraform_version": "1.6.0", "serial": serial, "lineage": "lineage-of-the-source",
		"outputs": map[string]any{"old": map[string]any{"value": "x", "type": "string"}}, "resources": resources,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// parts is a module with a resource of each kind of address.
const parts = `
resource "terraform_data" "one" { input = "kept" }
resource "terraform_data" "many" {
  for_each   = toset(["a.b"])
  input      = "kept"
  depends_on = [terraform_data.one]
}
module "sub" {
  source = "./sub"
}
output "text" { value = terraform_data.one.output }
`

func newParts(t *testing.T, program string) *small {
	t.Helper()
	s := newSmall(t, program, parts, nil, engine.OutputSpec{Name: "text", Type: "string"})
	sub := filepath.Join(s.dir, "bundle", "m", "sub")
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "resource \"terraform_data\" \"deep\" {\n  count = 1\n  input = \"kept\"\n}\n"
	if err := os.WriteFile(filepath.Join(sub, "main.tf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAdoptMoved takes over a state that is laid out otherwise, in a backend on
// another host, drops it and takes it over again.
func TestAdoptMoved(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newParts(t, program)
		server := serveState(t)
		s.req.Backend = server.backend()
		adopter, ok := s.engine.(engine.Adopter)
		if !ok {
			t.Fatal("the engine adopts nothing")
		}
		source := engine.Source{
			State: stateOf(t, 7,
				instance{name: "old"},
				instance{module: "module.legacy[0]", name: "x", key: 0, dependencies: []string{"terraform_data.old", "data.x.y"}},
				instance{module: "module.parts", name: "deep", key: 0},
				instance{kind: "x", name: "y", data: true},
			),
			Moves: map[string]string{
				"terraform_data.old":                   "terraform_data.one",
				"module.legacy[0].terraform_data.x[0]": `terraform_data.many["a.b"]`,
				"module.parts":                         "module.sub",
			},
		}
		adopted, err := adopter.Adopt(t.Context(), s.req, source)
		if err != nil {
			t.Fatal(err)
		}
		outputs := map[string]any{"text": "kept"}
		if diff := cmp.Diff(outputs, adopted.Outputs); diff != "" || !adopted.Exists {
			t.Errorf("adopted %+v (-want +got):\n%s", adopted, diff)
		}
		p, _, err := s.apply(t)
		if err != nil || !p.Empty() {
			t.Errorf("the preview after the adoption has %+v, %v", p.Changes, err)
		}
		if _, err := adopter.Adopt(t.Context(), s.req, source); err != nil {
			t.Errorf("adopt again: %v", err)
		}
		other := engine.Source{State: stateOf(t, 50, instance{name: "one"})}
		if _, err := adopter.Adopt(t.Context(), s.req, other); engine.ClassOf(err) != engine.Rejected {
			t.Errorf("adopt what has gone on elsewhere: got %v; want class rejected", err)
		}

		if err := adopter.Forget(t.Context(), s.req); err != nil {
			t.Fatal(err)
		}
		seen, err := s.engine.Observe(t.Context(), s.req)
		if err != nil || seen.Exists {
			t.Errorf("observed %+v, %v after it was forgotten", seen, err)
		}
		kept, err := filepath.Glob(filepath.Join(s.dir, "data", "forgotten", "t", "app", "env", "node", "*.tfstate"))
		if err != nil || len(kept) != 1 || !strings.Contains(s.log.String(), kept[0]) {
			t.Fatalf("kept %v, %v; want one state, named in the log", kept, err)
		}
		text, err := os.ReadFile(kept[0])
		if err != nil {
			t.Fatal(err)
		}
		// What was kept is a source like any other.
		again, err := adopter.Adopt(t.Context(), s.req, engine.Source{State: text, Moves: map[string]string{"module.node": "."}})
		if err != nil {
			t.Fatalf("adopt what was forgotten: %v", err)
		}
		if diff := cmp.Diff(outputs, again.Outputs); diff != "" || again.Serial <= adopted.Serial {
			t.Errorf("adopted again with serial %d (-want +got):\n%s", again.Serial, diff)
		}
		if p, _, err := s.apply(t); err != nil || !p.Empty() {
			t.Errorf("the preview after the second adoption has %+v, %v", p.Changes, err)
		}

		// A state that holds nothing any more is in nobody's way.
		if err := s.engine.Destroy(t.Context(), s.req); err != nil {
			t.Fatal(err)
		}
		if _, err := adopter.Adopt(t.Context(), s.req, source); err != nil {
			t.Errorf("adopt over an empty state: %v", err)
		}
	})
}

func TestAdoptRefused(t *testing.T) {
	t.Parallel()
	whole := []instance{
		{name: "one"},
		{name: "many", key: "a.b"},
		{module: "module.sub", name: "deep", key: 0},
	}
	cases := map[string]struct {
		reason string
		more   instance
		says   string
	}{
		"foreign resource": {
			reason: "the next apply would destroy what the module does not have",
			more:   instance{name: "stranger"}, says: `no terraform_data.stranger`,
		},
		"foreign provider": {
			reason: "a state is of the module's own providers",
			more:   instance{kind: "p_x", name: "y", provider: `provider["providers.test/nestor/other"]`}, says: "providers.test/nestor/other",
		},
	}
	each(t, func(t *testing.T, program string) {
		t.Helper()
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newParts(t, program)
				adopter, ok := s.engine.(engine.Adopter)
				if !ok {
					t.Fatal("the engine adopts nothing")
				}
				_, err := adopter.Adopt(t.Context(), s.req, engine.Source{State: stateOf(t, 7, append(whole, c.more)...)})
				if engine.ClassOf(err) != engine.Invalid || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: got %v; want class invalid and %q", c.reason, err, c.says)
				}
				seen, err := s.engine.Observe(t.Context(), s.req)
				if err != nil || seen.Exists {
					t.Errorf("observed %+v, %v; want nothing", seen, err)
				}
				if exists(filepath.Join(s.req.Workspace, "adopt")) {
					t.Error("the trial is left in the workspace")
				}
			})
		}
	})
}

func TestRemap(t *testing.T) {
	t.Parallel()
	const aws = "registry.opentofu.org/hashicorp/aws"
	cases := map[string]struct {
		reason string
		state  []instance
		text   string
		moves  map[string]string
		want   []string
		says   string // of an error
		holds  string // of the state
	}{
		"root becomes the module": {
			reason: "what is at the root of the source is at the root of the module",
			state:  []instance{{name: "a", key: 1}, {module: "module.x", name: "b"}},
			want:   []string{"module.node.module.x.terraform_data.b", "module.node.terraform_data.a[1]"},
		},
		"a module becomes the module": {
			reason: "a state often calls the module that the definition is",
			state:  []instance{{module: `module.x["k"].module.y`, name: "a", dependencies: []string{"module.x.terraform_data.c"}}, {module: `module.x["k"]`, name: "c"}},
			moves:  map[string]string{`module.x["k"]`: "."},
			want:   []string{"module.node.module.y.terraform_data.a", "module.node.terraform_data.c"},
			holds:  `"dependencies":["module.node.terraform_data.c"]`,
		},
		"a resource with its instances": {
			reason: "the keys of its instances stay",
			state:  []instance{{name: "a", key: "x"}, {name: "a", key: "y"}},
			moves:  map[string]string{"terraform_data.a": "module.n.terraform_data.b"},
			want:   []string{`module.node.module.n.terraform_data.b["x"]`, `module.node.module.n.terraform_data.b["y"]`},
			holds:  `"each":"map"`,
		},
		"the other registry": {
			reason: "both programs' registries serve the same provider",
			state:  []instance{{kind: "aws_s3_bucket", name: "a", provider: `module.x.provider["registry.terraform.io/hashicorp/aws"].west`}},
			want:   []string{"module.node.aws_s3_bucket.a"},
			holds:  `"provider":"provider[\"registry.opentofu.org/hashicorp/aws\"]"`,
		},
		"two to one": {
			reason: "one of them would be lost",
			state:  []instance{{name: "a"}, {name: "b"}}, moves: map[string]string{"terraform_data.a": "terraform_data.b"},
			says: "both become",
		},
		"unused move": {
			reason: "a slip of the pen must not be passed over",
			state:  []instance{{name: "a"}}, moves: map[string]string{"terraform_data.x": "terraform_data.a"}, says: `no "terraform_data.x"`,
		},
		"another type": {
			reason: "a resource does not become one of another type",
			state:  []instance{{name: "a"}}, moves: map[string]string{"terraform_data.a": "null_resource.a"}, says: "no place of its kind",
		},
		"no address": {
			reason: "a move is of addresses",
			state:  []instance{{name: "a"}}, moves: map[string]string{"terraform_data.a": "terraform_data.b[x]"}, says: "no key",
		},
		"data alone": {
			reason: "data sources are read again, so there is nothing to take over",
			state:  []instance{{name: "a", data: true}}, says: "no resource",
		},
		"older version":       {reason: "formats before 0.12 differ", text: `{"version": 3, "lineage": "x"}`, says: "version 4"},
		"encrypted":           {reason: "only its owner can decrypt it", text: `{"encrypted_data": "x", "version": 4}`, says: "encrypted"},
		"without a lineage":   {reason: "no program wrote it", text: `{"version": 4, "resources": []}`, says: "lineage"},
		"half a state":        {reason: "a truncated file is none", text: `{"version": 4, "lin`, says: "no state"},
		"replacement at work": {reason: "the rest of it would be lost", text: `{"version": 4, "lineage": "x", "resources": [{"mode": "managed", "type": "t", "name": "n", "instances": [{"deposed": "1"}]}]}`, says: "replacement"},
		"without an instance": {reason: "no program writes that", text: `{"version": 4, "lineage": "x", "resources": [{"mode": "managed", "type": "t", "name": "n"}]}`, says: "damaged"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := []byte(c.text)
			if c.text == "" {
				text = stateOf(t, 1, c.state...)
			}
			got, state, err := terraform.Remap(text, c.moves, aws)
			if c.says != "" {
				if engine.ClassOf(err) != engine.Invalid || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: got %v; want class invalid and %q", c.reason, err, c.says)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", c.reason, err, diff)
			}
			if !strings.Contains(string(state), c.holds) {
				t.Errorf("%s: the state has no %s:\n%s", c.reason, c.holds, state)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"aws_s3_bucket.main", "aws_s3_bucket.main[0]", `aws_s3_bucket.main["a.b]\"["]`, "module.a", `module.a["x.y"].module.b[3].t.n`,
	} {
		if got, err := terraform.ParsePlace(text); err != nil || got != text {
			t.Errorf("%s was read as %s, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "t", "t.", ".n", "t.n.x", "t[0].n", "t.n[", "t.n[-1]", "t.n[a]", `t.n["a]`, `t.n["a"]x`, "data.t.n", "module.a.t", "t.n-o.x", "${t}.n",
	} {
		if got, err := terraform.ParsePlace(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}

// TestAdoptMeanwhileWritten: what somebody writes while a state is tried is not
// pushed over, although the push would be forced.
func TestAdoptMeanwhileWritten(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newSmall(t, program, "resource \"terraform_data\" \"one\" { input = \"kept\" }\n", nil)
		path := stateFile(s.dir, s.req)
		state := func(serial int, resources string) string {
			return fmt.Sprintf(`{"version":4,"terraform_version":"1.6.0","serial":%d,"lineage":"theirs","outputs":{},"resources":[%s]}`, serial, resources)
		}
		const theirs = `{"mode":"managed","type":"terraform_data","name":"theirs","provider":"provider[\"terraform.io/builtin/terraform\"]","instances":[{"schema_version":0,"attributes":{"id":"x"}}]}`
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(state(3, "")), 0o600)); err != nil {
			t.Fatal(err)
		}
		adopter, ok := s.engine.(engine.Adopter)
		if !ok {
			t.Fatal("the engine adopts nothing")
		}
		source := engine.Source{State: stateOf(t, 7, instance{name: "one"})}
		// The program is first heard of when the state is tried.
		meanwhile := &onFirst{do: func() error { return os.WriteFile(path, []byte(state(4, theirs)), 0o600) }}
		req := s.req
		req.Log = io.MultiWriter(s.log, meanwhile)
		if _, err := adopter.Adopt(t.Context(), req, source); engine.ClassOf(err) != engine.Transient {
			t.Errorf("got %v; want class transient", err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != state(4, theirs) {
			t.Errorf("what was written meanwhile is lost: %v\n%s", err, text)
		}
		if _, err := adopter.Adopt(t.Context(), s.req, source); engine.ClassOf(err) != engine.Rejected {
			t.Errorf("the next attempt: got %v; want class rejected", err)
		}
		// Over what holds nothing, it is adopted whatever the lineage.
		if err := os.WriteFile(path, []byte(state(5, "")), 0o600); err != nil {
			t.Fatal(err)
		}
		if seen, err := adopter.Adopt(t.Context(), s.req, source); err != nil || seen.Lineage != "lineage-of-the-source" {
			t.Errorf("adopted %+v, %v over an empty state", seen, err)
		}
	})
}

// onFirst does something when the first line is written to it.
type onFirst struct {
	once sync.Once
	do   func() error
}

func (w *onFirst) Write(p []byte) (int, error) {
	var err error
	w.once.Do(func() { err = w.do() })
	return len(p), err
}

// TestForgetKeepsBackup: whoever looks where the program keeps its backup finds
// what was forgotten, as does whoever looks where the log says.
func TestForgetKeepsBackup(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newSmall(t, program, "resource \"terraform_data\" \"one\" {}\n", nil)
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		adopter, ok := s.engine.(engine.Adopter)
		if !ok {
			t.Fatal("the engine adopts nothing")
		}
		if err := adopter.Forget(t.Context(), s.req); err != nil {
			t.Fatal(err)
		}
		kept, err := filepath.Glob(filepath.Join(s.dir, "data", "forgotten", "t", "app", "env", "node", "*.tfstate"))
		if err != nil || len(kept) != 1 {
			t.Fatalf("kept %v, %v", kept, err)
		}
		for _, path := range []string{stateFile(s.dir, s.req) + ".backup", kept[0]} {
			text, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(text), "terraform_data") {
				t.Errorf("%s: %v, holds\n%s", path, err, text)
			}
			if info, err := os.Stat(path); err == nil && path == kept[0] && info.Mode().Perm() != 0o600 {
				t.Errorf("%s may be read by others: %s", path, info.Mode())
			}
		}
		// Only the last one is kept, and none that holds nothing.
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		if err := adopter.Forget(t.Context(), s.req); err != nil {
			t.Fatal(err)
		}
		last, err := filepath.Glob(filepath.Join(filepath.Dir(kept[0]), "*"))
		if err != nil || len(last) != 1 || last[0] == kept[0] {
			t.Errorf("kept %v, %v; want one other than %s", last, err, kept[0])
		}
		bare := newSmall(t, program, "output \"text\" { value = \"x\" }\n", nil, engine.OutputSpec{Name: "text", Type: "string"})
		if _, _, err := bare.apply(t); err != nil {
			t.Fatal(err)
		}
		adopter, _ = bare.engine.(engine.Adopter)
		if err := adopter.Forget(t.Context(), bare.req); err != nil {
			t.Fatal(err)
		}
		if exists(filepath.Join(bare.dir, "data", "forgotten")) {
			t.Error("a state without a resource is kept")
		}
	})
}
