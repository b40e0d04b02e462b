// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/internal/devserver"
	"github.com/HatiCode/nestor/internal/launch"
)

// Delays between restarts of a child that dies again and again, and the time
// after which it counts as healthy.
const (
	firstDelay   = 250 * time.Millisecond
	longestDelay = 10 * time.Second
	healthyAfter = 5 * time.Second
)

// shownLines of a dead child's log.
const shownLines = 15

// platform is what Run runs: supervised children.
type platform struct {
	options  Options
	data     *dataDir
	ports    Ports
	launcher *launch.Launcher
	programs programs
	services []*service
	watches  sync.WaitGroup
	cluster  *cluster // nil where the platform has none

	speak sync.Mutex // guards out
	out   io.Writer

	cancel context.CancelFunc // the first interrupt's effect
	// now is canceled when a second interrupt asks for a stop at once.
	now     context.Context //nolint:containedctx // a life-long condition of the platform, not a call's context
	stopNow context.CancelFunc
}

// service is a child that is started again when it dies.
type service struct {
	spec    spec
	prepare func(ctx context.Context) error // before the first start; may be nil
	ready   func(ctx context.Context, pid int) error

	mu      sync.Mutex
	child   *child
	stopped bool
}

func newPlatform(o Options, data *dataDir, found programs, ports Ports, out io.Writer) *platform {
	p := &platform{options: o, data: data, ports: ports, programs: found, launcher: launch.New(), out: out}
	p.now, p.stopNow = context.WithCancel(context.Background())
	return p
}

// untilInterrupted ends the context with the first interrupt, and p.now with
// the second.
func (p *platform) untilInterrupted(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	p.cancel = cancel
	over := make(chan struct{})
	go func() {
		for _, stop := range []context.CancelFunc{cancel, p.stopNow} {
			select {
			case <-p.options.Interrupts:
				stop()
			case <-over:
				return
			}
		}
	}()
	return ctx, func() {
		close(over)
		cancel()
		p.stopNow()
		p.launcher.Close()
	}
}

// start brings the children up, each when the one that it needs serves.
func (p *platform) start(ctx context.Context) error {
	limited, cancel := context.WithTimeoutCause(ctx, p.options.StartTimeout,
		fmt.Errorf("not ready after %s", p.options.StartTimeout))
	defer cancel()
	if err := p.openCluster(); err != nil {
		return err
	}
	env, err := p.environ()
	if err != nil {
		return err
	}
	for _, stage := range p.stages(env) {
		if err := p.up(limited, stage...); err != nil {
			return err
		}
	}
	for _, s := range p.services {
		p.watches.Go(func() { p.watch(ctx, s) })
	}
	return nil
}

// stages are the services in the order of their start: each stage needs that
// the one before it serves.
func (p *platform) stages(env []string) [][]*service {
	probe := newProbe(p.ports)
	temporal := p.spec("temporal", p.programs.temporal, env, devserver.Args(devserver.Options{
		File: p.data.file(temporalFile), Port: p.ports.Temporal, HTTPPort: p.ports.temporalHTTP, UIPort: p.ports.UI,
		CodecEndpoint: fmt.Sprintf("http://127.0.0.1:%d%s", p.ports.API, codecPath),
	})...)
	temporal.private = true
	first := []*service{{spec: temporal, ready: probe.temporal}}
	var between [][]*service
	if p.cluster != nil {
		var beside []*service
		beside, between = p.clusterStages()
		first = append(first, beside...)
	}
	last := []*service{
		{spec: p.spec("api", p.programs.api, env, "serve"), ready: probe.api},
		{spec: p.spec("worker", p.programs.worker, env), ready: probe.worker},
	}
	return slices.Concat([][]*service{first}, between, [][]*service{last})
}

// up starts services side by side and waits until all of them serve.
func (p *platform) up(ctx context.Context, services ...*service) error {
	p.services = append(p.services, services...)
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range services {
		group.Go(func() error { return p.upOne(ctx, s) })
	}
	return group.Wait()
}

// upOne starts a service, waits until it serves, and tells the reader.
func (p *platform) upOne(ctx context.Context, s *service) error {
	began := time.Now()
	if s.prepare != nil {
		if err := s.prepare(ctx); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	started, err := startChild(p.launcher, s.spec)
	if err != nil {
		return err
	}
	s.child = started
	if err := awaitReady(ctx, s.child, s.ready); err != nil {
		return err
	}
	return p.say(fmt.Sprintf("  %-30s ready after %.1f s", s.spec.name, time.Since(began).Seconds()))
}

// awaitReady asks until the child serves, has died, or the context ends.
func awaitReady(ctx context.Context, c *child, ready func(context.Context, int) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx, c.pid())
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			return errors.New(c.death(shownLines))
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; the last answer: %w; its log: %s", c.spec.name, context.Cause(ctx), err, c.spec.log)
		case <-tick.C:
		}
	}
}

