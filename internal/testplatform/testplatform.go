// SPDX-License-Identifier: Apache-2.0

// Package testplatform runs Nestor's real parts for tests and benchmarks: the
// Temporal dev server, the stores, and workers in the test's own process or in
// processes of their own that can be killed.
package testplatform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/deploying"
	"github.com/HatiCode/nestor/internal/devserver"
	"github.com/HatiCode/nestor/internal/parts"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/internal/temporalclient"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workers"
)

// Temporal is a dev server for the tests of one binary.
type Temporal struct {
	Address string
}

// temporalTries bounds the starts of a dev server. It takes ports of its own
// beside those that it is given, which somebody else may get first.
const temporalTries = 3

// StartTemporal starts a dev server that stops with the test. Platforms on it
// keep apart in namespaces.
func StartTemporal(tb testing.TB, namespaces ...string) *Temporal {
	tb.Helper()
	return StartTemporalWith(tb, nil, namespaces...)
}

// StartTemporalWith is StartTemporal with further values of the server's dynamic
// configuration, each as "key=value".
func StartTemporalWith(tb testing.TB, settings []string, namespaces ...string) *Temporal {
	tb.Helper()
	for try := 1; ; try++ {
		t, err := startTemporal(tb, settings, namespaces)
		if err == nil {
			return t
		}
		if try == temporalTries {
			tb.Fatal(err)
		}
		tb.Logf("starting it again: %v", err)
	}
}

func startTemporal(tb testing.TB, settings, namespaces []string) (*Temporal, error) {
	tb.Helper()
	port, httpPort := freePort(tb), freePort(tb)
	//nolint:gosec,noctx // the repository's own program with numbers and names; it is stopped by Cleanup
	cmd := exec.Command(parts.Temporal(tb), devserver.Args(devserver.Options{
		File: filepath.Join(tb.TempDir(), "temporal.db"), Port: port, HTTPPort: httpPort, Namespaces: namespaces,
		// A payload that is larger than any may be fails the test that made it.
		Settings: append(slices.Clone(settings), fmt.Sprintf("limit.blobSize.error=%d", contract.MaxPayload)),
	})...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the Temporal dev server: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t := &Temporal{Address: fmt.Sprintf("127.0.0.1:%d", port)}
	early := make(chan error, 1)
	Eventually(tb, time.Minute, "the Temporal dev server to answer", func() error {
		select {
		case err := <-ended:
			early <- fmt.Errorf("the Temporal dev server ended with %w:\n%s", err, output.String())
			return nil
		default:
		}
		return t.answers(tb)
	})
	select {
	case err := <-early:
		return nil, err
	default:
	}
	tb.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			tb.Logf("stop the Temporal dev server: %v", err)
		}
		if err := <-ended; err != nil {
			tb.Logf("the Temporal dev server ended with %v", err)
		}
	})
	return t, nil
}

// answers asks the server once.
func (t *Temporal) answers(tb testing.TB) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Second)
	defer cancel()
	c, err := temporalclient.Dial(ctx, temporalclient.Options{Address: t.Address, Namespace: devserver.Namespace, Logger: quiet{}})
	if err != nil {
		return err
	}
	c.Close()
	return nil
}

// dial waits until the server answers.
func (t *Temporal) dial(tb testing.TB, namespace string, payloads temporalclient.Codec) client.Client {
	tb.Helper()
	var c client.Client
	Eventually(tb, time.Minute, "the Temporal dev server to answer", func() error {
		ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Second)
		defer cancel()
		var err error
		c, err = temporalclient.Dial(ctx, temporalclient.Options{Address: t.Address, Namespace: namespace, Logger: quiet{}, Codec: payloads})
		return err
	})
	return c
}

// Platform is one data directory with its workers.
type Platform struct {
	*records.Records
	Temporal client.Client
	Config   workers.Config
	// WorkerLog, where it is set before StartWorker, gets what workers of this
	// process log, at every level.
	WorkerLog io.Writer
	tb        testing.TB
}

// New opens a data directory and connects to a namespace, without workers.
// Payloads are in clear.
func New(tb testing.TB, t *Temporal, namespace string) *Platform {
	tb.Helper()
	return open(tb, t, namespace, false)
}

// NewEncrypted is New with payloads encrypted.
func NewEncrypted(tb testing.TB, t *Temporal, namespace string) *Platform {
	tb.Helper()
	return open(tb, t, namespace, true)
}

