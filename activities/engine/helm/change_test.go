// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube/kubetest"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
)

func TestValues(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{
		"values.yaml": "image: {tag: none, pull: Always}\n",
		"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n" +
			"  all: {{ toJson .Values | quote }}\n  big: \"{{ .Values.big }}\"\n  ratio: \"{{ .Values.ratio }}\"\n",
	})
	f.req.Implementation.Inputs = map[string]string{"tag": "image.tag", "big": "big", "dotted": `labels.a\.b`, "left": ""}
	f.settings(map[string]any{"values": map[string]any{
		"url": "http://${inputs.host}:${inputs.port}", "port": "${inputs.port}", "absent": "${inputs.nothing}", "literal": "$${x}",
	}})
	f.inputs(map[string]any{
		"tag": "1.0", "big": int64(9007199254740993), "ratio": 0.25, "dotted": "d", "left": "out", "host": "h", "port": int64(80),
		"list": []any{int64(1), "a"}, "yes": true,
	})
	f.up(t)
	want := `{"big":9007199254740993,"image":{"pull":"Always","tag":"1.0"},"labels":{"a.b":"d"},"list":[1,"a"],` +
		`"literal":"${x}","port":80,"ratio":0.25,"url":"http://h:80","yes":true}`
	got := f.configMap(t, "a")
	if diff := cmp.Diff(map[string]any{"all": want, "big": "9007199254740993", "ratio": "0.25"}, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	f.req.Implementation.Inputs = map[string]string{"tag": "image.tag.deep", "big": "image.tag"}
	f.refused(t, engine.Invalid, "image.tag")
}

// drawn is a chart whose every rendering differs.
func drawn() chart {
	return chart{
		"values.yaml": "mode: \"\"\nsize: 1\n",
		"templates/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: drawn}\nstringData: {password: {{ randAlphaNum 24 | quote }}}\n" +
			"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: at}\ndata: {when: {{ now | unixEpoch | quote }}, draw: {{ randAlphaNum 12 | quote }}}\n",
		"templates/thing.yaml": "apiVersion: " + kubetest.APIVersion + "\nkind: Thing\nmetadata: {name: thing}\n" +
			"spec: {name: thing, size: {{ .Values.size }}, mode: {{ .Values.mode | quote }}}\n",
	}
}

// TestDrawn applies what was previewed, and keeps what was drawn until chart or
// values change; going back to a revision gives back what it had.
func TestDrawn(t *testing.T) {
	t.Parallel()
	f := begin(t, drawn())
	f.inputs(map[string]any{"size": int64(1), "mode": ""})
	p, first := f.up(t)
	draw := attribute(t, p, "ConfigMap/"+f.namespace+"/at", "data.draw").After
	if got := f.configMap(t, "at")["draw"]; got != draw {
		t.Errorf("applied %v, previewed %v", got, draw)
	}
	password := f.secret(t, "drawn")
	p, again := f.up(t)
	if !p.Empty() || again.Serial != first.Serial {
		t.Errorf("serial %d, changes %+v", again.Serial, p.Changes)
	}
	f.inputs(map[string]any{"size": int64(2), "mode": "fail-set"})
	f.refused(t, engine.Rejected, "Thing/"+f.namespace+"/thing", "quota exceeded")
	if f.secret(t, "drawn") == password {
		t.Error("the password of the failed revision is that of the first")
	}
	seen, err := f.engine.Observe(t.Context(), f.req)
	if err != nil || !seen.Exists || seen.Serial != 2 {
		t.Errorf("observed %+v, %v", seen, err)
	}
	f.inputs(map[string]any{"size": int64(1), "mode": ""})
	_, back := f.up(t)
	if back.Serial != 3 || f.secret(t, "drawn") != password || f.configMap(t, "at")["draw"] != draw {
		t.Errorf("revision %d is not what the first was", back.Serial)
	}
	if got := f.release(t, "app", 3).Info.Description; got != "Rollback to 1" {
		t.Errorf("revision 3 is %q", got)
	}
	if p, _ := f.up(t); !p.Empty() {
		t.Errorf("changes after the rollback: %+v", p.Changes)
	}
}

