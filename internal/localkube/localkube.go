// SPDX-License-Identifier: Apache-2.0

// Package localkube knows how a Kubernetes control plane without containers
// runs on loopback: etcd, the API server, the controller manager, kwok in place
// of nodes, Crossplane with a provider and a function, and MinIO beside it. It
// makes their keys, users and files, says with which arguments each is started,
// what it needs in the cluster before, and when it truly serves.
//
// It starts no process: `nestor dev --kubernetes` and the tests do, in the same
// way. It is small on purpose, because the CLI holds it, and speaks plain HTTPS
// to the API server. It is no way to run a cluster for anybody else.
package localkube

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The versions of Crossplane that a control plane can have.
const (
	CrossplaneV1 = "v1" // 1.20: claims, Resources mode, connection secrets
	CrossplaneV2 = "v2" // 2.x: namespaced composites, functions alone
)

// Options of a control plane.
type Options struct {
	// Dir keeps everything: keys, users, etcd's data. It is created when
	// missing; a later control plane on it goes on with what is there.
	Dir string
	// Ports on 127.0.0.1; each is a free one that nobody else takes.
	Ports Ports
	// Kwok adds a node on which every pod runs at once.
	Kwok bool
	// Crossplane is CrossplaneV1, CrossplaneV2, or empty for none.
	Crossplane string
	// CRDs is the folder that tools/build fills with the CRDs of each program,
	// one folder for each. Crossplane alone needs it.
	CRDs string
	// Volatile gives up what a crash of the machine may cost, for speed.
	Volatile bool
}

// Ports of a control plane. Those of what Options leave out stay unused.
type Ports struct {
	API, Etcd, EtcdPeer, Manager, Kwok         int
	Crossplane, Function                       int
	Provider, ProviderMetrics, ProviderWebhook int
}

// Port is one of Ports.
type Port struct {
	Number *int
	// What listens there.
	What string
}

// Used are the ports that a control plane with these options listens on.
func (p *Ports) Used(o Options) []Port {
	used := []Port{
		{&p.API, "the Kubernetes API"},
		{&p.Etcd, "etcd"},
		{&p.EtcdPeer, "etcd's peers"},
		{&p.Manager, "Kubernetes' controller manager"},
	}
	if o.Kwok {
		used = append(used, Port{&p.Kwok, "kwok"})
	}
	if o.Crossplane != "" {
		used = append(used,
			Port{&p.Crossplane, "Crossplane's health"},
			Port{&p.Function, FunctionName},
			Port{&p.Provider, "the health of provider-kubernetes"},
			Port{&p.ProviderMetrics, "the metrics of provider-kubernetes"},
			Port{&p.ProviderWebhook, "the webhook of provider-kubernetes"})
	}
	return used
}

// Part is one process.
type Part struct {
	// Name of the process in messages and of its log.
	Name string
	// Program is its name in bin/.
	Program string
	Args    []string
	// Env is what it is told by its environment; see Environ.
	Env []string
	// Prepare puts into the cluster what the process needs; it is called once,
	// before the process is first started, when the parts of all earlier stages
	// serve. Calling it again does no harm. Nil where there is nothing.
	Prepare func(ctx context.Context) error
	// Ready returns nil when the process does its work, and not only listens;
	// otherwise it says what is missing.
	Ready func(ctx context.Context) error
}

// Environ is the whole environment of the process: Env, and of the given one
// what every program needs. Nothing that a user has set for another etcd or
// MinIO reaches these.
func (p Part) Environ(given []string) []string {
	kept := slices.DeleteFunc(slices.Clone(given), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !slices.Contains([]string{"PATH", "TMPDIR", "TZ"}, name)
	})
	return append(kept, p.Env...)
}

// Need is a program that has to be there, and what builds it.
type Need struct {
	// Program is its name in bin/.
	Program string
	// Tool is the folder of tools/ that builds it.
	Tool string
	// CRDs says that the tool's CRDs are needed, too.
	CRDs bool
}

// Needs are the programs of a control plane.
func Needs(o Options) []Need {
	needs := []Need{
		{Program: "etcd", Tool: "etcd"},
		{Program: "kube-apiserver", Tool: "kubernetes"},
		{Program: "kube-controller-manager", Tool: "kubernetes"},
	}
	if o.Kwok {
		needs = append(needs, Need{Program: "kwok", Tool: "kwok"})
	}
	if o.Crossplane != "" {
		core := crossplaneProgram(o.Crossplane)
		needs = append(needs,
			Need{Program: core, Tool: core, CRDs: true},
			Need{Program: providerProgram, Tool: providerProgram, CRDs: true},
			Need{Program: functionProgram, Tool: functionProgram})
	}
	return needs
}

// ControlPlane is the knowledge of one control plane.
type ControlPlane struct {
	options Options
	keys    keys
	users   users
	api     *client
}

// New makes the keys, users and files of a control plane, or takes up those
// that its directory holds. Nothing runs yet.
func New(o Options) (*ControlPlane, error) {
	switch o.Crossplane {
	case "", CrossplaneV1, CrossplaneV2:
	default:
		return nil, fmt.Errorf("crossplane %q is unknown; expected %s or %s", o.Crossplane, CrossplaneV1, CrossplaneV2)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("directory of the control plane: %w", err)
	}
	o.Dir = dir
	c := &ControlPlane{options: o}
	if c.keys, err = openKeys(c.file("pki")); err != nil {
		return nil, err
	}
	if c.users, err = openUsers(c.file("users")); err != nil {
		return nil, err
	}
	if err := c.writeKubeconfigs(); err != nil {
		return nil, err
	}
	c.api, err = newClient(c.Endpoint(), c.keys, c.users.token(admin))
	return c, err
}

// Endpoint is the API server's address.
func (c *ControlPlane) Endpoint() string {
	return fmt.Sprintf("https://127.0.0.1:%d", c.options.Ports.API)
}

// Stages are the processes in the order of their start. Those of one stage may
// start together; each stage needs that the one before it serves.
func (c *ControlPlane) Stages() [][]Part {
	last := []Part{c.manager()}
	if c.options.Kwok {
		last = append(last, c.kwok())
	}
	if c.options.Crossplane != "" {
		last = append(last, c.function(), c.crossplane(), c.provider())
	}
	return [][]Part{{c.etcd()}, {c.server()}, last}
}

func (c *ControlPlane) file(path ...string) string {
	return filepath.Join(append([]string{c.options.Dir}, path...)...)
}

// home keeps programs from reading what they find in the user's own.
func (c *ControlPlane) home() string { return "HOME=" + c.options.Dir }

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