func open(tb testing.TB, t *Temporal, namespace string, encrypt bool) *Platform {
	tb.Helper()
	dir := tb.TempDir()
	r, err := records.Open(tb.Context(), dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Errorf("close the stores: %v", err)
		}
	})
	c := t.dial(tb, namespace, codec.New(r.Keys, encrypt))
	tb.Cleanup(c.Close)
	return &Platform{Records: r, Temporal: c, tb: tb, Config: workers.Config{
		DataDir: dir, PayloadEncryption: encrypt, TemporalAddress: t.Address, TemporalNamespace: namespace,
		Roles: []string{workers.RoleControl, workers.RoleFake}, Slots: 100,
		BinDirs: []string{parts.Bin(tb)}, Grace: 5 * time.Second,
	}}
}

// StartWorker runs a worker in this process until the test ends or stop is
// called.
func (p *Platform) StartWorker() (stop func()) {
	p.tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.tb.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- workers.Run(ctx, p.Config, p.logger(), sync.OnceFunc(func() { close(ready) }))
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.tb.Errorf("the worker ended with %v", err)
		}
	})
	p.tb.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		done <- err
		p.tb.Fatalf("the worker did not start: %v", err)
	case <-time.After(time.Minute):
		p.tb.Fatal("the worker did not start in time")
	}
	return stop
}

// logger shows what a worker complains about in the test's own log.
func (p *Platform) logger() *slog.Logger {
	if p.WorkerLog != nil {
		return slog.New(slog.NewJSONHandler(p.WorkerLog, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(p.tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// Deploy sends a request the way the API does and returns the deployment's id.
func (p *Platform) Deploy(req contract.DeployRequest) (string, error) {
	if req.RequestID == "" {
		req.RequestID = uuid.NewString()
	}
	if req.Principal == "" {
		req.Principal = "user:test"
	}
	if req.OnFailure == "" {
		req.OnFailure = orchestrator.OnFailureRollback
	}
	ctx := p.tb.Context()
	if err := p.Compiler.CheckDeploy(ctx, req); err != nil {
		return "", err
	}
	accepted, err := deploying.Queue(ctx, p.Temporal, req)
	for try := 1; unknown(err) && try < namespaceTries; try++ {
		p.tb.Logf("asking again: %v", err)
		accepted, err = deploying.Queue(ctx, p.Temporal, req) // which takes a request once
	}
	return accepted.Deployment, err
}

// namespaceTries bounds how often a namespace may be unknown. Each part of the server
// learns of a new one within ten seconds; asked before, it reads, and takes no answer
// in three seconds for none (Temporal's nsregistry). On a busy machine that happens.
const namespaceTries = 5

func unknown(err error) bool {
	var namespace *serviceerror.NamespaceNotFound
	return errors.As(err, &namespace)
}

// Plan makes a plan the way the API does and waits for its end.
func (p *Platform) Plan(req compile.PlanRequest) orchestrator.Plan {
	p.tb.Helper()
	ctx := p.tb.Context()
	plan, err := p.Compiler.Plan(ctx, "user:test", req)
	if err != nil {
		p.tb.Fatal(err)
	}
	run, err := p.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "plan/" + plan.ID, TaskQueue: contract.QueueControl,
	}, contract.WorkflowPlan, contract.PlanInput{
		Plan: plan.ID, Scope: plan.Scope, GraphDigest: plan.GraphDigest,
		PreviousGraphDigest: plan.PreviousGraphDigest, Principal: plan.Principal,
	})
	if err != nil {
		p.tb.Fatal(err)
	}
	if err := run.Get(ctx, nil); err != nil {
		p.tb.Fatal(err)
	}
	if plan, err = p.Registry.GetPlan(ctx, plan.ID); err != nil {
		p.tb.Fatal(err)
	}
	return plan
}

// Await waits until a deployment has one of the statuses, or any final one.
func (p *Platform) Await(id string, within time.Duration, statuses ...orchestrator.Status) orchestrator.Deployment {
	p.tb.Helper()
	var d orchestrator.Deployment
	Eventually(p.tb, within, fmt.Sprintf("deployment %s to come to %v", id, statuses), func() error {
		var err error
		if d, err = p.Registry.GetDeployment(p.tb.Context(), id); err != nil {
			return err
		}
		for _, s := range statuses {
			if d.Status == s {
				return nil
			}
		}
		if d.Status.Final() && len(statuses) == 0 {
			return nil
		}
		return fmt.Errorf("it is %s (%s%s)", d.Status, d.Reason, d.Error)
	})
	return d
}

// Eventually tries check again until it gives no error, or fails the test when
// the time is over.
func Eventually(tb testing.TB, within time.Duration, what string, check func() error) {
	tb.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			tb.Fatalf("waited %s for %s: %v", within, what, err)
		case <-again.C:
		}
	}
}

func freePort(tb testing.TB) int {
	tb.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			tb.Errorf("free a port: %v", err)
		}
	}()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		tb.Fatalf("%v is no TCP address", l.Addr())
	}
	return addr.Port
}
