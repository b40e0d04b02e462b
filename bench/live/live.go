// SPDX-License-Identifier: Apache-2.0

// Package live runs a whole platform for measurements: `nestor dev` with the
// programs of bin/, in a directory of its own. Deployments are asked for through
// the API, as any client would; what they took is read from their records.
package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	api "github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/cli/dev"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/devserver"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/internal/temporalclient"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// Names that every measurement uses.
const (
	Team        = "bench"
	Environment = "bench"
	Provider    = "bench"
	principal   = "user:bench"
	instance    = "it"
)

// ManySlots lets so many steps of each engine run at once; the fake engine's take
// nothing.
const ManySlots = "NESTOR_SLOTS=500"

// Platform is a running one.
type Platform struct {
	*records.Records
	Endpoints dev.Endpoints
	Temporal  client.Client

	api     *remote.Client
	command *exec.Cmd
	ended   chan error
	output  *os.File
}

// Start runs `bin/nestor dev` in dir, with a worker for the roles and further
// variables, and waits until it is ready.
func Start(ctx context.Context, bin, dir, roles string, variables ...string) (p *Platform, err error) {
	p = &Platform{ended: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Stop())
		}
	}()
	if p.output, err = os.Create(filepath.Join(dir, "dev.log")); err != nil { //nolint:gosec // a directory of our own
		return p, err
	}
	data := filepath.Join(dir, "data")
	command := exec.Command(filepath.Join(bin, "nestor"), "dev", //nolint:gosec,noctx // our own program; Stop ends it
		"--data-dir", data, "--api-port", "0", "--temporal-port", "0", "--ui-port", "0")
	command.Dir, command.Stdout, command.Stderr = dir, p.output, p.output
	command.Env = environ("NESTOR_CONFIG="+filepath.Join(dir, "config.yaml"), "NESTOR_QUEUES="+roles)
	command.Env = append(command.Env, variables...)
	if err := command.Start(); err != nil {
		return p, err
	}
	p.command = command
	go func() { p.ended <- command.Wait() }()
	if err := p.await(ctx, filepath.Join(data, "endpoints.json")); err != nil {
		return p, err
	}
	return p, p.connect(ctx)
}

func environ(more ...string) []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "NESTOR_") {
			env = append(env, entry)
		}
	}
	return append(env, more...)
}

func (p *Platform) await(ctx context.Context, endpoints string) error {
	for {
		content, err := os.ReadFile(endpoints) //nolint:gosec // a file of our own
		if err == nil {
			return json.Unmarshal(content, &p.Endpoints)
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			said, _ := os.ReadFile(p.output.Name())
			return fmt.Errorf("nestor dev ended (%w) before it was ready: %s", err, bytes.TrimSpace(said))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *Platform) connect(ctx context.Context) (err error) {
	if p.Records, err = records.Open(ctx, p.Endpoints.DataDir); err != nil {
		return err
	}
	p.Temporal, err = temporalclient.Dial(ctx, temporalclient.Options{
		Address: p.Endpoints.TemporalAddress, Namespace: devserver.Namespace,
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)), Codec: codec.New(p.Keys, true),
	})
	if err != nil {
		return err
	}
	content, err := os.ReadFile(p.Endpoints.Tokens)
	if err != nil {
		return err
	}
	var tokens []struct {
		Token string `yaml:"token"`
	}
	if err := yaml.Unmarshal(content, &tokens); err != nil {
		return err
	}
	p.api, err = remote.New(remote.Options{Server: p.Endpoints.API, Token: tokens[0].Token})
	return err
}

// Stop ends the platform and waits for it.
func (p *Platform) Stop() error {
	var errs []error
	if p.Temporal != nil {
		p.Temporal.Close()
	}
	if p.Records != nil {
		errs = append(errs, p.Close())
	}
	if p.command != nil {
		errs = append(errs, p.command.Process.Signal(syscall.SIGTERM), <-p.ended)
	}
	if p.output != nil {
		errs = append(errs, p.output.Close())
	}
	return errors.Join(errs...)
}

// Enable creates the environment, with these engines.
func (p *Platform) Enable(ctx context.Context, maxInFlight int, engines ...string) error {
	return p.Environment(ctx, func(spec *orchestrator.EnvironmentSpec) {
		spec.Engines, spec.MaxInFlight = engines, maxInFlight
	})
}

