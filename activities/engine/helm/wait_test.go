// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube/kubetest"
	"github.com/HatiCode/nestor/orchestrator"
)

// deployment is one whose pods go to a node; an empty one is any.
func deployment(node string) string {
	return `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeName: "` + node + `"
      containers: [{name: web, image: "example.test/web:1"}]
`
}

func TestDeploymentBecomesReady(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{"templates/d.yaml": deployment("")})
	f.up(t)
	d, err := f.client.AppsV1().Deployments(f.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || d.Status.ReadyReplicas != 2 {
		t.Errorf("%d replicas are ready, %v", d.Status.ReadyReplicas, err)
	}
	if p, _ := f.up(t); !p.Empty() {
		t.Errorf("changes %+v", p.Changes)
	}
	f.destroy(t)
	pods, err := f.client.CoreV1().Pods(f.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) > 0 {
		t.Errorf("%d pods are left, %v", len(pods.Items), err)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{"templates/d.yaml": deployment("")})
	f.make(t, "resourcequotas", "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {pods: \"0\"}}\n")
	eventually(t, "the quota to count", f.quotaCounts(t, "q"))
	f.refused(t, engine.Rejected, "Deployment/"+f.namespace+"/web", "exceeded quota")
}

func TestImmutableField(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{"templates/d.yaml": deployment("")})
	f.up(t)
	f.chart(t, chart{"templates/d.yaml": strings.ReplaceAll(deployment(""), "app: web", "app: other")})
	p, _ := f.up(t)
	if got := shown(p)["Deployment/"+f.namespace+"/web"]; got != orchestrator.ActionReplace {
		t.Fatalf("changes %+v", p.Changes)
	}
	if a := attribute(t, p, "Deployment/"+f.namespace+"/web", "spec.selector.matchLabels.app"); !a.Replaces {
		t.Errorf("selector %+v", a)
	}
	f.destroy(t)
}

// nowhere is a node that does not exist.
const nowhere = "nowhere"

// job is a hook; one that cannot run fails when its second is over.
func job(name, event, node, policy string) string {
	return `apiVersion: batch/v1
kind: Job
metadata:
  name: ` + name + `
  annotations: {helm.sh/hook: "` + event + `"` + policy + `}
spec:
  backoffLimit: 0
  activeDeadlineSeconds: ` + map[bool]string{true: "60", false: "1"}[node == ""] + `
  template:
    spec:
      restartPolicy: Never
      nodeName: "` + node + `"
      containers: [{name: main, image: "example.test/job:1"}]
`
}

func TestHooks(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{
		"templates/a.yaml":       configMap("a", "size", "{{ .Values.size | quote }}"),
		"templates/before.yaml":  job("before", "pre-install,pre-upgrade", "", ""),
		"templates/after.yaml":   job("after", "post-install", "", `, helm.sh/hook-delete-policy: "hook-succeeded"`),
		"templates/goodbye.yaml": job("goodbye", "pre-delete", "", ""),
	})
	f.inputs(map[string]any{"size": int64(1)})
	p, _ := f.up(t)
	if diff := cmp.Diff(map[string]orchestrator.Action{"ConfigMap/" + f.namespace + "/a": orchestrator.ActionCreate}, shown(p)); diff != "" {
		t.Errorf("a hook is no resource (-want +got):\n%s", diff)
	}
	jobs := f.client.BatchV1().Jobs(f.namespace)
	first, err := jobs.Get(t.Context(), "before", metav1.GetOptions{})
	if err != nil || first.Status.Succeeded != 1 {
		t.Fatalf("the hook before: %+v, %v", first.Status, err)
	}
	if _, err := jobs.Get(t.Context(), "after", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the hook after was to be deleted: %v", err)
	}
	f.inputs(map[string]any{"size": int64(2)})
	f.up(t)
	second, err := jobs.Get(t.Context(), "before", metav1.GetOptions{})
	if err != nil || second.UID == first.UID {
		t.Errorf("the hook did not run again: %v", err)
	}
	if _, _, err := f.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	if third, err := jobs.Get(t.Context(), "before", metav1.GetOptions{}); err != nil || third.UID != second.UID {
		t.Errorf("the hook ran although nothing changed: %v", err)
	}
	f.destroy(t)
	left, err := jobs.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("%d jobs are left, %v", len(left.Items), err)
	}
	if !strings.Contains(f.log.String(), "hook pre-delete Job/goodbye") {
		t.Error("the hook at the end did not run")
	}
}

