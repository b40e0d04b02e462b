// SPDX-License-Identifier: Apache-2.0

// Package testkube runs a real Kubernetes control plane, and MinIO, for tests:
// the programs that `make tools` builds, started as internal/localkube knows.
// One of each kind serves a whole test binary: it starts when a test first asks
// for it, is shared by all tests, and dies with the binary.
//
// It holds no fakes, and skips no test: what cannot start fails it.
package testkube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/HatiCode/nestor/internal/localkube"
	"github.com/HatiCode/nestor/internal/parts"
)

// startPatience bounds a start, on a machine that does other work.
const startPatience = 2 * time.Minute

// Options of a control plane.
type Options struct {
	// Crossplane is "v1", "v2", or empty for none. With it come
	// provider-kubernetes and function-patch-and-transform.
	Crossplane string
	// Kwok adds a node on which every pod runs at once.
	Kwok bool
}

// Cluster is a running control plane.
type Cluster struct {
	// Kubeconfig is the administrator's; it holds all that it refers to.
	Kubeconfig []byte

	rest  *rest.Config
	group *group
	apply *applier
}

// Main runs the tests, ends what they started, and returns the exit status for
// os.Exit. Without it the processes die with the test binary, too, but their
// files stay.
func Main(m *testing.M) int {
	status := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "testkube:", err)
		return max(status, 1)
	}
	return status
}

// Start returns the control plane of the test binary for these options, which
// it starts when there is none yet. Tests keep apart in namespaces.
func Start(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	started := shared.cluster(o, func() (*Cluster, error) { return startCluster(tb, o) })
	if started.err != nil {
		tb.Fatal(started.err)
	}
	started.value.group.tellOnFailure(tb)
	return started.value
}

// REST is the administrator's configuration for a client, not slowed down.
func (c *Cluster) REST() *rest.Config { return rest.CopyConfig(c.rest) }

func startCluster(tb testing.TB, o Options) (*Cluster, error) {
	tb.Helper()
	options := localkube.Options{
		Crossplane: o.Crossplane, Kwok: o.Kwok, Volatile: true, CRDs: filepath.Join(parts.Bin(tb), "crds"),
	}
	paths := map[string]string{}
	for _, need := range localkube.Needs(options) {
		paths[need.Program] = parts.Program(tb, need.Program)
	}
	var (
		plane *localkube.ControlPlane
		g     *group
	)
	err := shared.start(func(ctx context.Context, dir string) (started *group, err error) {
		options.Dir = dir
		if err := pickPorts(ctx, options.Ports.Used(options)); err != nil {
			return nil, err
		}
		if plane, err = localkube.New(options); err != nil {
			return nil, err
		}
		g = newGroup(dir, paths)
		for _, stage := range plane.Stages() {
			if err := g.up(ctx, stage...); err != nil {
				return g, err
			}
		}
		return g, nil
	})
	if err != nil {
		return nil, fmt.Errorf("start a control plane: %w", err)
	}
	c := &Cluster{group: g}
	if c.Kubeconfig, err = plane.Kubeconfig(); err != nil {
		return nil, err
	}
	if c.rest, err = clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig); err != nil {
		return nil, err
	}
	c.rest.QPS, c.rest.Burst = 1000, 1000
	c.rest.WarningHandler = rest.NoWarnings{}
	c.apply, err = newApplier(c.rest)
	return c, err
}

// shared is what the tests of this binary have started.
var shared = &registry{} //nolint:gochecknoglobals // one control plane for a whole test binary is what the package is for

// registry holds what was started, by kind.
type registry struct {
	mu       sync.Mutex
	clusters map[Options]*once[*Cluster]
	stores   once[S3]
	groups   []*group
	dirs     []string
}

// once is a value that is made by whoever asks first.
type once[T any] struct {
	sync.Once
	value T
	err   error
}

func (o *once[T]) get(start func() (T, error)) *once[T] {
	o.Do(func() {
		o.err = errors.New("the test that began the start has ended; its message says why")
		o.value, o.err = start()
	})
	return o
}

func (r *registry) cluster(o Options, start func() (*Cluster, error)) *once[*Cluster] {
	r.mu.Lock()
	if r.clusters == nil {
		r.clusters = map[Options]*once[*Cluster]{}
	}
	if r.clusters[o] == nil {
		r.clusters[o] = &once[*Cluster]{}
	}
	one := r.clusters[o]
	r.mu.Unlock()
	return one.get(start)
}

// startTries bounds the starts when a free port is taken by somebody else
// before its process listens there.
const startTries = 3

// start runs a group in a directory of its own. It tries again with other
// ports, because those picked may be taken meanwhile.
func (r *registry) start(up func(ctx context.Context, dir string) (*group, error)) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), startPatience, fmt.Errorf("not ready after %s", startPatience))
	defer cancel()
	for try := 1; ; try++ {
		dir, err := os.MkdirTemp("", "nestor-testkube-")
		if err != nil {
			return err
		}
		g, err := up(ctx, dir)
		r.mu.Lock()
		r.dirs = append(r.dirs, dir)
		if g != nil {
			r.groups = append(r.groups, g)
		}
		r.mu.Unlock()
		if err == nil || g == nil || try == startTries || !g.portTaken() {
			return err
		}
		g.stop()
	}
}

// close ends every process and removes every file.
func (r *registry) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.groups {
		g.stop()
	}
	var errs []error
	for _, dir := range r.dirs {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}
