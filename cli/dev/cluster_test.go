// SPDX-License-Identifier: Apache-2.0

package dev_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/HatiCode/nestor/cli/dev"
	"github.com/HatiCode/nestor/internal/parts"
)

// withKubernetes has a platform run the real parts of a cluster beside the
// played ones, on free ports.
func withKubernetes(t *testing.T, k dev.Kubernetes) func(*dev.Options) {
	t.Helper()
	return func(o *dev.Options) {
		o.Kubernetes = k
		o.Search.Dirs = append(o.Search.Dirs, parts.Bin(t))
		o.StartTimeout = 3 * time.Minute
	}
}

// untilReady waits longer than ready does: a control plane takes its time.
func (p *platform) untilReady(t *testing.T) dev.Endpoints {
	t.Helper()
	deadline := time.NewTimer(3 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.output.String(), "Ctrl-C stops") && len(p.ended) == 0 {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not ready in time; output so far:\n%s", p.output)
		}
	}
	return p.ready(t)
}

// connect uses the announced kubeconfig as a client would.
func connect(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// processes of a data directory, by the program's name.
func processes(t *testing.T, data string) map[string]int {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, entry := range entries {
		content, err := os.ReadFile(entry)
		if err != nil {
			continue // it has ended meanwhile
		}
		args := strings.Split(string(content), "\x00")
		if slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, data) }) {
			found[filepath.Base(args[0])] = atoi(t, filepath.Base(filepath.Dir(entry)))
		}
	}
	return found
}

// workerEnviron is what the played worker was given.
func workerEnviron(t *testing.T, data string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(data, "journal.environ"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(content), "\n")
}

// TestRunKubernetes runs the whole cluster: every part says once that it is
// ready, the kubeconfig works, one that is killed comes back, and a stop leaves
// none.
func TestRunKubernetes(t *testing.T) {
	t.Parallel()
	p := run(t, withKubernetes(t, dev.Kubernetes{Local: true, Crossplane: "v2"}))
	endpoints := p.untilReady(t)
	for _, name := range []string{
		"temporal", "minio", "etcd", "kube-apiserver", "kube-controller-manager", "kwok", "crossplane",
		"provider-kubernetes", "function-patch-and-transform", "api", "worker",
	} {
		ready := 0
		for line := range strings.Lines(p.output.String()) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name && fields[1] == "ready" {
				ready++
			}
			if len(line) > 80 && strings.HasPrefix(line, "  "+name) {
				t.Errorf("%q is wider than 80 columns", line)
			}
		}
		if ready != 1 {
			t.Errorf("%s says %d times that it is ready:\n%s", name, ready, p.output)
		}
	}

	client := connect(t, endpoints.Kubernetes.Kubeconfig)
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 1 {
		t.Fatalf("%v, %v; want one node", nodes, err)
	}
	if endpoints.Kubernetes.Crossplane != "v2" || !strings.Contains(p.output.String(), endpoints.Kubernetes.Server) {
		t.Errorf("%+v is not what was asked for, or not in the output:\n%s", endpoints.Kubernetes, p.output)
	}
	secrets := filepath.Join(p.options.DataDir, "secrets")
	environ := workerEnviron(t, p.options.DataDir)
	if !slices.Contains(environ, "NESTOR_SECRETS_DIR="+secrets) {
		t.Errorf("the worker is not given the secrets: %v", environ)
	}
	for name, file := range map[string]string{
		"kubeconfig": endpoints.Kubernetes.Kubeconfig, "minio-access-key": endpoints.MinIO.AccessKeyFile,
		"minio-secret-key": endpoints.MinIO.SecretKeyFile,
	} {
		sameFile(t, filepath.Join(secrets, "_platform", name), file)
	}

	before := processes(t, p.options.DataDir)
	if err := syscall.Kill(before["etcd"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.until(t, "etcd again", func() bool { return strings.Contains(p.output.String(), "etcd runs again") })
	p.until(t, "the cluster can be written again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.CoreV1().ConfigMaps("default").Create(ctx,
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "after-"}}, metav1.CreateOptions{})
		return err == nil
	})

	p.interrupts <- os.Interrupt
	if err := p.end(t); err != nil {
		t.Error(err)
	}
	if left := processes(t, p.options.DataDir); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

// sameFile checks that two private files hold the same.
func sameFile(t *testing.T, one, other string) {
	t.Helper()
	var contents []string
	for _, path := range []string{one, other} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, string(content))
	}
	if contents[0] != contents[1] {
		t.Errorf("%s and %s differ", one, other)
	}
}

