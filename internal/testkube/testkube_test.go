// SPDX-License-Identifier: Apache-2.0

package testkube_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/HatiCode/nestor/internal/testkube"
)

func TestMain(m *testing.M) { os.Exit(testkube.Main(m)) }

// TestPodsRun: what makes pods is done, without a kubelet or a scheduler.
func TestPodsRun(t *testing.T) {
	t.Parallel()
	const pods = `
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
`
	for name, test := range map[string]struct {
		reason, version, resource, condition, manifest string
	}{
		"deployment": {
			"the usual thing", "apps/v1", "deployments", "Available", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2` + pods,
		},
		"job": {
			"hooks of Helm are jobs", "batch/v1", "jobs", "Complete", `
apiVersion: batch/v1
kind: Job
metadata: {name: web}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: web}]}}}
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testkube.Start(t, testkube.Options{Kwok: true})
			namespace := c.Namespace(t)
			c.Apply(t, []byte(strings.Replace(test.manifest, "{name: web}", "{name: web, namespace: "+namespace+"}", 1)))
			await(t, c, namespace, test.version, test.resource, "web", test.condition)
		})
	}
}

// TestStartShares: every test of a binary gets the same control plane, and a
// namespace of its own that is gone after it.
func TestStartShares(t *testing.T) { //nolint:tparallel // the end of its subtest is waited for
	t.Parallel()
	options := testkube.Options{Kwok: true}
	first := testkube.Start(t, options)
	used := ""
	t.Run("a test", func(t *testing.T) {
		second := testkube.Start(t, options)
		if first != second {
			t.Error("two control planes for the same options")
		}
		used = second.Namespace(t)
		if other := first.Namespace(t); other == used {
			t.Error("two tests share a namespace")
		}
	})
	namespaces := objects(t, first, "", "v1", "namespaces")
	until(t, "the namespace of a test that is over to be gone", func() error {
		_, err := namespaces.Get(t.Context(), used, metav1.GetOptions{})
		return isGone(err)
	})
}

// TestApplyNewKind: objects of a kind can be applied right after their CRD.
func TestApplyNewKind(t *testing.T) {
	t.Parallel()
	c := testkube.Start(t, testkube.Options{Kwok: true})
	namespace := c.Namespace(t)
	c.Apply(t, []byte(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: pots.kind.nestor.internal}
spec:
  group: kind.nestor.internal
  scope: Namespaced
  names: {kind: Pot, plural: pots}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
---
apiVersion: kind.nestor.internal/v1
kind: Pot
metadata: {name: mine, namespace: `+namespace+`}
`))
	await(t, c, namespace, "kind.nestor.internal/v1", "pots", "mine", "")
}

func TestMinIO(t *testing.T) {
	t.Parallel()
	s := testkube.MinIO(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("without keys it answers %s", response.Status)
	}
}
