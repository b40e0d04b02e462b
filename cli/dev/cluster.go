// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/HatiCode/nestor/internal/atomicfile"
	"github.com/HatiCode/nestor/internal/localkube"
	"github.com/HatiCode/nestor/internal/secretref"
)

// Kubernetes says which cluster the engines of a platform reach: one of its own,
// one that is there already, or none. With either comes an object store.
type Kubernetes struct {
	// Local runs a control plane.
	Local bool
	// Crossplane in it is "v1", "v2", or empty for none.
	Crossplane string
	// Kubeconfig is the file of a cluster that is there already; Local is then
	// not set.
	Kubeconfig string
}

func (k Kubernetes) wanted() bool { return k.Local || k.Kubeconfig != "" }

// options of the control plane, without its place.
func (k Kubernetes) options() localkube.Options {
	return localkube.Options{Kwok: true, Crossplane: k.Crossplane}
}

// needs are the programs that the cluster and the object store need.
func (k Kubernetes) needs() []localkube.Need {
	var needs []localkube.Need
	if k.Local {
		needs = localkube.Needs(k.options())
	}
	if k.wanted() {
		needs = append(needs, localkube.MinIONeed())
	}
	return needs
}

// The names of the platform's secrets.
const (
	kubeconfigSecret = "kubeconfig"
	endpointSecret   = "minio-endpoint" // host:port, no secret but as dependent on this machine
	accessKeySecret  = "minio-access-key"
	secretKeySecret  = "minio-secret-key"
)

// reference is what environments write for a secret of the platform.
func reference(name string) string {
	return secretref.Scheme + string(secretref.File) + "/" + secretref.Platform + "/" + name
}

// cluster is what a platform has of Kubernetes, and its object store.
type cluster struct {
	chosen  Kubernetes
	plane   *localkube.ControlPlane // nil where the cluster is not ours
	minio   *localkube.MinIO
	config  string // path of the kubeconfig
	server  string
	secrets string // path of the platform's own folder of secrets
	// elsewhere is the user's directory of secrets, where that is another one.
	elsewhere string
}

// openCluster makes or takes up the files of the cluster, and the secrets that
// environments refer to.
func (p *platform) openCluster() error {
	k := p.options.Kubernetes
	if !k.wanted() {
		return nil
	}
	c := &cluster{
		chosen: k, config: p.data.file(kubeconfig),
		secrets: filepath.Join(p.data.file(secretsDir), secretref.Platform),
	}
	if given := valueOf(p.options.Environ, secretsVariable); given != "" && given != p.data.file(secretsDir) {
		c.elsewhere = given
	}
	content, err := c.access(p)
	if err != nil {
		return err
	}
	if c.minio, err = localkube.NewMinIO(p.data.file(minioDir), p.ports.MinIO); err != nil {
		return err
	}
	if err := os.MkdirAll(c.secrets, 0o700); err != nil {
		return fmt.Errorf("make the directory of secrets: %w", err)
	}
	for path, content := range map[string][]byte{
		c.config:                 content,
		c.file(kubeconfigSecret): content,
		c.file(endpointSecret):   []byte(strings.TrimPrefix(c.minio.Endpoint, "http://")),
		c.file(accessKeySecret):  []byte(c.minio.AccessKey),
		c.file(secretKeySecret):  []byte(c.minio.SecretKey),
	} {
		if err := atomicfile.Write(path, content); err != nil {
			return fmt.Errorf("write the platform's secrets: %w", err)
		}
	}
	p.cluster = c
	return nil
}

// access returns the kubeconfig, of our control plane or of the given file.
func (c *cluster) access(p *platform) (content []byte, err error) {
	if !c.chosen.Local {
		content, c.server, err = readKubeconfig(c.chosen.Kubeconfig)
		return content, err
	}
	options := c.chosen.options()
	options.Dir, options.Ports, options.CRDs = p.data.file(clusterDir), p.ports.cluster, p.programs.crds
	if c.plane, err = localkube.New(options); err != nil {
		return nil, err
	}
	c.server = c.plane.Endpoint()
	return c.plane.Kubeconfig()
}

func (c *cluster) file(secret string) string { return filepath.Join(c.secrets, secret) }

// clusterStages are the services of the cluster: those that need nobody else,
// and those that follow, stage by stage.
func (p *platform) clusterStages() (first []*service, then [][]*service) {
	run := func(part localkube.Part) *service {
		s := p.spec(part.Name, p.programs.paths[part.Program], part.Environ(p.options.Environ), part.Args...)
		s.private = true
		return &service{
			spec:    s,
			prepare: part.Prepare,
			ready:   func(ctx context.Context, _ int) error { return part.Ready(ctx) },
		}
	}
	first = append(first, run(p.cluster.minio.Part()))
	if p.cluster.plane == nil {
		return first, nil
	}
	for _, stage := range p.cluster.plane.Stages() {
		var services []*service
		for _, part := range stage {
			services = append(services, run(part))
		}
		then = append(then, services)
	}
	return first, then
}

func (c *cluster) endpoints() *KubernetesEndpoints {
	if c == nil {
		return nil
	}
	e := &KubernetesEndpoints{Server: c.server, Kubeconfig: c.config, Secret: reference(kubeconfigSecret)}
	if c.chosen.Local {
		e.Crossplane = c.chosen.Crossplane
	}
	return e
}

func (c *cluster) minioEndpoints() *MinIOEndpoints {
	if c == nil {
		return nil
	}
	return &MinIOEndpoints{
		Endpoint: c.minio.Endpoint, AccessKeyFile: c.file(accessKeySecret), SecretKeyFile: c.file(secretKeySecret),
		AccessKeySecret: reference(accessKeySecret), SecretKeySecret: reference(secretKeySecret),
	}
}

// lines tell the reader where the cluster is, and what environments write.
func (c *cluster) lines() []string {
	if c == nil {
		return nil
	}
	server := c.server
	if c.chosen.Local && c.chosen.Crossplane != "" {
		server += " (Crossplane " + c.chosen.Crossplane + ")"
	}
	lines := []string{
		"  Kubernetes       " + server,
		"  kubeconfig       " + c.config,
		"                   " + reference(kubeconfigSecret),
		"  MinIO            " + c.minio.Endpoint,
		"  its keys         " + reference(accessKeySecret),
		"                   " + reference(secretKeySecret),
	}
	if c.elsewhere != "" {
		lines = append(lines,
			"  These secrets are not in your NESTOR_SECRETS_DIR. Unset it, or copy them:",
			"    cp -r "+c.secrets+" "+c.elsewhere)
	}
	return lines
}
