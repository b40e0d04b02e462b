// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/enginetest"
	"github.com/HatiCode/nestor/activities/engine/helm"
	"github.com/HatiCode/nestor/activities/engine/kube/kubetest"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/testkube"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestMain makes this binary a worker to be killed as well.
func TestMain(m *testing.M) {
	if _, child := os.LookupEnv("NESTOR_ENGINETEST_CHILD"); child {
		os.Exit(enginetest.Main(m, harness(nil)))
	}
	os.Exit(testkube.Main(m))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	c := testkube.Start(t, testkube.Options{Kwok: true})
	enginetest.Run(t, harness(kubetest.NewWorlds(t, c.REST(), c.Kubeconfig)))
}

// thingRelease is the thing's release.
const thingRelease = "thing"

// harness of the suite; without worlds it is that of a worker process.
func harness(worlds *kubetest.Worlds) enginetest.Harness {
	return enginetest.Harness{
		Name: helm.Name,
		Open: func(dir string) (engine.Engine, error) {
			if worlds != nil {
				if _, err := worlds.Open(dir); err != nil {
					return nil, err
				}
			}
			return helm.New(helm.Config{DataDir: filepath.Join(dir, "data")})
		},
		Prepare: prepare,
		Corrupt: func(t *testing.T, dir string, _ engine.Request) {
			t.Helper()
			w := openWorld(t, dir)
			secret, err := w.client.CoreV1().Secrets(w.namespace).Get(t.Context(), secretName(thingRelease, 1), metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			secret.Data["release"] = secret.Data["release"][:len(secret.Data["release"])/2]
			if _, err := w.client.CoreV1().Secrets(w.namespace).Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		Drift: func(t *testing.T, dir string, _ engine.Request) {
			t.Helper()
			w := openWorld(t, dir)
			if err := w.client.CoreV1().ConfigMaps(w.namespace).Delete(t.Context(), thingRelease, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		LockForeign: func(t *testing.T, dir string, req *engine.Request) func() {
			t.Helper()
			w := openWorld(t, dir)
			first := &release.Release{Name: thingRelease, Namespace: w.namespace, Version: 1, Info: &release.Info{Status: release.StatusPendingInstall}}
			w.pend(t, first, req.Address, held(t, elsewhere()))
			return func() {
				if err := w.client.CoreV1().Secrets(w.namespace).Delete(t.Context(), secretName(thingRelease, 1), metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		},
		LockDead: func(t *testing.T, dir string, req *engine.Request) {
			t.Helper()
			w := openWorld(t, dir)
			next := w.release(t, thingRelease, 1)
			next.Version, next.Info.Status = 2, release.StatusPendingUpgrade
			self, err := supervise.Self()
			if err != nil {
				t.Fatal(err)
			}
			self.StartTime = "0" // of a process that had this pid before
			w.pend(t, next, req.Address, held(t, self))
		},
		Adopt: func(t *testing.T, dir string, req engine.Request) engine.Source {
			t.Helper()
			w := openWorld(t, dir)
			w.install(t, "legacy", thingChart(), thingValues(req.Inputs), req)
			w.awaitThing(t, "legacy")
			return engine.Source{Ref: w.namespace + "/legacy"}
		},
	}
}

// thingChart is the chart's directory.
func thingChart() string { return filepath.Join("testdata", "thing") }

// thingValues are the inputs where the definition puts them.
func thingValues(inputs map[string]any) map[string]any {
	values := map[string]any{}
	for k, v := range inputs {
		if k == "text" {
			values["thing"] = map[string]any{"text": v}
		} else {
			values[k] = v
		}
	}
	return values
}

// prepare the thing: its chart, in the test's own namespace.
func prepare(dir string, req *engine.Request) error {
	kubeconfig, namespace, err := kubetest.Opened(dir)
	if err != nil {
		return err
	}
	bundle, err := filepath.Abs("testdata")
	if err != nil {
		return err
	}
	req.Address = "alpha/shop/" + namespace + "/web.thing" // a cluster has one node of an address
	req.Bundle = bundle
	req.Cluster, req.Clusters = "test", map[string]engine.Cluster{"test": {Kubeconfig: kubeconfig, Namespace: namespace}}
	outputs := map[string]any{"password": map[string]any{
		"object": map[string]any{"apiVersion": "v1", "kind": "Secret", "name": "${release.name}"},
		"path":   "{.data.password}", "base64": true,
	}}
	for _, name := range []string{"id", "name", "size", "text", "ratio", "enabled", "zones", "labels", "details"} {
		outputs[name] = map[string]any{
			"object": map[string]any{"apiVersion": kubetest.APIVersion, "kind": kubetest.Kind, "name": "${release.name}"},
			"path":   "{.status." + name + "}",
		}
	}
	req.Implementation = catalog.Implementation{
		Module: "thing", Inputs: map[string]string{"text": "thing.text"},
		Settings: map[string]any{"release": thingRelease, "outputs": outputs},
	}
	return nil
}

// world is a test's namespace, seen by other eyes than the engine's.
type world struct {
	namespace string
	client    *kubernetes.Clientset
}

func openWorld(t *testing.T, dir string) world {
	t.Helper()
	kubeconfig, namespace, err := kubetest.Opened(dir)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return world{namespace: namespace, client: client}
}

func secretName(release string, revision int) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", release, revision)
}

// release reads a revision as the helm program does.
func (w world) release(t *testing.T, name string, revision int) *release.Release {
	t.Helper()
	r, err := driver.NewSecrets(w.client.CoreV1().Secrets(w.namespace)).Get(secretName(name, revision))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pend records a revision that somebody is at work on.
func (w world) pend(t *testing.T, r *release.Release, address string, holder map[string]any) {
	t.Helper()
	sum := sha256.Sum256([]byte(address))
	r.Labels = map[string]string{"nestor.io/node": hex.EncodeToString(sum[:20])}
	if err := driver.NewSecrets(w.client.CoreV1().Secrets(w.namespace)).Create(secretName(r.Name, r.Version), r); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{"nestor.io/holder": string(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.client.CoreV1().Secrets(w.namespace).
		Patch(t.Context(), secretName(r.Name, r.Version), types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// elsewhere is the lease of a process on another machine.
func elsewhere() orchestrator.Lease {
	return orchestrator.Lease{Host: "another-host", Machine: "another", BootID: "its own", PIDNamespace: "its own", PID: 1, StartTime: "1"}
}

// held is a holder as a revision names it.
func held(t *testing.T, l orchestrator.Lease) map[string]any {
	t.Helper()
	text, err := json.Marshal(l)
	var out map[string]any
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	out["since"] = time.Now().UTC().Format(time.RFC3339)
	return out
}

// beside works in the namespace as the helm program does.
func (w world) beside(t *testing.T, req engine.Request) *action.Configuration {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, req.Clusters["test"].Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := cli.New()
	settings.KubeConfig = path
	settings.SetNamespace(w.namespace)
	var config action.Configuration
	if err := config.Init(settings.RESTClientGetter(), w.namespace, "secret", t.Logf); err != nil {
		t.Fatal(err)
	}
	return &config
}

// install a chart as the helm program does.
func (w world) install(t *testing.T, name, chart string, values map[string]any, req engine.Request) {
	t.Helper()
	config := w.beside(t, req)
	ch, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	run := action.NewInstall(config)
	run.ReleaseName, run.Namespace = name, w.namespace
	if _, err := run.RunWithContext(t.Context(), ch, values); err != nil {
		t.Fatal(err)
	}
}

// awaitThing waits until the controller has done its part.
func (w world) awaitThing(t *testing.T, name string) {
	t.Helper()
	path := "/apis/" + kubetest.APIVersion + "/namespaces/" + w.namespace + "/" + kubetest.Resource + "/" + name
	eventually(t, "thing "+name+" to be ready", func(ctx context.Context) bool {
		text, err := w.client.RESTClient().Get().AbsPath(path).DoRaw(ctx)
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		return strings.Contains(string(text), `"reason":"Available"`)
	})
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds(t.Context()) {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}
