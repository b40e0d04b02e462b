// SPDX-License-Identifier: Apache-2.0

package crossplane_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/crossplane"
	"github.com/HatiCode/nestor/activities/engine/enginetest"
	"github.com/HatiCode/nestor/activities/engine/kube/kubetest"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/testkube"
)

// atOnce is how many tests run at once: they wait for controllers most of the
// time.
const atOnce = "16"

// workerVariable is set in the worker processes that the suite starts.
const workerVariable = "NESTOR_ENGINETEST_CHILD"

// TestMain makes this binary a worker to be killed as well.
func TestMain(m *testing.M) {
	if _, worker := os.LookupEnv(workerVariable); worker {
		os.Exit(enginetest.Main(m, (&version{name: "v1"}).harness(), (&version{name: "v2"}).harness()))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	os.Exit(testkube.Main(m))
}

// TestConformance runs the suite with each version of Crossplane: a claim with
// 1.20, a namespaced composite with 2.x.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"v1", "v2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enginetest.Run(t, start(t, name).harness())
		})
	}
}

// patience of the engine under test, and of the tests themselves.
const (
	patience     = 12 * time.Second
	testPatience = 90 * time.Second
)

// version is one of Crossplane, with the suite's worlds in it. Without a
// cluster, as in a worker process, it only knows what a request looks like.
type version struct {
	name    string
	cluster *testkube.Cluster
	client  dynamic.Interface
	worlds  *kubetest.Worlds

	mu     sync.Mutex
	opened map[string]bool // the worlds' namespaces
}

// start gives a test a version of Crossplane with gadgets in it.
func start(t *testing.T, name string) *version {
	t.Helper()
	v := &version{name: name, cluster: testkube.Start(t, testkube.Options{Crossplane: name}), opened: map[string]bool{}}
	var err error
	if v.client, err = dynamic.NewForConfig(v.cluster.REST()); err != nil {
		t.Fatal(err)
	}
	definitions, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	v.worlds = kubetest.NewWorlds(t, v.cluster.REST(), v.cluster.Kubeconfig)
	t.Cleanup(func() { v.freeze(t) })
	v.cluster.Apply(t, definitions)
	until(t, "gadgets to be served", func() error {
		_, err := v.client.Resource(v.gvr()).List(t.Context(), metav1.ListOptions{})
		return err
	})
	return v
}

