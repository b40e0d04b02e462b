// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/orchestrator"
)

func sized() chart {
	return chart{"values.yaml": "size: 1\n", "templates/a.yaml": configMap("a", "size", "{{ .Values.size | quote }}")}
}

func TestTakenRelease(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.install(t, "app", f.req.Bundle+"/chart", nil, f.req)
	e := f.refused(t, engine.Rejected, "release app in namespace "+f.namespace, "chart app 1.2.3", "nestor adopt")
	if e.Resource == "" {
		t.Error("the error names no resource")
	}
	// It is no state of the node's, and stays what it is.
	seen, err := f.engine.Observe(t.Context(), f.req)
	if err != nil || seen.Exists {
		t.Errorf("observed %+v, %v", seen, err)
	}
	f.destroy(t)
	f.configMap(t, "a")

	other := *f
	other.settings(map[string]any{"release": "second"})
	other.refused(t, engine.Rejected, "ConfigMap/"+f.namespace+"/a", "belongs to release "+f.namespace+"/app")
}

func TestTakenObject(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.make(t, "configmaps", configMap("a", "of", "nobody"))
	f.refused(t, engine.Rejected, "belongs to no release", "meta.helm.sh/release-name: app")
	if got := f.configMap(t, "a")["of"]; got != "nobody" {
		t.Errorf("the object is %v", got)
	}
	f.patchConfigMap(t, "a", `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"Helm"},"annotations":{"meta.helm.sh/release-name":"app","meta.helm.sh/release-namespace":"`+f.namespace+`"}}}`)
	p, _ := f.up(t)
	if got := shown(p)["ConfigMap/"+f.namespace+"/a"]; got != orchestrator.ActionUpdate {
		t.Errorf("changes %+v", p.Changes)
	}
}

func TestPending(t *testing.T) {
	t.Parallel()
	self, err := supervise.Self()
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(*orchestrator.Lease)) map[string]any {
		l := self
		change(&l)
		return held(t, l)
	}
	dead := changed(func(l *orchestrator.Lease) { l.StartTime = "0" })
	alive := held(t, self)
	earlier := []string{"not provably dead"} // a container does not know its machine
	if self.Machine != "" {
		earlier = nil
	}
	tests := map[string]struct {
		reason string
		status release.Status
		holder map[string]any
		locked []string // words of the error; nil when the attempt goes on
	}{
		"install, dead":    {"its process is gone", release.StatusPendingInstall, dead, nil},
		"upgrade, dead":    {"its process is gone", release.StatusPendingUpgrade, dead, nil},
		"rollback, dead":   {"its process is gone", release.StatusPendingRollback, dead, nil},
		"uninstall, dead":  {"its process is gone", release.StatusUninstalling, dead, nil},
		"upgrade, earlier": {"its boot is over", release.StatusPendingUpgrade, changed(func(l *orchestrator.Lease) { l.BootID = "x" }), earlier},
		"upgrade, moved pod": {
			"its machine had the name before", release.StatusPendingUpgrade,
			changed(func(l *orchestrator.Lease) { l.Machine, l.BootID = "x", "x" }),
			[]string{"not provably dead"},
		},
		"upgrade, other container": {
			"its pids are its own", release.StatusPendingUpgrade,
			changed(func(l *orchestrator.Lease) { l.PIDNamespace, l.StartTime = "x", "0" }),
			[]string{"not provably dead"},
		},
		"upgrade, alive":       {"its process lives", release.StatusPendingUpgrade, alive, []string{"lock", "since", "helm rollback app"}},
		"install, other host":  {"nobody can tell", release.StatusPendingInstall, held(t, elsewhere()), []string{"lock", "another-host", "since"}},
		"upgrade, nobody":      {"a killed helm client", release.StatusPendingUpgrade, map[string]any{}, []string{"lock", "no word", "helm rollback app"}},
		"upgrade, own attempt": {"this attempt has its turn", release.StatusPendingUpgrade, nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, sized())
			_, first := f.up(t)
			next := f.release(t, "app", 1)
			next.Version, next.Info.Status = 2, test.status
			next.Manifest = strings.ReplaceAll(next.Manifest, `"1"`, `"2"`)
			holder := test.holder
			if holder == nil {
				holder = changed(func(l *orchestrator.Lease) { l.PIDNamespace = "of a container" })
				holder["turn"] = f.turn(t)
			}
			f.pend(t, next, f.req.Address, holder)
			f.inputs(map[string]any{"size": int64(3)})
			if test.locked != nil {
				f.refused(t, engine.Locked, test.locked...)
				wantError(t, f.engine.Destroy(t.Context(), f.req), engine.Locked)
				return
			}
			_, r := f.up(t)
			if r.Serial <= first.Serial || f.configMap(t, "a")["size"] != "3" {
				t.Errorf("%s: revision %d after %d, size %v", test.reason, r.Serial, first.Serial, f.configMap(t, "a")["size"])
			}
			if got := f.release(t, "app", 2).Info.Status; got != release.StatusFailed {
				t.Errorf("revision 2 is %s", got)
			}
			f.destroy(t)
		})
	}
}