func (f *fixture) secret(t *testing.T, name string) string {
	t.Helper()
	s, err := f.client.CoreV1().Secrets(f.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(s.Data["password"])
}

// TestOvertaken refuses to apply what is no longer what was previewed.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.up(t)
	f.inputs(map[string]any{"size": int64(2)})
	overtaken := f.preview(t)
	f.patchConfigMap(t, "a", `{"data":{"size":"5"}}`)
	_, err := f.engine.Apply(t.Context(), f.req, overtaken)
	wantError(t, err, engine.Transient) // what it would change is the same, but not from what was shown
	f.up(t)
	early := f.preview(t)
	f.inputs(map[string]any{"size": int64(3)})
	f.up(t)
	_, err = f.engine.Apply(t.Context(), f.req, early)
	wantError(t, err, engine.Transient, "preview again")
}

func TestLookup(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{"templates/a.yaml": `{{- $had := lookup "v1" "Secret" .Release.Namespace "kept" -}}
apiVersion: v1
kind: Secret
metadata: {name: kept}
data: {password: {{ if $had }}{{ index $had.data "password" }}{{ else }}{{ randAlphaNum 20 | b64enc }}{{ end }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {size: {{ .Values.size | quote }}}
`})
	f.inputs(map[string]any{"size": int64(1)})
	f.up(t)
	password := f.secret(t, "kept")
	f.inputs(map[string]any{"size": int64(2)})
	p, _ := f.up(t)
	if got := shown(p); len(got) != 1 || f.secret(t, "kept") != password {
		t.Errorf("changes %v", got)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	const secret = "tangerine-and-so-on"
	files := chart{"templates/a.yaml": `
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: {{ .Values.password | quote }}, other: fixed-text-of-a-secret}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  annotations: {checksum: {{ .Values.password | sha256sum | quote }}}
data:
  url: "https://user:{{ .Values.password }}@host"
  encoded: {{ .Values.password | b64enc | quote }}
  plain: {{ .Values.plain | quote }}
`}
	f := begin(t, files)
	f.inputs(map[string]any{"password": secret, "plain": "shown"})
	f.req.Sensitive = map[string]bool{"password": true}
	p, _ := f.up(t)
	check := func(p engine.Preview) {
		t.Helper()
		for _, c := range p.Changes {
			for _, a := range c.Attributes {
				masked := strings.HasPrefix(c.Address, "Secret/") && strings.HasPrefix(a.Path, "stringData") ||
					a.Path == "data.url" || a.Path == "data.encoded" || a.Path == "metadata.annotations.checksum"
				if masked && (!a.Sensitive || a.Before != nil || a.After != nil) {
					t.Errorf("%s %s shows %v → %v", c.Address, a.Path, a.Before, a.After)
				}
			}
		}
	}
	check(p)
	if a := attribute(t, p, "ConfigMap/"+f.namespace+"/a", "data.plain"); a.After != "shown" {
		t.Errorf("plain is %+v", a)
	}
	f.inputs(map[string]any{"password": "another-fruit-of-yours"})
	p, _ = f.up(t)
	check(p)
	if strings.Contains(f.log.String(), secret) {
		t.Error("the log holds the secret")
	}
}

func TestRemovedAndKept(t *testing.T) {
	t.Parallel()
	keep := strings.ReplaceAll(configMap("k", "x", "text"), "metadata:\n", "metadata:\n  annotations: {helm.sh/resource-policy: keep}\n")
	f := begin(t, chart{"templates/a.yaml": configMap("a", "x", "text"), "templates/b.yaml": configMap("b", "x", "text"), "templates/k.yaml": keep})
	f.up(t)
	f.chart(t, chart{"templates/a.yaml": configMap("a", "y1", "text")})
	p, _ := f.up(t)
	want := map[string]orchestrator.Action{
		"ConfigMap/" + f.namespace + "/a": orchestrator.ActionUpdate, "ConfigMap/" + f.namespace + "/b": orchestrator.ActionDelete,
	}
	if diff := cmp.Diff(want, shown(p)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"y1": "text"}, f.configMap(t, "a")); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	f.configMap(t, "k")
	if !strings.Contains(f.log.String(), "ConfigMap/"+f.namespace+"/k stays") {
		t.Error("the log does not tell what stays")
	}
	f.destroy(t)
	f.configMap(t, "k")
	if _, err := f.resource("", "configmaps").Get(t.Context(), "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a is there after the destruction: %v", err)
	}
}

