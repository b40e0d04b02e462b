// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/activities/secret/kubernetes"
	"github.com/HatiCode/nestor/activities/secret/location"
	"github.com/HatiCode/nestor/internal/secretref"
	"github.com/HatiCode/nestor/internal/testkube"
)

const canary = "canary-41ce8a"

func TestMain(m *testing.M) { os.Exit(testkube.Main(m)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kubeconfig of a user who may read Secrets of two namespaces and no others.
func kubeconfig(t *testing.T, change func(server *string)) string {
	t.Helper()
	c := testkube.Start(t, testkube.Options{})
	for namespace, value := range map[string]string{"team-alpha": canary, "nestor-platform": "cloud's", "team-beta": "beta's"} {
		c.Apply(t,
			fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": %q}}`, namespace),
			fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": %q}, "data": {"password": %q, "large": %q}}`,
				namespace, base64.StdEncoding.EncodeToString([]byte(value)), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", secret.MaxSize)+canary))))
		if namespace == "team-beta" {
			continue
		}
		c.Apply(t,
			fmt.Appendf(nil, `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "worker", "namespace": %q},
				"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}`, namespace),
			fmt.Appendf(nil, `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "worker", "namespace": %q},
				"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "worker"},
				"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "worker"}]}`, namespace))
	}
	config, err := clientcmd.Load(c.Kubeconfig)
	must(t, err)
	for _, user := range config.AuthInfos {
		user.Impersonate = "worker"
	}
	for _, cluster := range config.Clusters {
		change(&cluster.Server)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(*config, path))
	return path
}

func resolver(t *testing.T, kubeconfig string) *secret.Resolver {
	t.Helper()
	namespace, err := location.NewNamespace("team-{team}", "nestor-platform")
	must(t, err)
	r := secret.New(func(string) (string, bool) { return "", false }, "")
	r.Offer(secretref.Kubernetes, kubernetes.New(kubernetes.Config{Kubeconfig: kubeconfig, Namespace: namespace}))
	return r
}

func TestRead(t *testing.T) {
	t.Parallel()
	r := resolver(t, kubeconfig(t, func(*string) {}))
	away := resolver(t, kubeconfig(t, func(server *string) { *server = "https://127.0.0.1:1" }))
	for name, tc := range map[string]struct {
		from             *secret.Resolver
		owner, ref, want string
		fails            error
		says, reason     string
	}{
		"team's":         {r, "alpha", "secret://kubernetes/alpha/db/password", canary, nil, "", "the team's own namespace"},
		"platform's":     {r, secretref.Platform, "secret://kubernetes/_platform/db/password", "cloud's", nil, "", "the platform's namespace"},
		"no Secret":      {r, "alpha", "secret://kubernetes/alpha/none/password", "", secret.ErrMissing, "namespace team-alpha has no Secret none", "it is not there"},
		"no key":         {r, "alpha", "secret://kubernetes/alpha/db/user", "", secret.ErrMissing, "has no key user", "the Secret has others"},
		"denied":         {r, "beta", "secret://kubernetes/beta/db/password", "", secret.ErrDenied, "needs the verb get", "the worker has no role there"},
		"another team's": {r, "alpha", "secret://kubernetes/beta/db/password", "", secret.ErrReference, "not team alpha's", "it is beta's"},
		"large":          {r, "alpha", "secret://kubernetes/alpha/db/large", "", secret.ErrReference, "larger than", "no secret is so large"},
		"unreachable":    {away, "alpha", "secret://kubernetes/alpha/db/password", "", secret.ErrUnreachable, "", "the API server may come back"},
		"no kubeconfig":  {resolver(t, filepath.Join(t.TempDir(), "none")), "alpha", "secret://kubernetes/alpha/db/password", "", secret.ErrDenied, "NESTOR_SECRETS_KUBECONFIG", "the worker is set up wrongly"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.from.Resolve(t.Context(), tc.owner, tc.ref)
			if got != tc.want || !errors.Is(err, tc.fails) {
				t.Errorf("%s: got %d bytes, %v; want %q, %v", tc.reason, len(got), err, tc.want, tc.fails)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), canary)) {
				t.Errorf("%s: the error does not say %q, or holds a secret: %v", tc.reason, tc.says, err)
			}
		})
	}
}