// TestRunKubernetesKeeps proves that a later start goes on with the objects,
// the keys and the users of an earlier one.
func TestRunKubernetesKeeps(t *testing.T) {
	t.Parallel()
	p := run(t, withKubernetes(t, dev.Kubernetes{Local: true}))
	first := p.untilReady(t)
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := connect(t, first.Kubernetes.Kubeconfig).CoreV1().ConfigMaps("default").Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(first.MinIO.SecretKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	p.interrupts <- os.Interrupt
	if err := p.end(t); err != nil {
		t.Fatal(err)
	}

	again := run(t, func(o *dev.Options) {
		withKubernetes(t, dev.Kubernetes{Local: true})(o)
		o.DataDir = p.options.DataDir
	})
	second := again.untilReady(t)
	if _, err := connect(t, second.Kubernetes.Kubeconfig).CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	keyAgain, err := os.ReadFile(second.MinIO.SecretKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(key), string(keyAgain)); diff != "" {
		t.Errorf("MinIO's key has changed (-before +after):\n%s", diff)
	}
	if endpoints := second.Kubernetes; endpoints.Crossplane != "" || processes(t, p.options.DataDir)["crossplane-v2"] != 0 {
		t.Errorf("%+v: Crossplane runs, which was not asked for", endpoints)
	}
}

// TestRunWithKubeconfig uses a cluster that is there already: nothing of a
// control plane is started, and what the kubeconfig refers to is in the secret.
func TestRunWithKubeconfig(t *testing.T) {
	t.Parallel()
	given := t.TempDir()
	for name, content := range map[string]string{"ca.crt": "an authority", "token": "a token\n", "config": `
apiVersion: v1
kind: Config
current-context: work
clusters: [{name: work, cluster: {server: "https://cluster.example:6443", certificate-authority: ca.crt}}]
contexts: [{name: work, context: {cluster: work, user: me}}]
users: [{name: me, user: {tokenFile: token}}]
`} {
		if err := os.WriteFile(filepath.Join(given, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := t.TempDir()
	p := run(t, func(o *dev.Options) {
		withKubernetes(t, dev.Kubernetes{Kubeconfig: filepath.Join(given, "config")})(o)
		environ("NESTOR_SECRETS_DIR="+own, "NESTOR_QUEUES=control,helm")(o)
	})
	endpoints := p.untilReady(t)

	config, err := clientcmd.LoadFromFile(endpoints.Kubernetes.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Clusters["work"]; got.Server != "https://cluster.example:6443" || string(got.CertificateAuthorityData) != "an authority" || got.CertificateAuthority != "" {
		t.Errorf("the cluster is %+v, want it with its authority inside", got)
	}
	if got := config.AuthInfos["me"]; got.Token != "a token" || got.TokenFile != "" {
		t.Errorf("the user is not whole in itself")
	}
	if started := processes(t, p.options.DataDir); started["kube-apiserver"] != 0 || started["minio"] == 0 {
		t.Errorf("running: %v, want MinIO and no control plane", started)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoints.MinIO.Endpoint+"/minio/health/live", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("MinIO answers %s, %v", response.Status, err)
	}

	// What the user has set stays, and the reader is told what to do about it.
	got := workerEnviron(t, p.options.DataDir)
	for _, want := range []string{"NESTOR_SECRETS_DIR=" + own, "NESTOR_QUEUES=control,helm"} {
		if !slices.Contains(got, want) {
			t.Errorf("the worker's environment has no %s", want)
		}
	}
	if !strings.Contains(p.output.String(), "cp -r "+filepath.Join(p.options.DataDir, "secrets", "_platform")+" "+own) {
		t.Errorf("the output does not say how to copy the secrets:\n%s", p.output)
	}
}

// TestRunServesQueues checks which queues the worker is told to serve.
func TestRunServesQueues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason  string
		program string
		want    string
	}{
		"with Pulumi":    {"its program is there", "pulumi", "control,terraform,helm,crossplane,pulumi"},
		"without Pulumi": {"the worker would find no program", "", "control,terraform,helm,crossplane"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, func(o *dev.Options) {
				o.Environ = slices.DeleteFunc(o.Environ, func(entry string) bool { return strings.HasPrefix(entry, "NESTOR_QUEUES=") })
				o.Search.LookPath = nowhere
				if test.program != "" {
					if err := os.WriteFile(filepath.Join(o.Search.Dirs[0], test.program), []byte("#!/bin/sh\n"), 0o700); err != nil {
						t.Fatal(err)
					}
				}
			})
			p.ready(t)
			if got := workerEnviron(t, p.options.DataDir); !slices.Contains(got, "NESTOR_QUEUES="+test.want) {
				t.Errorf("%s: %v has no %s", test.reason, got, test.want)
			}
		})
	}
}
