// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/internal/expand"
	"github.com/HatiCode/nestor/internal/testkube"
	"github.com/HatiCode/nestor/orchestrator"
)

func TestMain(m *testing.M) { os.Exit(testkube.Main(m)) }

// kubeconfig of a cluster that is never reached.
const kubeconfig = `{"apiVersion": "v1", "kind": "Config", "current-context": "a",
"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
"users": [{"name": "u", "user": {"token": "very-secret-token"}}],
"contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}]}`

func TestConnect(t *testing.T) {
	t.Parallel()
	access := engine.Cluster{Kubeconfig: []byte(kubeconfig), Namespace: "home"}
	clusters := map[string]engine.Cluster{
		"east": access, "west": access, "odd": {Kubeconfig: []byte("very-secret: [")},
		"none": {}, "other": {Kubeconfig: []byte(kubeconfig), Context: "b"},
	}
	for name, c := range map[string]struct {
		reason             string
		req                engine.Request
		cluster, namespace string
		wantCluster        string
		wantNamespace      string
		wantError          []string
	}{
		"default": {
			reason: "the environment says which", req: engine.Request{Cluster: "east", Clusters: clusters},
			wantCluster: "east", wantNamespace: "home",
		},
		"only one": {
			reason: "there is no choice", req: engine.Request{Clusters: map[string]engine.Cluster{"east": access}},
			wantCluster: "east", wantNamespace: "home",
		},
		"templates": {
			reason:  "inputs choose",
			req:     engine.Request{Cluster: "east", Clusters: clusters, Inputs: map[string]any{"where": "west"}},
			cluster: "${inputs.where}", namespace: "in-${inputs.where}", wantCluster: "west", wantNamespace: "in-west",
		},
		"no default": {
			reason: "it would be a guess", req: engine.Request{Clusters: clusters},
			wantError: []string{"no cluster is named", "east", "west"},
		},
		"no clusters": {reason: "there is nothing to reach", req: engine.Request{}, wantError: []string{"no cluster is named", "none"}},
		"unknown name": {
			reason: "it is not there", req: engine.Request{Clusters: clusters}, cluster: "north",
			wantError: []string{`no cluster "north"`, "east, none"},
		},
		"known later": {
			reason: "a plan must look at the cluster", cluster: "${inputs.where}",
			req:       engine.Request{Clusters: clusters, Unknown: map[string]string{"where": "known after web.net"}},
			wantError: []string{"known after web.net"},
		},
		"no input":      {reason: "a typing error", req: engine.Request{Clusters: clusters}, cluster: "${inputs.wher}", wantError: []string{"settings.cluster", "inputs.wher"}},
		"odd file":      {reason: "not a kubeconfig", req: engine.Request{Cluster: "odd", Clusters: clusters}, wantError: []string{"cluster odd", "no valid kubeconfig"}},
		"no file":       {reason: "nothing to go by", req: engine.Request{Cluster: "none", Clusters: clusters}, wantError: []string{"cluster none", "no kubeconfig"}},
		"other context": {reason: "it is not in the file", req: engine.Request{Cluster: "other", Clusters: clusters}, wantError: []string{`no context "b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := kube.Connect(c.req, "helm", c.cluster, c.namespace)
			if len(c.wantError) > 0 {
				wantError(t, err, engine.Invalid, c.wantError...)
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", c.reason, err)
			}
			if got.Name != c.wantCluster || got.Namespace != c.wantNamespace {
				t.Errorf("%s: cluster %s, namespace %s; want %s, %s", c.reason, got.Name, got.Namespace, c.wantCluster, c.wantNamespace)
			}
		})
	}
}

func wantError(t *testing.T, err error, class engine.Class, words ...string) {
	t.Helper()
	e, ok := engine.AsError(err)
	if !ok || e.Class != class {
		t.Fatalf("error is %v (%s); want class %s", err, engine.ClassOf(err), class)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("the message %q does not say %q", e.Message, w)
		}
	}
	if strings.Contains(e.Message, "very-secret") {
		t.Errorf("the message %q holds a secret", e.Message)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	req := engine.Request{
		Inputs:  map[string]any{"size": int64(3), "zones": []any{"a"}},
		Unknown: map[string]string{"host": "known after web.database"},
	}
	got, err := expand.Value(map[string]any{
		"size": "${inputs.size}", "zones": "${inputs.zones}", "absent": "${inputs.absent}",
		"host": "${inputs.host}", "url": "https://${inputs.host}/",
	}, kube.Lookup(req))
	if err != nil {
		t.Fatal(err)
	}
	unknown := kube.Placeholder("known after web.database")
	want := map[string]any{"size": int64(3), "zones": []any{"a"}, "host": unknown, "url": "https://" + unknown + "/"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expanded (-want +got):\n%s", diff)
	}
	if reason, is := kube.UnknownIn([]any{map[string]any{"a": got}}); !is || reason != "known after web.database" {
		t.Errorf("the unknown value is found as %q, %v", reason, is)
	}
	if _, is := kube.UnknownIn(map[string]any{"a": []any{"b", int64(1)}}); is {
		t.Error("something known is taken for unknown")
	}
	if _, err := expand.String("${release.name}", kube.Lookup(req)); err == nil || !strings.Contains(err.Error(), "release.name") {
		t.Errorf("a reference to nothing gives %v", err)
	}
}

func object(spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.org/v1", "kind": "Database",
		"metadata": map[string]any{"name": "main", "resourceVersion": "12", "uid": "u", "generation": int64(2)},
		"spec":     spec, "status": map[string]any{"phase": "any"},
	}}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	req := engine.Request{
		Inputs:    map[string]any{"password": "hunter2222", "pin": int64(7)},
		Sensitive: map[string]bool{"password": true, "pin": true},
	}
	mask := kube.NewMask(req)
	mask.LearnFields(map[string]any{"spec": map[string]any{"users": []any{map[string]any{"pin": "${inputs.pin}"}}}}, req)
	for name, c := range map[string]struct {
		reason        string
		before, after map[string]any
		want          []orchestrator.AttributeChange
	}{
		"none": {reason: "numbers are equal however they are written", before: map[string]any{"size": int64(2)}, after: map[string]any{"size": 2.0}},
		"update": {
			reason: "leaf by leaf", before: map[string]any{"size": int64(2), "a": map[string]any{"b": "c"}},
			after: map[string]any{"size": int64(3), "a": map[string]any{"b.d": true}},
			want: []orchestrator.AttributeChange{
				{Path: "spec.a.b", Before: "c"},
				{Path: `spec.a["b.d"]`, After: true},
				{Path: "spec.size", Before: int64(2), After: int64(3)},
			},
		},
		"unknown": {
			reason: "no value is shown for what is not known", before: map[string]any{"host": "old"},
			after: map[string]any{"host": "https://" + kube.Placeholder("known after web.db")},
			want:  []orchestrator.AttributeChange{{Path: "spec.host", Before: "old", Unknown: "known after web.db"}},
		},
		"named elements": {
			reason: "an element keeps its name when another is put before it",
			before: map[string]any{"c": []any{map[string]any{"name": "x", "v": "1"}}},
			after:  map[string]any{"c": []any{map[string]any{"name": "w", "v": "0"}, map[string]any{"name": "x", "v": "2"}}},
			want: []orchestrator.AttributeChange{
				{Path: "spec.c[name=w].name", After: "w"},
				{Path: "spec.c[name=w].v", After: "0"},
				{Path: "spec.c[name=x].v", Before: "1", After: "2"},
			},
		},
		"positions": {
			reason: "others are compared by their place", before: map[string]any{"z": []any{"a"}}, after: map[string]any{"z": []any{"a", "b"}},
			want: []orchestrator.AttributeChange{{Path: "spec.z[1]", After: "b"}},
		},
		"secret text": {
			reason: "a secret shows nowhere", before: map[string]any{"url": "x"}, after: map[string]any{"url": "db://me:hunter2222@host"},
			want: []orchestrator.AttributeChange{{Path: "spec.url", Sensitive: true}},
		},
		"secret field": {
			reason: "nor does an older one, or one that is no text, wherever its element is",
			before: map[string]any{"users": []any{map[string]any{"pin": int64(1)}, map[string]any{"pin": int64(2)}}},
			after:  map[string]any{"users": []any{map[string]any{"pin": int64(7)}, map[string]any{"pin": int64(2)}}},
			want:   []orchestrator.AttributeChange{{Path: "spec.users[0].pin", Sensitive: true}},
		},
		"empty": {
			reason: "nothing is a value, too", before: map[string]any{}, after: map[string]any{"l": []any{}, "m": map[string]any{}},
			want: []orchestrator.AttributeChange{{Path: "spec.l", After: []any{}}, {Path: "spec.m", After: map[string]any{}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := object(c.after)
			after.SetResourceVersion("13")
			after.Object["status"] = map[string]any{"phase": "other"}
			if diff := cmp.Diff(c.want, kube.Diff(object(c.before), after, mask)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestMaskOfNumbers(t *testing.T) {
	t.Parallel()
	mask := kube.NewMask(engine.Request{
		Inputs: map[string]any{
			"pin": int64(471147), "ratio": 1e21, "short": int64(80),
			"list": []any{true, json.Number("31337"), 0.4711},
		},
		Sensitive: map[string]bool{"pin": true, "ratio": true, "short": true, "list": true},
	})
	for text, want := range map[string]string{
		"pin=471147;": "pin=(sensitive);", "31337": "(sensitive)", "0.4711": "(sensitive)", "1e+21": "(sensitive)",
		"1000000000000000000000": "(sensitive)", "port 80 is true": "port 80 is true",
	} {
		if got := mask.Text(text); got != want {
			t.Errorf("%q is shown as %q; want %q", text, got, want)
		}
	}
	for value, want := range map[any]bool{int64(471147): true, 471147.0: true, int64(4711470): false, true: false} {
		if got := mask.Holds([]any{value}); got != want {
			t.Errorf("%v is secret: %t; want %t", value, got, want)
		}
	}
	whole := mask.Hiding("")
	for _, a := range kube.Diff(nil, object(map[string]any{"a": "b"}), whole) {
		if !a.Sensitive || a.After != nil {
			t.Errorf("of what is hidden as a whole, it shows %+v", a)
		}
	}
	if got := kube.Diff(nil, object(map[string]any{"a": "b", "c": "d"}), mask.Hiding("spec.a")); len(got) == 0 || mask.Hiding() != mask {
		t.Errorf("attributes %+v", got)
	} else {
		for _, a := range got {
			if a.Sensitive != (a.Path == "spec.a") {
				t.Errorf("%+v", a)
			}
		}
	}
}

func TestDiffOfSecret(t *testing.T) {
	t.Parallel()
	secret := func(value string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"},
			"data": map[string]any{"key": value}, "type": "Opaque",
		}}
	}
	want := []orchestrator.AttributeChange{{Path: "data.key", Sensitive: true}}
	if diff := cmp.Diff(want, kube.Diff(secret("b25l"), secret("dHdv"), nil)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	for _, a := range kube.Diff(nil, secret("b25l"), nil) {
		if strings.HasPrefix(a.Path, "data") && (a.After != nil || !a.Sensitive) {
			t.Errorf("created: %+v", a)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	condition := func(kind, status, message string, generation int64) map[string]any {
		return map[string]any{"type": kind, "status": status, "reason": "R", "message": message, "observedGeneration": generation}
	}
	for name, c := range map[string]struct {
		reason        string
		status        map[string]any
		ready, failed bool
		message       string
	}{
		"ready":    {reason: "both say so", status: map[string]any{"conditions": []any{condition("Synced", "True", "", 2), condition("Ready", "True", "", 2)}}, ready: true},
		"stale":    {reason: "it is about an older version", status: map[string]any{"conditions": []any{condition("Ready", "True", "", 1)}}, message: "Ready=True"},
		"observed": {reason: "the controller has not seen it", status: map[string]any{"observedGeneration": int64(1), "conditions": []any{condition("Ready", "True", "", 0)}}, message: "generation"},
		"waiting":  {reason: "not yet", status: map[string]any{"conditions": []any{condition("Ready", "False", "no endpoint", 2)}}, message: "no endpoint"},
		"unsynced": {reason: "Crossplane cannot work on it", status: map[string]any{"conditions": []any{condition("Ready", "True", "", 2), condition("Synced", "False", "denied", 2)}}, message: "denied"},
		"stalled":  {reason: "its controller has given up", status: map[string]any{"conditions": []any{condition("Stalled", "True", "quota exceeded", 2)}}, failed: true, message: "quota exceeded"},
		"silent":   {reason: "it says nothing", status: map[string]any{}, ready: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			obj := object(nil)
			obj.Object["status"] = c.status
			ready, failed, message := kube.Status(obj)
			if ready != c.ready || failed != c.failed || !strings.Contains(message, c.message) {
				t.Errorf("%s: got %v, %v, %q; want %v, %v, %q", c.reason, ready, failed, message, c.ready, c.failed, c.message)
			}
		})
	}
}
