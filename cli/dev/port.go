// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"github.com/HatiCode/nestor/internal/localkube"
)

// Ports of a platform, all on loopback. 0 stands for a free one.
type Ports struct {
	Temporal int
	UI       int
	API      int
	// Kubernetes is the API server's and MinIO the object store's, where the
	// platform has them.
	Kubernetes int
	MinIO      int

	// temporalHTTP is Temporal's HTTP API, which readiness asks. Nobody needs
	// to know it, so it is always a free one.
	temporalHTTP int
	// cluster are those of the control plane's parts, for the same reason.
	cluster localkube.Ports
}

// DefaultPorts are the ports that a platform takes when it is told nothing.
func DefaultPorts() Ports {
	return Ports{Temporal: 7233, UI: 8233, API: 8480, Kubernetes: 6443, MinIO: 9000}
}

// Shift adds the offset to every port that is not 0.
func (p Ports) Shift(offset int) Ports {
	for _, port := range []*int{&p.Temporal, &p.UI, &p.API, &p.Kubernetes, &p.MinIO} {
		if *port != 0 {
			*port += offset
		}
	}
	return p
}

// PortInUseError says which port is taken and how to choose another.
type PortInUseError struct {
	Port int
	What string // what would listen there
	Flag string // the flag that chooses the port
	Err  error
}

func (e *PortInUseError) Error() string {
	return fmt.Sprintf("port %d for %s cannot be used: %v; stop what listens there, or choose another with %s (0 picks a free one)",
		e.Port, e.What, e.Err, e.Flag)
}

// Unwrap returns the cause.
func (e *PortInUseError) Unwrap() error { return e.Err }

// Free ports are picked below those that systems give to outgoing connections,
// so that no connection takes one between our choice and the child's start.
const (
	lowestFree = 20000
	countFree  = 12000
	freeTries  = 64
)

// wanted is one port with the words for it.
type wanted struct {
	port       *int
	what, flag string
}

func wantedOf(p *Ports, k Kubernetes) []wanted {
	all := []wanted{
		{&p.Temporal, "Temporal", "--temporal-port"},
		{&p.UI, "the Temporal Web UI", "--ui-port"},
		{&p.API, "the API", "--api-port"},
		{&p.temporalHTTP, "Temporal's HTTP API", "--temporal-port"},
	}
	if k.wanted() {
		all = append(all, wanted{&p.MinIO, "MinIO", "--minio-port"})
	}
	if k.Local {
		p.cluster.API = p.Kubernetes
		for _, port := range p.cluster.Used(k.options()) {
			all = append(all, wanted{port.Number, port.What, "--kubernetes-port"})
		}
	}
	return all
}

// reserve proves that the ports can be listened on and picks the free ones. All
// are held until all are known, so that no two get the same.
func (p Ports) reserve(ctx context.Context, k Kubernetes) (Ports, error) {
	for _, w := range wantedOf(&p, k) {
		listener, err := listenOn(ctx, *w.port)
		if err != nil {
			return Ports{}, &PortInUseError{Port: *w.port, What: w.what, Flag: w.flag, Err: err}
		}
		defer listener.Close() //nolint:errcheck // nothing was ever accepted on it
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return Ports{}, fmt.Errorf("listen for %s: unexpected address %s", w.what, listener.Addr())
		}
		*w.port = address.Port
	}
	p.Kubernetes = p.cluster.API
	return p, nil
}

// listenOn listens on the port, or on any free one when it is 0.
func listenOn(ctx context.Context, port int) (net.Listener, error) {
	var listen net.ListenConfig
	on := func(port int) (net.Listener, error) {
		return listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	if port != 0 {
		return on(port)
	}
	for range freeTries {
		listener, err := on(lowestFree + rand.IntN(countFree)) //nolint:gosec // any port will do
		if err == nil {
			return listener, nil
		}
	}
	return on(0)
}

// lost says that a port which was picked as a free one (0 in asked) has been
// taken by somebody else meanwhile.
func (p Ports) lost(ctx context.Context, asked Ports, k Kubernetes) bool {
	picked := wantedOf(&asked, k)
	for i, w := range wantedOf(&p, k) {
		if *picked[i].port != 0 {
			continue
		}
		listener, err := listenOn(ctx, *w.port)
		if err != nil {
			return true
		}
		if err := listener.Close(); err != nil {
			return true
		}
	}
	return false
}