// watch starts the service again whenever it dies, after a growing delay.
func (p *platform) watch(ctx context.Context, s *service) {
	delay := firstDelay
	for {
		current := s.child
		select {
		case <-ctx.Done():
			return
		case <-current.ended:
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(current.began) >= healthyAfter {
			delay = firstDelay
		}
		p.report(fmt.Sprintf("%s\n  starting it again in %s", current.death(shownLines), delay))
		if !p.restart(ctx, s, delay) {
			return
		}
		delay = min(2*delay, longestDelay)
	}
}

// restart tries until a new child runs; false means that the platform stops.
func (p *platform) restart(ctx context.Context, s *service, delay time.Duration) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(delay):
		}
		again, err := p.launchUnlessStopped(s)
		switch {
		case err != nil:
			p.report(fmt.Sprintf("%v; trying again in %s", err, longestDelay))
			delay = longestDelay
		case again == nil:
			return false
		default:
			p.report(fmt.Sprintf("%s runs again (pid %d)", s.spec.name, again.pid()))
			return true
		}
	}
}

// launchUnlessStopped returns nil when the service has been stopped meanwhile.
func (p *platform) launchUnlessStopped(s *service) (*child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, nil //nolint:nilnil // stopped is no error and has no child
	}
	again, err := startChild(p.launcher, s.spec)
	if err != nil {
		return nil, err
	}
	s.child = again
	return again, nil
}

// stopAfter stops all children, the last started first, and adds what went
// wrong with that to the given error. An interrupt is no error.
func (p *platform) stopAfter(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	p.cancel()
	for _, s := range slices.Backward(p.services) { //nolint:contextcheck // the given context has ended; p.now bounds the stop
		err = errors.Join(err, p.stop(s))
	}
	p.watches.Wait()
	return err
}

func (p *platform) stop(s *service) error {
	s.mu.Lock()
	s.stopped = true
	current := s.child
	s.mu.Unlock()
	if current == nil { // it never started
		return nil
	}
	ctx, cancel := context.WithTimeout(p.now, p.options.Grace)
	defer cancel()
	killed, err := current.stop(ctx)
	if killed {
		p.report(fmt.Sprintf("%s (pid %d) did not stop in time and was killed", s.spec.name, current.pid()))
	}
	return err
}

func (p *platform) spec(name, path string, env []string, args ...string) spec {
	return spec{
		name: name, path: path, args: args, env: env,
		dir: p.data.path, log: filepath.Join(p.data.file(logsDir), name+".log"),
	}
}

// environ is the children's environment: ours, and where everything is.
func (p *platform) environ() ([]string, error) {
	set := []string{
		"NESTOR_DATA=" + p.data.path,
		fmt.Sprintf("NESTOR_LISTEN=127.0.0.1:%d", p.ports.API),
		fmt.Sprintf("NESTOR_TEMPORAL_ADDRESS=127.0.0.1:%d", p.ports.Temporal),
		"NESTOR_TEMPORAL_NAMESPACE=" + devserver.Namespace,
		"NESTOR_BIN=" + strings.Join(p.options.Search.Dirs, string(os.PathListSeparator)),
	}
	set = append(set, p.codec()...)
	set = append(set, p.defaults()...)
	mirror, err := p.options.Search.mirror()
	if err != nil {
		return nil, err
	}
	if mirror != "" {
		set = append(set, "NESTOR_PROVIDER_MIRROR="+mirror)
	}
	env := slices.DeleteFunc(slices.Clone(p.options.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.ContainsFunc(set, func(ours string) bool { return strings.HasPrefix(ours, name+"=") })
	})
	return append(env, set...), nil
}

func (p *platform) say(line string) error {
	p.speak.Lock()
	defer p.speak.Unlock()
	_, err := fmt.Fprintln(p.out, line)
	return err
}

// report tells the reader what happened in the background. Where the output is
// gone there is nobody left to tell; the logs have it.
func (p *platform) report(line string) {
	if err := p.say(line); err != nil {
		p.stopNow()
	}
}
