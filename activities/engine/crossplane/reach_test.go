// SPDX-License-Identifier: Apache-2.0

package crossplane_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/HatiCode/nestor/activities/engine"
)

// reached is the request with another kubeconfig for its cluster.
func reached(t *testing.T, req engine.Request, change func(*clientcmdapi.Cluster, *clientcmdapi.AuthInfo)) engine.Request {
	t.Helper()
	config, err := clientcmd.Load(req.Clusters["main"].Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	now := config.Contexts[config.CurrentContext]
	change(config.Clusters[now.Cluster], config.AuthInfos[now.AuthInfo])
	text, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	access := req.Clusters["main"]
	access.Kubeconfig = text
	req.Clusters = map[string]engine.Cluster{"main": access}
	return req
}

// verbs tries everything that reads the state.
func verbs(t *testing.T, f *fixture, req engine.Request, class engine.Class, words ...string) {
	t.Helper()
	_, err := f.engine.Observe(t.Context(), req)
	wantError(t, err, class, "", words...)
	_, err = f.engine.Preview(t.Context(), req)
	wantError(t, err, class, "", words...)
	_, err = f.engine.Apply(t.Context(), req, engine.Preview{Token: "any"})
	wantError(t, err, class, "", words...)
	err = f.engine.Destroy(t.Context(), req)
	wantError(t, err, class, "", words...)
}

func TestExpiredCredentials(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	req := reached(t, f.request(t, nil), func(_ *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) {
		*user = clientcmdapi.AuthInfo{Token: "long-expired-token"}
	})
	verbs(t, f, req, engine.Unreadable, "cluster main", "expired", "renew the kubeconfig")
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	req := reached(t, f.request(t, nil), func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.Server = closed.URL })
	verbs(t, f, req, engine.Transient, "cluster main cannot be reached")
}

// TestThrottled puts a gate before the API server that now and then, or always,
// says that there is too much to do.
func TestThrottled(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	var calls, every atomic.Int64
	gate := httptest.NewServer(forward(t, f.cluster.REST(), func(w http.ResponseWriter) bool {
		if n := every.Load(); n == 0 || calls.Add(1)%n == 0 {
			return true
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
		return false
	}))
	t.Cleanup(gate.Close)
	req := reached(t, f.request(t, nil), func(c *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) {
		*c = clientcmdapi.Cluster{Server: gate.URL}
		*user = clientcmdapi.AuthInfo{}
	})
	every.Store(3) // two of three calls are refused
	f.mustUp(t, req)
	every.Store(1 << 40)
	verbs(t, f, req, engine.Transient, "throttles")
}

// forward hands on to the API server what open lets through.
func forward(t *testing.T, config *rest.Config, open func(http.ResponseWriter) bool) http.Handler {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open(w) {
			proxy.ServeHTTP(w, r)
		}
	})
}