// TestAfterFailure takes away what only a failed revision had.
func TestAfterFailure(t *testing.T) {
	t.Parallel()
	base := drawn()["templates/thing.yaml"]
	f := begin(t, chart{"templates/a.yaml": configMap("a", "one", "text"), "templates/thing.yaml": base})
	f.inputs(map[string]any{"size": int64(1), "mode": ""})
	f.up(t)
	f.chart(t, chart{"templates/a.yaml": configMap("a", "two", "text"), "templates/b.yaml": configMap("b", "x", "text"), "templates/thing.yaml": base})
	f.inputs(map[string]any{"size": int64(2), "mode": "fail-set"})
	f.refused(t, engine.Rejected)
	f.chart(t, chart{"templates/a.yaml": configMap("a", "three", "text"), "templates/thing.yaml": base})
	f.inputs(map[string]any{"mode": ""})
	p, r := f.up(t)
	if got := shown(p)["ConfigMap/"+f.namespace+"/b"]; got != orchestrator.ActionDelete || r.Serial != 3 {
		t.Errorf("revision %d, changes %+v", r.Serial, p.Changes)
	}
	if diff := cmp.Diff(map[string]any{"three": "text"}, f.configMap(t, "a")); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	if got := f.release(t, "app", 1).Info.Status; got != release.StatusSuperseded {
		t.Errorf("revision 1 is %s", got)
	}
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.req.Clusters["second"] = f.req.Clusters["test"]
	namespace := f.namespace + "-made"
	f.settings(map[string]any{"namespace": "${inputs.namespace}", "cluster": "${inputs.cluster}", "values": map[string]any{
		"place": "${inputs.namespace}${inputs.cluster}",
	}})
	f.inputs(map[string]any{"namespace": namespace, "cluster": "second"})
	f.refused(t, engine.Invalid, "cluster second has no namespace "+namespace, "createNamespace")
	f.settings(map[string]any{"createNamespace": true})
	p, _ := f.up(t)
	want := map[string]orchestrator.Action{"Namespace/" + namespace: orchestrator.ActionCreate, "ConfigMap/" + namespace + "/a": orchestrator.ActionCreate}
	if diff := cmp.Diff(want, shown(p)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if p, _ := f.up(t); !p.Empty() {
		t.Errorf("changes %+v", p.Changes)
	}
	f.destroy(t)
	if !strings.Contains(f.log.String(), "Namespace/"+namespace+" stays") {
		t.Error("the log does not tell that the namespace stays")
	}
	if err := f.client.CoreV1().Namespaces().Delete(t.Context(), namespace, metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.settings(map[string]any{"outputs": map[string]any{
		"endpoint": map[string]any{"value": "${release.name}.${release.namespace}:${inputs.size}"},
		"size":     map[string]any{"value": "${inputs.size}"},
		"where":    map[string]any{"value": "${release.namespace}"},
		"data":     map[string]any{"object": map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "a"}, "path": "{.data}"},
		"missing":  map[string]any{"object": map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "none"}, "path": "{.data.x}"},
	}})
	f.req.Outputs = []engine.OutputSpec{
		{Name: "endpoint", Type: string(catalog.TypeString)},
		{Name: "size", Type: string(catalog.TypeInteger)},
		{Name: "where", Type: string(catalog.TypeString)},
		{Name: "data", Type: string(catalog.TypeMap)},
	}
	f.inputs(map[string]any{"size": int64(4)})
	_, r := f.up(t)
	want := map[string]any{"endpoint": "app." + f.namespace + ":4", "size": int64(4), "where": f.namespace, "data": map[string]any{"size": "4"}}
	if diff := cmp.Diff(want, r.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	f.inputs(map[string]any{"size": int64(5)})
	if p := f.preview(t); !cmp.Equal(p.OutputsKept, []string{"where"}) {
		t.Errorf("kept %v", p.OutputsKept)
	}
	f.req.Outputs = append(f.req.Outputs, engine.OutputSpec{Name: "missing", Type: "string"})
	f.refused(t, engine.Invalid, "missing", "ConfigMap/none")
}

// TestTime tells a lack of time from a request to stop.
func TestTime(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{"templates/d.yaml": deployment(nowhere)})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, _, err := f.try(ctx)
	wantError(t, err, engine.Rejected, "Deployment/"+f.namespace+"/web", "raise timeouts")
	if got := f.release(t, "app", 1).Info.Status; got != release.StatusFailed {
		t.Errorf("the revision is %s", got)
	}
	f.chart(t, chart{"templates/d.yaml": deployment("")})
	f.up(t)
	f.destroy(t)
}
