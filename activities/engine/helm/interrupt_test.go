// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/testkube"
)

// TestInterruptedHook goes on waiting for a hook that still runs, and does not
// run it a second time beside it.
func TestInterruptedHook(t *testing.T) {
	t.Parallel()
	hook := strings.ReplaceAll(job("migrate", "pre-install", nowhere, ""), "activeDeadlineSeconds: 1", "activeDeadlineSeconds: 600")
	f := begin(t, chart{"templates/a.yaml": configMap("a", "x", "text"), "templates/h.yaml": hook})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, _, err := f.try(ctx)
		done <- err
	}()
	eventually(t, "the hook to be waited for", func(context.Context) bool {
		return strings.Contains(f.log.String(), "waiting for hook pre-install")
	})
	cancel()
	wantError(t, <-done, engine.Canceled)
	if got := f.release(t, "app", 1); got.Info.Status != release.StatusFailed || got.Hooks[0].LastRun.Phase != release.HookPhaseRunning {
		t.Errorf("the revision is %s, its hook %s", got.Info.Status, got.Hooks[0].LastRun.Phase)
	}
	first, err := f.client.BatchV1().Jobs(f.namespace).Get(t.Context(), "migrate", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job to end", func(ctx context.Context) bool {
		pods, err := f.client.CoreV1().Pods(f.namespace).List(ctx, metav1.ListOptions{LabelSelector: "job-name=migrate"})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods.Items {
			_, err := f.client.CoreV1().Pods(f.namespace).
				Patch(ctx, pod.Name, "application/merge-patch+json", []byte(`{"status":{"phase":"Succeeded"}}`), metav1.PatchOptions{}, "status")
			if err != nil {
				t.Fatal(err)
			}
		}
		return len(pods.Items) > 0
	})
	_, r := f.up(t)
	second, err := f.client.BatchV1().Jobs(f.namespace).Get(t.Context(), "migrate", metav1.GetOptions{})
	if err != nil || second.UID != first.UID || r.Serial != 1 {
		t.Errorf("revision %d; the hook ran twice (%v)", r.Serial, err)
	}
	f.configMap(t, "a")
}

// TestClusters puts a release where the definition says.
func TestClusters(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	second := testkube.Start(t, testkube.Options{})
	namespace := second.Namespace(t)
	f.req.Clusters["second"] = engine.Cluster{Kubeconfig: second.Kubeconfig, Namespace: namespace}
	f.settings(map[string]any{"cluster": "${inputs.cluster}"})
	f.inputs(map[string]any{"cluster": "second"})
	f.up(t)
	there, err := f.client.CoreV1().ConfigMaps(f.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=a"})
	if err != nil || len(there.Items) > 0 {
		t.Errorf("it is in the first cluster, %v", err)
	}
	other := f.inCluster(t, second.REST(), namespace)
	other.configMap(t, "a")
	f.destroy(t)
}

// inCluster is the fixture's view of another cluster.
func (f *fixture) inCluster(t *testing.T, config *rest.Config, namespace string) *fixture {
	t.Helper()
	out := *f
	out.namespace = namespace
	var err error
	if out.dynamic, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestOutage loses the cluster at every request in turn: whatever was done is
// known, and the attempt after it ends well.
func TestOutage(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{
		"templates/a.yaml": `{{ $x := lookup "v1" "ConfigMap" .Release.Namespace "a" }}` + "\n" + configMap("a", "size", "{{ .Values.size | quote }}"),
		"templates/b.yaml": configMap("b", "size", "{{ .Values.size | quote }}"),
	})
	config, err := clientcmd.Load(f.req.Clusters["test"].Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	outage := flaky(t, config)
	text, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	f.req.Clusters = map[string]engine.Cluster{"test": {Kubeconfig: text, Namespace: f.namespace}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lost := int64(1)
	for ; ; lost++ {
		f.inputs(map[string]any{"size": lost})
		outage.at(lost)
		_, _, err := f.try(ctx)
		if !outage.over() {
			break // there are no more requests than that
		}
		if err != nil { // otherwise it was waiting, and went on with that
			wantError(t, err, engine.Transient)
		}
		outage.at(0)
		seen, err := f.engine.Observe(ctx, f.req)
		if err != nil || (lost > 1 && !seen.Exists) {
			t.Fatalf("after %d requests: observed %+v, %v", lost, seen, err)
		}
		f.up(t)
		if p, _ := f.up(t); !p.Empty() {
			t.Fatalf("after %d requests: changes %+v", lost, p.Changes)
		}
	}
	if lost < 10 {
		t.Errorf("the server was lost %d times only", lost)
	}
	for lost := int64(1); ; lost++ {
		outage.at(0)
		f.up(t)
		outage.at(lost)
		err := f.engine.Destroy(ctx, f.req)
		if !outage.over() {
			break
		}
		if err != nil {
			wantError(t, err, engine.Transient)
		}
		outage.at(0)
		f.destroy(t)
	}
	outage.at(0)
	seen, err := f.engine.Observe(ctx, f.req)
	if err != nil || seen.Exists {
		t.Errorf("observed %+v, %v after the destruction", seen, err)
	}
}

// outage is when a server is away: for two requests.
type outage struct {
	mu          sync.Mutex
	first, seen int64
}

func (o *outage) at(first int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.first, o.seen = first, 0
}

func (o *outage) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen >= o.first
}

func (o *outage) now() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen++
	return o.first > 0 && o.seen >= o.first && o.seen < o.first+2
}

// flaky points a kubeconfig at a proxy that is away now and then.
func flaky(t *testing.T, config *clientcmdapi.Config) *outage {
	t.Helper()
	text, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	access, err := clientcmd.RESTConfigFromKubeConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(access)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(access.Host)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	o := &outage{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.now() {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable","message":"away","code":503}`))
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	point(config, server.URL)
	for _, user := range config.AuthInfos {
		*user = clientcmdapi.AuthInfo{}
	}
	return o
}