// Environment creates it; complete says what it has beside its provider.
func (p *Platform) Environment(ctx context.Context, complete func(*orchestrator.EnvironmentSpec)) error {
	spec := orchestrator.EnvironmentSpec{Provider: Provider}
	complete(&spec)
	_, err := p.Registry.PutEnvironment(ctx, principal, orchestrator.Environment{
		APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
		Metadata: orchestrator.EnvironmentMetadata{Name: Environment}, Spec: spec,
	}, -1)
	return err
}

// Publish puts a definition into the catalog.
func (p *Platform) Publish(ctx context.Context, definition catalog.Definition, files bundle.Bundle) error {
	_, _, err := p.Catalog.Publish(ctx, principal, definition, files)
	return err
}

// Release freezes an application that consists of one composition.
func (p *Platform) Release(ctx context.Context, application string, spec composer.CompositionSpec) (string, error) {
	composition := composer.Composition{
		APIVersion: composer.APIVersion, Kind: composer.KindComposition,
		Metadata: composer.CompositionMetadata{Name: application, Team: Team},
		Spec:     spec,
	}
	if _, _, err := p.Compositions.PutComposition(ctx, principal, composition, -1); err != nil {
		return "", err
	}
	release, _, err := p.Compiler.CreateRelease(ctx, principal, compile.ReleaseRequest{
		Team: Team, Application: application,
		Claims: []composer.Claim{{Instance: instance, Composition: application, File: "main.go", Line: 1}},
	})
	return release.Digest, err
}

// Begin asks for a deployment and returns its id.
func (p *Platform) Begin(ctx context.Context, application, release string) (string, error) {
	accepted, err := remote.Decode[api.DeployAccepted](p.api.CreateDeployment(ctx, &api.CreateDeploymentParams{},
		api.CreateDeploymentJSONRequestBody{
			Team: Team, Application: application, Environment: Environment,
			Kind: orchestrator.KindApply, Release: release, AutoApprove: true,
		}))
	return accepted.Deployment, err
}

// Deploy asks for a deployment and waits until it has succeeded.
func (p *Platform) Deploy(ctx context.Context, application, release string) (orchestrator.Deployment, error) {
	id, err := p.Begin(ctx, application, release)
	if err != nil {
		return orchestrator.Deployment{}, err
	}
	return p.Succeed(ctx, id)
}

// Succeed waits until a deployment has succeeded.
func (p *Platform) Succeed(ctx context.Context, id string) (orchestrator.Deployment, error) {
	for {
		d, err := p.Registry.GetDeployment(ctx, id)
		switch {
		case err != nil:
			return d, err
		case d.Status == orchestrator.StatusSucceeded:
			return d, nil
		case d.Status.Final():
			return d, fmt.Errorf("deployment %s is %s: %s", id, d.Status, d.Error)
		}
		if err := remote.Wait(ctx, 20*time.Millisecond); err != nil {
			return d, err
		}
	}
}

// StepTime adds up how long the steps of a deployment were at work.
func (p *Platform) StepTime(ctx context.Context, id string) (time.Duration, error) {
	events, err := p.Events(ctx, id)
	if err != nil {
		return 0, err
	}
	began := map[string]time.Time{}
	var sum time.Duration
	for _, event := range events {
		switch event.Type {
		case orchestrator.EventNodeStart:
			began[event.Node] = event.Time
		case orchestrator.EventNodeDone:
			sum += event.Time.Sub(began[event.Node])
		default:
		}
	}
	return sum, nil
}

// WorkerPID asks Temporal which process serves workflows, as the identity of its
// pollers says, and leaves out those that are no more.
func (p *Platform) WorkerPID(ctx context.Context, dead map[int]bool) (int, error) {
	description, err := p.Temporal.DescribeTaskQueue(ctx, contract.QueueControl, enums.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return 0, err
	}
	for _, poller := range description.GetPollers() {
		text, _, _ := strings.Cut(poller.GetIdentity(), "@")
		if pid, err := strconv.Atoi(text); err == nil && !dead[pid] {
			return pid, nil
		}
	}
	return 0, errors.New("no worker serves the control queue")
}

// Events of a deployment, in order.
func (p *Platform) Events(ctx context.Context, id string) ([]orchestrator.Event, error) {
	var events []orchestrator.Event
	for document, err := range store.All(ctx, p.Store, store.Query{Partition: registry.EventStream(id), Limit: store.MaxPage}) {
		if err != nil {
			return nil, err
		}
		var event orchestrator.Event
		if err := document.Decode(&event); err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}
