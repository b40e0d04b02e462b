// SPDX-License-Identifier: Apache-2.0

package crossplane_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/HatiCode/nestor/activities/engine"
)

// interrupt cuts an apply off as soon as it has made Crossplane look again, which
// is the first that it writes as a field manager of its own.
func (f *fixture) interrupt(t *testing.T, req engine.Request) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	through := forward(t, f.cluster.REST(), func(http.ResponseWriter) bool { return true })
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.ServeHTTP(w, r)
		if r.Method == http.MethodPatch && r.URL.Query().Get("fieldManager") == "nestor-progress" {
			cancel()
		}
	}))
	defer gate.Close()
	req = reached(t, req, func(c *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) {
		*c = clientcmdapi.Cluster{Server: gate.URL}
		*user = clientcmdapi.AuthInfo{}
	})
	p, err := f.engine.Preview(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.engine.Apply(ctx, req, p)
	wantError(t, err, engine.Canceled, "")
}

// TestInterruptedBeforeQuiet: an object is believed by no later attempt before
// it has been quiet, neither with what was cut off nor with what was there
// before.
func TestInterruptedBeforeQuiet(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		t.Helper()
		sized := func(size int64) engine.Request { return f.request(t, map[string]any{"size": size}) }
		f.mustUp(t, sized(3))
		f.interrupt(t, sized(5))
		cut := f.only(t, f.namespace).GetAnnotations()
		if cut["nestor.io/settled"] == cut["nestor.io/applied"] {
			t.Error("what was cut off before the quiet counts as settled")
		}
		p, r := f.mustUp(t, sized(5))
		if !p.Empty() || r.Outputs["size"] != int64(5) {
			t.Errorf("the next attempt: changes %+v, outputs %v; want no change and size 5", p.Changes, r.Outputs)
		}
		whole := f.only(t, f.namespace).GetAnnotations()
		if whole["nestor.io/looked"] == cut["nestor.io/looked"] || whole["nestor.io/settled"] != whole["nestor.io/applied"] {
			t.Errorf("the next attempt did not wait for quiet: annotations %v, before %v", whole, cut)
		}

		f.interrupt(t, sized(7))
		cut = f.only(t, f.namespace).GetAnnotations()
		_, r = f.mustUp(t, sized(5))
		if r.Outputs["size"] != int64(5) {
			t.Errorf("changed back: outputs %v; want size 5", r.Outputs)
		}
		if back := f.only(t, f.namespace).GetAnnotations(); back["nestor.io/looked"] == cut["nestor.io/looked"] {
			t.Errorf("the change back was believed at once: annotations %v, before %v", back, cut)
		}
	})
}
