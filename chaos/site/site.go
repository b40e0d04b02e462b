// SPDX-License-Identifier: Apache-2.0

// Package site runs Nestor's real programs for the harness: Temporal's dev
// server, nestor-api, two nestor-workers, each behind a proxy of its own, and the
// world; and it disturbs them.
//
// It knows neither what is deployed nor what should come of it.
package site

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
	api "github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/chaos/fault"
	"github.com/HatiCode/nestor/chaos/part"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/devserver"
	"github.com/HatiCode/nestor/internal/launch"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// Names that every deployment has.
const (
	Team       = "chaos"
	Staging    = "staging"
	Production = "production"
	Provider   = "chaos"
	Principal  = "user:chaos"
)

// latency of an effect of the world, half before it and half after it.
const latency = 60 * time.Millisecond

// leaseTTL is how long a worker may not reach the store before it stops its
// engines: shorter than most of what holds the store, and longer than a step.
const leaseTTL = 3 * time.Second

// workers side by side: with two, one takes over from the other.
const workers = 2

// startPatience bounds the start of the whole site.
const startPatience = 2 * time.Minute

// Options of a site.
type Options struct {
	// Bin holds the programs, Dir everything that the site writes.
	Bin, Dir string
	// Canaries are the values of the team's secrets, by the names of the
	// variables behind secret://env/….
	Canaries map[string]string
}

// Site is a running one.
type Site struct {
	*records.Records
	Options
	API      *remote.Client
	Temporal client.Client
	World    *cloud.Client

	launcher *launch.Launcher
	world    *exec.Cmd
	temporal *Part
	api      *Part
	workers  []*Part
	proxies  []*fault.Proxy
}

// Data is the data directory.
func (s *Site) Data() string { return filepath.Join(s.Dir, "data") }

// Logs is where the programs' logs are.
func (s *Site) Logs() string { return filepath.Join(s.Dir, "logs") }

// Start starts everything and waits until it serves.
func Start(ctx context.Context, o Options) (s *Site, err error) {
	s = &Site{Options: o, launcher: launch.New()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for _, dir := range []string{s.Data(), s.Logs()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return s, err
		}
	}
	if s.Records, err = records.Open(ctx, s.Data()); err != nil {
		return s, err
	}
	if err := s.startWorld(); err != nil {
		return s, err
	}
	ports, err := free(ctx, 3)
	if err != nil {
		return s, err
	}
	if err := s.startTemporal(ctx, ports[0], ports[1]); err != nil {
		return s, err
	}
	if err := s.startAPI(ctx, ports[0], ports[2]); err != nil {
		return s, err
	}
	return s, s.startWorkers(ctx, ports[0])
}

func (s *Site) startWorld() error {
	command, err := part.World(filepath.Join(s.Dir, "ledger.jsonl"), latency)
	if err != nil {
		return err
	}
	command.Stderr = os.Stderr
	command.SysProcAttr = attributes()
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.launcher.Start(command); err != nil {
		return fmt.Errorf("start the world: %w", err)
	}
	s.world = command
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the world did not start: %w", err)
	}
	s.World, err = cloud.Dial(strings.TrimSpace(line))
	return err
}

func (s *Site) startTemporal(ctx context.Context, port, httpPort int) (err error) {
	s.temporal = s.part("temporal", "temporal", os.Environ(), devserver.Args(devserver.Options{
		File: filepath.Join(s.Dir, "temporal.db"), Port: port, HTTPPort: httpPort,
	})...)
	if err := s.temporal.start(); err != nil {
		return err
	}
	return until(ctx, "Temporal", func(ctx context.Context) error {
		s.Temporal, err = client.DialContext(ctx, client.Options{
			HostPort: loopback(port), Namespace: devserver.Namespace,
			Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		})
		return err
	})
}

func (s *Site) startAPI(ctx context.Context, temporalPort, port int) (err error) {
	s.api = s.part("api", "nestor-api", s.environ(
		"NESTOR_LISTEN="+loopback(port), "NESTOR_TEMPORAL_ADDRESS="+loopback(temporalPort),
	), "serve")
	if err := s.api.start(); err != nil {
		return err
	}
	s.API, err = remote.New(remote.Options{Server: "http://" + loopback(port), ServerFrom: "the harness"})
	if err != nil {
		return err
	}
	return until(ctx, "the API", s.apiAnswers)
}