// freeze keeps the provider from making things anew while the worlds are taken
// down: it would take the provider half a minute to let go of them.
func (v *version) freeze(t *testing.T) {
	t.Helper()
	gvr := schema.GroupVersionResource{Group: "kubernetes.crossplane.io", Version: "v1alpha2", Resource: "objects"}
	if v.name == "v2" {
		gvr.Group, gvr.Version = "kubernetes.m.crossplane.io", "v1alpha1"
	}
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	list, err := v.client.Resource(gvr).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Error(err)
		return
	}
	for _, o := range list.Items {
		in, _, _ := unstructured.NestedString(o.Object, "spec", "forProvider", "manifest", "metadata", "namespace")
		if !v.opened[in] {
			continue // another test's
		}
		_, err := v.client.Resource(gvr).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"crossplane.io/paused":"true"}}}`), metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	}
}

func (v *version) group() string {
	return map[string]string{"v1": "one.nestor.internal", "v2": "two.nestor.internal"}[v.name]
}

func (v *version) gvr() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: v.group(), Version: "v1", Resource: "gadgets"}
}

func (v *version) gadgets(namespace string) dynamic.ResourceInterface {
	return v.client.Resource(v.gvr()).Namespace(namespace)
}

func (v *version) harness() enginetest.Harness {
	return enginetest.Harness{
		Name: v.name,
		Open: func(dir string) (engine.Engine, error) {
			if v.cluster != nil {
				if _, err := v.open(dir); err != nil {
					return nil, err
				}
			}
			return crossplane.New(crossplane.Config{DataDir: filepath.Join(dir, "data"), Patience: patience})
		},
		Prepare: func(dir string, req *engine.Request) error {
			kubeconfig, namespace, err := kubetest.Opened(dir)
			if err != nil {
				return err
			}
			return v.prepare(req, kubeconfig, namespace)
		},
		Corrupt: func(t *testing.T, _ string, req engine.Request) {
			t.Helper()
			v.corrupt(t, req)
		},
		Drift: func(t *testing.T, dir string, _ engine.Request) {
			t.Helper()
			namespace := v.namespace(t, dir)
			v.patch(t, namespace, v.only(t, namespace).GetName(), `{"spec":{"size":4}}`)
		},
		Adopt: func(t *testing.T, dir string, req engine.Request) engine.Source {
			t.Helper()
			return v.adoptable(t, dir, req)
		},
	}
}

// open makes a world and the account that its engine acts with.
func (v *version) open(dir string) (namespace string, err error) {
	if namespace, err = v.worlds.Open(dir); err != nil {
		return "", err
	}
	v.mu.Lock()
	v.opened[namespace] = true
	v.mu.Unlock()
	bindings := v.client.Resource(schema.GroupVersionResource{
		Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings",
	})
	_, err = bindings.Create(context.Background(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": map[string]any{"name": account(namespace)},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": account(namespace)}},
	}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return namespace, err
	}
	return namespace, v.admitted(account(namespace))
}

// admitted waits until the API server has heard that an account may do anything.
func (v *version) admitted(user string) error {
	reviews := v.client.Resource(schema.GroupVersionResource{
		Group: "authorization.k8s.io", Version: "v1", Resource: "subjectaccessreviews",
	})
	question := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
		"spec": map[string]any{
			"user": user, "resourceAttributes": map[string]any{"group": "*", "resource": "*", "verb": "*"},
		},
	}}
	return wait.PollUntilContextTimeout(context.Background(), 10*time.Millisecond, testPatience, true, func(ctx context.Context) (bool, error) {
		answer, err := reviews.Create(ctx, question, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		allowed, _, err := unstructured.NestedBool(answer.Object, "status", "allowed")
		return allowed, err
	})
}

func account(namespace string) string { return "nestor:" + namespace }

// prepare makes a request for a gadget.
func (v *version) prepare(req *engine.Request, kubeconfig []byte, namespace string) error {
	access, err := as(kubeconfig, account(namespace))
	if err != nil {
		return err
	}
	req.Address = strings.Replace(req.Address, "shop", namespace, 1) // a node of its own in the shared cluster
	req.Cluster = "main"
	req.Clusters = map[string]engine.Cluster{"main": {Kubeconfig: access, Namespace: namespace}}
	req.Implementation = catalog.Implementation{Settings: map[string]any{"object": v.template(), "outputs": v.outputs()}}
	return nil
}

// as is a kubeconfig that acts as somebody else.
func as(kubeconfig []byte, user string) ([]byte, error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, err
	}
	for _, info := range config.AuthInfos {
		info.Impersonate = user
	}
	return clientcmd.Write(*config)
}

func (v *version) template() map[string]any {
	spec := map[string]any{}
	for _, name := range []string{
		"world", "name", "size", "text", "password", "ratio", "enabled", "zones", "labels", "details", "mode",
	} {
		spec[name] = "${inputs." + name + "}"
	}
	if v.name == "v1" {
		spec["writeConnectionSecretToRef"] = map[string]any{"name": "${inputs.name}-access"}
	}
	return map[string]any{"apiVersion": v.group() + "/v1", "kind": "Gadget", "spec": spec}
}

// outputs of a gadget: what is not listed is in the status.
func (v *version) outputs() map[string]any {
	echo := func(name string) map[string]any { return map[string]any{"path": "{.spec." + name + "}"} }
	out := map[string]any{"zones": echo("zones"), "labels": echo("labels"), "details": echo("details"), "password": echo("password")}
	if v.name == "v1" {
		out["password"] = map[string]any{"secretKey": "password"}
	}
	return out
}

func (v *version) namespace(t *testing.T, dir string) string {
	t.Helper()
	_, namespace, err := kubetest.Opened(dir)
	if err != nil {
		t.Fatal(err)
	}
	return namespace
}

// only is the one gadget of a namespace.
func (v *version) only(t *testing.T, namespace string) *unstructured.Unstructured {
	t.Helper()
	list, err := v.gadgets(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("there are %d gadgets, want one", len(list.Items))
	}
	return &list.Items[0]
}

// patch changes a gadget as somebody else.
func (v *version) patch(t *testing.T, namespace, name, patch string) {
	t.Helper()
	_, err := v.gadgets(namespace).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
}

// corrupt takes the account's rights away.
func (v *version) corrupt(t *testing.T, req engine.Request) {
	t.Helper()
	namespace := req.Clusters["main"].Namespace
	bindings := v.client.Resource(schema.GroupVersionResource{
		Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings",
	})
	if err := bindings.Delete(t.Context(), account(namespace), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(req.Clusters["main"].Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the rights to be gone", func() error {
		_, err := client.Resource(v.gvr()).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
		if apierrors.IsForbidden(err) {
			return nil
		}
		return fmt.Errorf("listing still answers %w", err)
	})
}

// adoptable makes a gadget by hand.
func (v *version) adoptable(t *testing.T, dir string, req engine.Request) engine.Source {
	t.Helper()
	namespace := v.namespace(t, dir)
	name := "by-hand-" + fmt.Sprint(req.Inputs["name"])
	spec := maps.Clone(req.Inputs)
	if v.name == "v1" {
		spec["writeConnectionSecretToRef"] = map[string]any{"name": fmt.Sprint(req.Inputs["name"]) + "-access"}
	}
	v.create(t, namespace, name, spec)
	v.await(t, namespace, name, "Ready", "True")
	return engine.Source{Ref: namespace + "/" + name}
}

func (v *version) create(t *testing.T, namespace, name string, spec map[string]any) {
	t.Helper()
	_, err := v.gadgets(namespace).Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v.group() + "/v1", "kind": "Gadget", "metadata": map[string]any{"name": name}, "spec": spec,
	}}, metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
}

// await waits until a gadget has a condition.
func (v *version) await(t *testing.T, namespace, name, condition, status string) *unstructured.Unstructured {
	t.Helper()
	var obj *unstructured.Unstructured
	until(t, name+" to be "+condition+"="+status, func() error {
		var err error
		if obj, err = v.gadgets(namespace).Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
		for _, c := range conditions {
			if m, ok := c.(map[string]any); ok && m["type"] == condition && m["status"] == status {
				return nil
			}
		}
		return fmt.Errorf("it says %v", conditions)
	})
	return obj
}

// until waits for something.
func until(t *testing.T, what string, holds func() error) {
	t.Helper()
	deadline := time.NewTimer(testPatience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("waited %s for %s: %v", testPatience, what, err)
		case <-tick.C:
		}
	}
}

// field reads a field of an object.
func field(obj *unstructured.Unstructured, path ...string) (any, bool) {
	v, there, err := unstructured.NestedFieldNoCopy(obj.Object, path...)
	return v, there && err == nil
}
