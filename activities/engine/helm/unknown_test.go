// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// shortly is a context that ends while a test waits for it.
func shortly(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), 3*time.Second)
}

// quotaCounts says that the cluster knows of a quota.
func (f *fixture) quotaCounts(t *testing.T, name string) func(context.Context) bool {
	t.Helper()
	return func(ctx context.Context) bool {
		q, err := f.client.CoreV1().ResourceQuotas(f.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return len(q.Status.Hard) > 0
	}
}

const because = "known after web.database"

func TestUnknown(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason  string
		chart   chart
		unknown []string
		// want are the paths that are unknown, by address.
		want map[string][]string
		// actions, where they are not all creations of what want names.
		actions map[string]orchestrator.Action
	}{
		"digest": {
			"what is computed from it depends on it",
			chart{"templates/a.yaml": configMap("a", "sum", "{{ .Values.x | sha256sum | quote }}")},
			[]string{"x"},
			map[string][]string{"ConfigMap/NS/a": {"data.sum"}},
			nil,
		},
		"arithmetic": {
			"a number by the chart's default",
			chart{"values.yaml": "x: 1\n", "templates/a.yaml": configMap("a", "number", "{{ mul .Values.x 2 | quote }}")},
			[]string{"x"},
			map[string][]string{"ConfigMap/NS/a": {"data.number"}},
			nil,
		},
		"arithmetic without a default": {
			"a number whose type nothing tells",
			chart{"templates/a.yaml": configMap("a", "number", "{{ add .Values.x 2 | quote }}")},
			[]string{"x"},
			map[string][]string{"ConfigMap/NS/a": {"data.number"}},
			nil,
		},
		"truncated": {
			"a part of it is unknown, too",
			chart{"templates/a.yaml": configMap("a", "part", "{{ printf \"%s-x\" .Values.x | trunc 200 | upper | quote }}")},
			[]string{"x"},
			map[string][]string{"ConfigMap/NS/a": {"data.part"}},
			nil,
		},
		"encoded": {
			"also where it is encoded",
			chart{"templates/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {x: {{ .Values.x | b64enc }}, y: YQ==}\n"},
			[]string{"x"},
			map[string][]string{"Secret/NS/s": {"data.x"}},
			nil,
		},
		"loop": {
			"a list is unknown as a whole",
			chart{"values.yaml": "x: []\n", "templates/a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {z: z}}\nspec:\n  ports: [{port: 80}]\n  externalIPs:\n    {{- range .Values.x }}\n    - {{ . }}\n    {{- end }}\n"},
			[]string{"x"},
			map[string][]string{"Service/NS/s": {"spec.externalIPs"}},
			nil,
		},
		"condition": {
			"an object may turn out not to be there",
			chart{"values.yaml": "x: false\n", "templates/a.yaml": "{{ if .Values.x }}\n" + configMap("a", "k", "v1") + "{{ end }}"},
			[]string{"x"},
			map[string][]string{"ConfigMap/NS/a": nil},
			nil,
		},
		"name": {
			"an address says what is unknown",
			chart{"templates/a.yaml": configMap("a-{{ .Values.x }}", "k", "v1")},
			[]string{"x"},
			map[string][]string{"ConfigMap/NS/a-(" + because + ")": {"metadata.name"}},
			nil,
		},
		"cannot be rendered": {
			"the release as one",
			chart{"templates/a.yaml": "{{ if ne .Values.x \"the one\" }}{{ fail \"no\" }}{{ end }}"},
			[]string{"x"},
			map[string][]string{"Release/NS/app": {"inputs.x"}},
			nil,
		},
		"two": {
			"each by itself",
			chart{"templates/a.yaml": configMap("a", "x", "{{ .Values.x | quote }}") + "  y2: {{ .Values.y | quote }}\n  z: known\n"},
			[]string{"x", "y"},
			map[string][]string{"ConfigMap/NS/a": {"data.x", "data.y2"}},
			nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, test.chart)
			f.req.Unknown = map[string]string{}
			for _, input := range test.unknown {
				f.req.Unknown[input] = because
			}
			p := f.preview(t)
			got := map[string][]string{}
			for _, c := range p.Changes {
				if c.Action != orchestrator.ActionCreate {
					t.Errorf("%s is to be %sd", c.Address, c.Action)
				}
				var paths []string
				for _, a := range c.Attributes {
					if a.Unknown == because && a.After == nil {
						paths = append(paths, a.Path)
					}
				}
				got[replaceNamespace(c.Address, f.namespace)] = paths
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
			_, err := f.engine.Apply(t.Context(), f.req, p)
			wantError(t, err, engine.Invalid)
		})
	}
}

func replaceNamespace(address, namespace string) string {
	out := []byte(address)
	for i := 0; i+len(namespace) <= len(out); i++ {
		if string(out[i:i+len(namespace)]) == namespace {
			return string(out[:i]) + "NS" + string(out[i+len(namespace):])
		}
	}
	return address
}

// TestUnknownOfWhatIs compares with what is there: the rest is known.
func TestUnknownOfWhatIs(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{"templates/a.yaml": configMap("a", "x", "{{ .Values.x | quote }}") + "  y2: {{ .Values.y | quote }}\n  z: same\n", "templates/b.yaml": configMap("b", "k", "v1")})
	f.inputs(map[string]any{"x": int64(1), "y": "before"})
	f.up(t)
	f.req.Inputs, f.req.Unknown = map[string]any{"y": "after"}, map[string]string{"x": because}
	p := f.preview(t)
	want := []orchestrator.Change{{
		Address: "ConfigMap/" + f.namespace + "/a", Action: orchestrator.ActionUpdate,
		Attributes: []orchestrator.AttributeChange{
			{Path: "data.x", Before: "1", Unknown: because}, {Path: "data.y2", Before: "before", After: "after"},
		},
	}}
	if diff := cmp.Diff(want, p.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// TestUnknownPlace previews before it is known where the release will be.
func TestUnknownPlace(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.settings(map[string]any{"namespace": "${inputs.namespace}"})
	f.req.Implementation.Inputs = map[string]string{"namespace": ""}
	f.req.Unknown = map[string]string{"namespace": because}
	p := f.preview(t)
	if got := shown(p); len(got) != 1 || got["ConfigMap/("+because+")/a"] != orchestrator.ActionCreate {
		t.Errorf("changes %+v", p.Changes)
	}
	known := f.req
	known.Unknown, known.Inputs = nil, map[string]any{"namespace": f.namespace}
	kept := f.req
	f.req = known
	f.up(t)
	f.req = kept // it is there, and taken to stay where it is
	if p := f.preview(t); !p.Empty() {
		t.Errorf("changes %+v", p.Changes)
	}
}