func (s *Site) startWorkers(ctx context.Context, temporalPort int) error {
	for i := range workers {
		proxy, err := fault.NewProxy(ctx, loopback(temporalPort))
		if err != nil {
			return err
		}
		s.proxies = append(s.proxies, proxy)
		variables := []string{
			"NESTOR_TEMPORAL_ADDRESS=" + proxy.Address(),
			"NESTOR_QUEUES=control,fake,terraform",
			"NESTOR_SLOTS=100", "NESTOR_TERRAFORM_SLOTS=2",
			"NESTOR_FAKE_WORLD=" + s.World.Address(),
			"NESTOR_ENGINE_GRACE=10s",
			"NESTOR_LEASE_TTL=" + leaseTTL.String(),
		}
		for name, value := range s.Canaries {
			variables = append(variables, name+"="+value)
		}
		p := s.part(fmt.Sprintf("worker-%d", i+1), "nestor-worker", s.environ(variables...))
		s.workers = append(s.workers, p)
		if err := p.start(); err != nil {
			return err
		}
	}
	return s.AwaitWorkers(ctx)
}

func (s *Site) part(name, program string, env []string, args ...string) *Part {
	return &Part{
		Name: name, path: filepath.Join(s.Bin, program), args: args, env: env, dir: s.Dir,
		log: filepath.Join(s.Logs(), name+".log"), launcher: s.launcher,
	}
}

// environ of Nestor's programs: ours without any setting of Nestor's, and theirs.
// Payloads are not encrypted: a secret in one shall be found.
func (s *Site) environ(more ...string) []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "NESTOR_") {
			env = append(env, entry)
		}
	}
	env = append(env, "NESTOR_DATA="+s.Data(), "NESTOR_TEMPORAL_NAMESPACE="+devserver.Namespace, "NESTOR_BIN="+s.Bin,
		codec.Variable+"=off")
	return append(env, more...)
}

// AwaitWorkers waits until every worker asks for work.
func (s *Site) AwaitWorkers(ctx context.Context) error {
	return until(ctx, "the workers", func(ctx context.Context) error {
		description, err := s.Temporal.DescribeTaskQueue(ctx, contract.QueueControl, enums.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil {
			return err
		}
		there := map[int]bool{}
		for _, poller := range description.GetPollers() {
			text, _, _ := strings.Cut(poller.GetIdentity(), "@")
			if pid, err := strconv.Atoi(text); err == nil {
				there[pid] = true
			}
		}
		for _, p := range s.workers {
			if !there[p.PID()] {
				return fmt.Errorf("%s does not ask for work yet; its log: %s", p.Name, p.log)
			}
		}
		return nil
	})
}

// AwaitTemporal waits until Temporal answers.
func (s *Site) AwaitTemporal(ctx context.Context) error {
	return until(ctx, "Temporal", func(ctx context.Context) error {
		_, err := s.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	})
}

func (s *Site) apiAnswers(ctx context.Context) error {
	_, err := remote.Decode[api.Health](s.API.GetHealth(ctx))
	return err
}

// Stop ends everything, the last started first.
func (s *Site) Stop() error {
	var errs []error
	for _, p := range s.workers {
		errs = append(errs, p.stop())
	}
	for _, p := range s.proxies {
		errs = append(errs, p.Close())
	}
	for _, p := range []*Part{s.api, s.temporal} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	if s.Temporal != nil {
		s.Temporal.Close()
	}
	if s.world != nil {
		errs = append(errs, s.world.Process.Signal(os.Interrupt), s.world.Wait())
	}
	if s.Records != nil {
		errs = append(errs, s.Close())
	}
	s.launcher.Close()
	return errors.Join(errs...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// free picks ports that nobody listens on. Programs that are started again must
// find their own free, so these lie below those of outgoing connections.
func free(ctx context.Context, n int) ([]int, error) {
	const lowest, highest = 21000, 31000
	var ports []int
	var config net.ListenConfig
	for port := lowest + os.Getpid()%(highest-lowest); len(ports) < n; port++ {
		if port >= highest {
			port = lowest
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		listener, err := config.Listen(ctx, "tcp", loopback(port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// Events of a deployment after a sequence, in order.
func (s *Site) Events(ctx context.Context, id string, after int64) ([]orchestrator.Event, error) {
	var events []orchestrator.Event
	query := store.Query{Partition: registry.EventStream(id), After: store.EntryKey("", after).Sort, Limit: store.MaxPage}
	for document, err := range store.All(ctx, s.Store, query) {
		if err != nil {
			return nil, err
		}
		var event orchestrator.Event
		if err := document.Decode(&event); err != nil {
			return nil, err
		}
		event.Sequence, _ = store.EntrySequence(document.Key)
		events = append(events, event)
	}
	return events, nil
}
