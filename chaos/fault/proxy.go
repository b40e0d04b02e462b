// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy hands TCP connections on to one address, and can be partitioned.
type Proxy struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	mode    mode
	open    chan struct{} // closed while bytes pass
	pairs   map[*pair]bool
	closed  bool
	serving sync.WaitGroup
}

type mode int

const (
	passing mode = iota
	silent       // bytes wait, as in a network that loses packets
	cut          // connections are reset
)

type pair struct{ from, to net.Conn }

func (p *pair) close() error { return errors.Join(p.from.Close(), p.to.Close()) }

// NewProxy listens on a free loopback port and hands on to an address.
func NewProxy(ctx context.Context, to string) (*Proxy, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a proxy: %w", err)
	}
	open := make(chan struct{})
	close(open)
	p := &Proxy{listener: listener, to: to, open: open, pairs: map[*pair]bool{}}
	p.serving.Go(p.serve)
	return p, nil
}

// Address to connect to.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Silence keeps every byte for a time, or until the context ends; connections
// stay, and what was kept arrives afterwards.
func (p *Proxy) Silence(ctx context.Context, d time.Duration) { p.during(ctx, d, silent) }

// Cut resets every connection, and new ones at once, for a time or until the
// context ends.
func (p *Proxy) Cut(ctx context.Context, d time.Duration) { p.during(ctx, d, cut) }

func (p *Proxy) during(ctx context.Context, d time.Duration, m mode) {
	p.set(m)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	p.set(passing)
}

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.mode
	p.mode = m
	switch {
	case m == silent && was != silent:
		p.open = make(chan struct{})
	case m != silent && was == silent:
		close(p.open)
	}
	if m == cut {
		p.reset()
	}
}

// reset is called with the lock held. The ends of broken connections have
// nothing to say.
func (p *Proxy) reset() {
	for c := range p.pairs {
		_ = c.close()
	}
}

// Close ends the proxy and every connection.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.set(passing)
	p.mu.Lock()
	p.closed = true
	p.reset()
	p.mu.Unlock()
	p.serving.Wait()
	return err
}

func (p *Proxy) serve() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return // it was closed
		}
		p.serving.Go(func() { p.connect(from) })
	}
}

// connect joins a connection with one of our own until either ends.
func (p *Proxy) connect(from net.Conn) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	to, err := dialer.DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		_ = from.Close() // as if nobody listened here
		return
	}
	c := &pair{from: from, to: to}
	p.mu.Lock()
	refuse := p.mode == cut || p.closed
	if !refuse {
		p.pairs[c] = true
	}
	p.mu.Unlock()
	if !refuse {
		var both sync.WaitGroup
		for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
			both.Go(func() {
				_, _ = io.Copy(&gate{proxy: p, to: way[1]}, way[0]) // either end may break
				_ = c.close()
			})
		}
		both.Wait()
	}
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
	_ = c.close()
}

// gate lets bytes through while the proxy is not silent.
type gate struct {
	proxy *Proxy
	to    net.Conn
}

func (g *gate) Write(b []byte) (int, error) {
	g.proxy.mu.Lock()
	open := g.proxy.open
	g.proxy.mu.Unlock()
	<-open
	return g.to.Write(b)
}
