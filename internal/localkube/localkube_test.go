// SPDX-License-Identifier: Apache-2.0

package localkube_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/internal/localkube"
)

func plane(t *testing.T, o localkube.Options) *localkube.ControlPlane {
	t.Helper()
	c, err := localkube.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// files below a directory, by their paths in it.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		name, err := filepath.Rel(dir, path)
		found[name] = read(t, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestNewKeepsKeys: a later control plane on a directory has the same keys and
// users, whatever its ports, and every file is private.
func TestNewKeepsKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plane(t, localkube.Options{Dir: dir, Ports: localkube.Ports{API: 1}})
	before := files(t, dir)
	again := plane(t, localkube.Options{Dir: dir, Ports: localkube.Ports{API: 2}})
	after := files(t, dir)
	for name, content := range before {
		if strings.HasSuffix(name, ".kubeconfig") {
			content = strings.ReplaceAll(content, "127.0.0.1:1\n", "127.0.0.1:2\n")
		}
		if content != after[name] {
			t.Errorf("%s has changed", name)
		}
	}
	if len(before) != len(after) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
	config, err := again.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(config), read(t, again.KubeconfigPath())); diff != "" {
		t.Errorf("the file and the kubeconfig differ:\n%s", diff)
	}
	var parsed struct {
		Clusters []struct{ Cluster struct{ Server string } }
	}
	if err := yaml.Unmarshal(config, &parsed); err != nil || len(parsed.Clusters) != 1 || parsed.Clusters[0].Cluster.Server != "https://127.0.0.1:2" {
		t.Errorf("the kubeconfig leads to %v (%v)", parsed, err)
	}
}

// TestNewCertificates: servers and clients are known by the one authority.
func TestNewCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plane(t, localkube.Options{Dir: dir})
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(read(t, filepath.Join(dir, "pki", "server", "ca.crt")))) {
		t.Fatal("no authority")
	}
	for name, test := range map[string]struct {
		reason, file, host string
		use                x509.ExtKeyUsage
	}{
		"server":    {"readiness asks by address", "server", "127.0.0.1", x509.ExtKeyUsageServerAuth},
		"localhost": {"people write it", "server", "localhost", x509.ExtKeyUsageServerAuth},
		"peer":      {"etcd shows its server's to itself", "server", "", x509.ExtKeyUsageClientAuth},
		"client":    {"the API server asks etcd", "client", "", x509.ExtKeyUsageClientAuth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			block, _ := pem.Decode([]byte(read(t, filepath.Join(dir, "pki", test.file, "tls.crt"))))
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := certificate.Verify(x509.VerifyOptions{
				DNSName: test.host, Roots: trusted, KeyUsages: []x509.ExtKeyUsage{test.use},
			}); err != nil {
				t.Errorf("%s: %v", test.reason, err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason  string
		damaged func(t *testing.T, dir string) localkube.Options
		want    []string
	}{
		"crossplane": {
			"a version that nobody knows",
			func(_ *testing.T, dir string) localkube.Options { return localkube.Options{Dir: dir, Crossplane: "v3"} },
			[]string{`"v3"`, "v1 or v2"},
		},
		"certificate": {
			"a damaged key is not replaced: the cluster's secrets hang on it",
			func(t *testing.T, dir string) localkube.Options {
				t.Helper()
				damage(t, filepath.Join(dir, "pki", "server", "tls.crt"))
				return localkube.Options{Dir: dir}
			},
			[]string{"damaged", "remove", "pki"},
		},
		"users": {
			"a damaged list of users is not replaced",
			func(t *testing.T, dir string) localkube.Options {
				t.Helper()
				damage(t, filepath.Join(dir, "users", "tokens.csv"))
				return localkube.Options{Dir: dir}
			},
			[]string{"tokens.csv", "damaged", "remove"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			plane(t, localkube.Options{Dir: dir})
			_, err := localkube.New(test.damaged(t, dir))
			if err == nil {
				t.Fatalf("%s: no error", test.reason)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q does not name %q", test.reason, err, want)
				}
			}
		})
	}
}

func damage(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("\"x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNeedsAndPorts: each option asks for its programs, and no two parts share a
// port.
func TestNeedsAndPorts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason   string
		options  localkube.Options
		programs []string
	}{
		"bare": {"the least", localkube.Options{}, []string{"etcd", "kube-apiserver", "kube-controller-manager"}},
		"kwok": {"a node", localkube.Options{Kwok: true}, []string{"etcd", "kube-apiserver", "kube-controller-manager", "kwok"}},
		"v1": {"the old Crossplane", localkube.Options{Crossplane: localkube.CrossplaneV1}, []string{
			"etcd", "kube-apiserver", "kube-controller-manager",
			"crossplane-function-patch-and-transform", "crossplane-v1", "crossplane-provider-kubernetes",
		}},
		"v2": {"the new one", localkube.Options{Crossplane: localkube.CrossplaneV2}, []string{
			"etcd", "kube-apiserver", "kube-controller-manager",
			"crossplane-function-patch-and-transform", "crossplane-v2", "crossplane-provider-kubernetes",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := test.options
			o.Dir = t.TempDir()
			for i, port := range o.Ports.Used(o) {
				*port.Number = 20000 + i
			}
			needed := map[string]bool{}
			for _, need := range localkube.Needs(o) {
				needed[need.Program] = true
			}
			var started []string
			said := map[string]int{}
			for _, stage := range plane(t, o).Stages() {
				for _, part := range stage {
					started = append(started, part.Program)
					if !needed[part.Program] {
						t.Errorf("%s: %s is started and not needed", test.reason, part.Program)
					}
					for _, port := range o.Ports.Used(o) {
						if strings.Contains(strings.Join(part.Args, " "), strconv.Itoa(*port.Number)) {
							said[port.What]++
						}
					}
				}
			}
			if diff := cmp.Diff(test.programs, started); diff != "" || len(started) != len(needed) {
				t.Errorf("%s: programs in order (-want +got):\n%s", test.reason, diff)
			}
			for _, port := range o.Ports.Used(o) {
				if said[port.What] == 0 {
					t.Errorf("%s: nobody is told the port of %s", test.reason, port.What)
				}
			}
		})
	}
}

// TestEnviron: what a user has set for other programs of the kind stays outside.
func TestEnviron(t *testing.T) {
	t.Parallel()
	part := localkube.Part{Env: []string{"HOME=/here"}}
	given := []string{"PATH=/bin", "HOME=/elsewhere", "ETCD_NAME=other", "MINIO_DOMAIN=x", "KUBECONFIG=/elsewhere/config", "TMPDIR=/tmp"}
	if diff := cmp.Diff([]string{"PATH=/bin", "TMPDIR=/tmp", "HOME=/here"}, part.Environ(given)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMinIOKeepsKeys: what is stored stays readable.
func TestMinIOKeepsKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := localkube.NewMinIO(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := localkube.NewMinIO(dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	if first.AccessKey != second.AccessKey || first.SecretKey != second.SecretKey || first.Endpoint == second.Endpoint {
		t.Errorf("%s with %s became %s with %s", first.Endpoint, first.AccessKey, second.Endpoint, second.AccessKey)
	}
	if len(first.SecretKey) < 32 || first.SecretKey == first.AccessKey {
		t.Error("the secret key is short")
	}
	if args := strings.Join(second.Part().Args, " "); strings.Contains(args, second.SecretKey) {
		t.Error("every user of the machine can read the secret key among the arguments")
	}
	files(t, dir)
}