// turn of the fixture's workspace.
func (f *fixture) turn(t *testing.T) string {
	t.Helper()
	turn, err := supervise.Acquire(t.Context(), f.req.Workspace, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, err := turn.Name()
	if err = errors.Join(err, turn.Release()); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestResumed goes on with the revision itself when it is what is wanted.
func TestResumed(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.up(t)
	secrets := f.client.CoreV1().Secrets(f.namespace)
	_, err := secrets.Patch(t.Context(), secretName("app", 1), "application/merge-patch+json",
		[]byte(`{"metadata":{"annotations":{"nestor.io/holder":"{\"host\":\"x\",\"pid\":1}"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.patchConfigMap(t, "a", `{"data":{"size":"7"}}`)
	p, r := f.up(t)
	if r.Serial != 1 || p.Empty() || p.Changes[0].Reason != "was changed by somebody else" {
		t.Errorf("serial %d, changes %+v", r.Serial, p.Changes)
	}
	if a := attribute(t, p, "ConfigMap/"+f.namespace+"/a", "data.size"); a.Before != "7" || a.After != "1" {
		t.Errorf("size %+v", a)
	}
	if f.configMap(t, "a")["size"] != "1" {
		t.Error("what somebody else changed was not put back")
	}
}

// TestHelmBeside lets somebody upgrade and roll back by the helm program.
func TestHelmBeside(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	_, first := f.up(t)
	config := f.beside(t, f.req)
	ch, err := loader.Load(f.req.Bundle + "/chart")
	if err != nil {
		t.Fatal(err)
	}
	run := action.NewUpgrade(config)
	run.Namespace = f.namespace
	if _, err := run.RunWithContext(t.Context(), "app", ch, map[string]any{"size": 9}); err != nil {
		t.Fatal(err)
	}
	p, r := f.up(t)
	if a := attribute(t, p, "ConfigMap/"+f.namespace+"/a", "data.size"); a.Before != "9" || a.After != "1" {
		t.Errorf("size %+v", a)
	}
	if r.Serial != 3 || r.Lineage != first.Lineage {
		t.Errorf("result %+v after %+v", r, first)
	}
	back := action.NewRollback(config)
	back.Version = 2
	if err := back.Run("app"); err != nil {
		t.Fatal(err)
	}
	if p, r = f.up(t); p.Empty() || r.Serial != 5 {
		t.Errorf("serial %d, changes %+v", r.Serial, p.Changes)
	}
	f.destroy(t)
	releases, err := action.NewList(config).Run()
	if err != nil || len(releases) > 0 {
		t.Errorf("helm still lists %v, %v", releases, err)
	}
}

// TestUnreadable never takes what it cannot read for absent.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	throttled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","message":"too many requests","code":429}`))
	}))
	t.Cleanup(throttled.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tests := map[string]struct {
		reason string
		change func(c *clientcmdapi.Config)
		class  engine.Class
		words  []string
	}{
		"unreachable": {
			"a cluster that does not answer may come back", func(c *clientcmdapi.Config) { point(c, gone.URL) },
			engine.Transient,
			[]string{"cluster test cannot be reached"},
		},
		"throttled": {
			"a server that has too much to do says so", func(c *clientcmdapi.Config) { point(c, throttled.URL) },
			engine.Transient,
			[]string{"throttles"},
		},
		"expired": {
			"credentials have to be renewed by somebody", func(c *clientcmdapi.Config) {
				for _, user := range c.AuthInfos {
					*user = clientcmdapi.AuthInfo{Token: "an-expired-token-of-the-test"}
				}
			},
			engine.Unreadable,
			[]string{"expired", "renew"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, sized())
			f.up(t)
			good := f.req.Clusters
			config, err := clientcmd.Load(good["test"].Kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			test.change(config)
			text, err := clientcmd.Write(*config)
			if err != nil {
				t.Fatal(err)
			}
			f.req.Clusters = map[string]engine.Cluster{"test": {Kubeconfig: text, Namespace: f.namespace}}
			_, err = f.engine.Observe(t.Context(), f.req)
			wantError(t, err, test.class, test.words...)
			f.refused(t, test.class, test.words...)
			wantError(t, f.engine.Destroy(t.Context(), f.req), test.class, test.words...)
			f.req.Clusters = good
			if p, _ := f.up(t); !p.Empty() {
				t.Errorf("%s: changes %+v", test.reason, p.Changes)
			}
		})
	}
}

// point a kubeconfig at another server.
func point(c *clientcmdapi.Config, url string) {
	for _, cluster := range c.Clusters {
		cluster.Server, cluster.CertificateAuthorityData, cluster.CertificateAuthority = url, nil, ""
	}
}

func TestMoved(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.up(t)
	f.settings(map[string]any{"release": "other"})
	f.refused(t, engine.Invalid, "the release of this node is "+f.namespace+"/app", "cannot move")
}