func TestFailingHook(t *testing.T) {
	t.Parallel()
	files := chart{"templates/a.yaml": configMap("a", "x", "text"), "templates/h.yaml": job("migrate", "pre-install", nowhere, "")}
	f := begin(t, files)
	f.refused(t, engine.Rejected, "Job/"+f.namespace+"/migrate", "hook pre-install failed", "deadline")
	if _, err := f.resource("", "configmaps").Get(t.Context(), "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("what comes after the hook is there: %v", err)
	}
	if got := f.release(t, "app", 1); got.Info.Status != release.StatusFailed || got.Hooks[0].LastRun.Phase != release.HookPhaseFailed {
		t.Errorf("the revision is %s, its hook %s", got.Info.Status, got.Hooks[0].LastRun.Phase)
	}
	// The first install was never whole: its hooks are still those of an install.
	files["templates/h.yaml"] = job("migrate", "pre-install", "", "")
	f.chart(t, files)
	_, r := f.up(t)
	if got := f.release(t, "app", 2); r.Serial != 2 || got.Hooks[0].LastRun.Phase != release.HookPhaseSucceeded {
		t.Errorf("revision %d, hook %s", r.Serial, got.Hooks[0].LastRun.Phase)
	}
	f.settings(map[string]any{"disableHooks": true})
	f.chart(t, chart{"templates/a.yaml": configMap("a", "z", "text"), "templates/h.yaml": job("never", "pre-upgrade", nowhere, "")})
	f.up(t)
	f.destroy(t)
}

const widgets = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: NAMEs.helm.test.nestor.internal}
spec:
  group: helm.test.nestor.internal
  scope: Namespaced
  names: {kind: KIND, plural: NAMEs, singular: NAME, listKind: KINDList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// crd makes a kind of a test's own.
func crd(kind string) string {
	return strings.NewReplacer("NAME", strings.ToLower(kind), "KIND", kind).Replace(widgets)
}

func TestCRDs(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{
		"crds/widget.yaml":      crd("Widget"),
		"templates/widget.yaml": "{{ if .Capabilities.APIVersions.Has \"helm.test.nestor.internal/v1/Widget\" }}\napiVersion: helm.test.nestor.internal/v1\nkind: Widget\nmetadata: {name: w}\nspec: {color: red}\n{{ end }}",
	})
	p, _ := f.up(t)
	want := map[string]orchestrator.Action{
		"CustomResourceDefinition/widgets.helm.test.nestor.internal": orchestrator.ActionCreate,
		"Widget/" + f.namespace + "/w":                               orchestrator.ActionCreate,
	}
	if diff := cmp.Diff(want, shown(p)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if p, _ := f.up(t); !p.Empty() {
		t.Errorf("changes %+v", p.Changes)
	}
	// Drift of a custom object is seen, and lists in it are no trouble.
	_, err := f.resource("helm.test.nestor.internal", "widgets").
		Patch(t.Context(), "w", "application/merge-patch+json", []byte(`{"spec":{"color":"blue","extra":[1]}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, _ = f.up(t)
	if a := attribute(t, p, "Widget/"+f.namespace+"/w", "spec.color"); a.Before != "blue" || a.After != "red" || len(p.Changes[0].Attributes) != 1 {
		t.Errorf("changes %+v", p.Changes)
	}
	f.destroy(t)
	if !strings.Contains(f.log.String(), "CustomResourceDefinition/widgets.helm.test.nestor.internal stays") {
		t.Error("the log does not tell that the CRD stays")
	}
	if _, err := f.resource("helm.test.nestor.internal", "widgets").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("the kind is gone: %v", err)
	}
}

// TestNobodyReports waits for a controller where the kind's definition promises
// one.
func TestNobodyReports(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{"templates/thing.yaml": "apiVersion: " + kubetest.APIVersion + "\nkind: Thing\nmetadata: {name: thing, namespace: default}\nspec: {name: " + "of-nobody" + "}\n"})
	ctx, cancel := shortly(t)
	defer cancel()
	_, _, err := f.try(ctx)
	wantError(t, err, engine.Rejected, "no controller has reported on it yet")
	f.destroy(t)
}
