// SPDX-License-Identifier: Apache-2.0

package definitions_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/HatiCode/nestor/api/serve"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/cli/root"
	"github.com/HatiCode/nestor/internal/parts"
	"github.com/HatiCode/nestor/internal/testkube"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/workers"
)

const (
	team        = "alpha"
	environment = "staging"
	// patience bounds one deployment on a busy machine.
	patience = 5 * time.Minute
)

// ground is what the tests share: Temporal, a cluster, and the Pulumi provider
// of the examples.
type ground struct {
	temporal *testplatform.Temporal
	cluster  *testkube.Cluster
	plugins  string
}

func newGround(t *testing.T, applications ...string) *ground {
	t.Helper()
	g := &ground{plugins: parts.PulumiProvider(t)}
	g.temporal = testplatform.StartTemporal(t, applications...)
	g.cluster = testkube.Start(t, testkube.Options{Crossplane: "v2", Kwok: true})
	return g
}

// site is a platform on which one application of team alpha is deployed, to a
// namespace and a directory of its own.
type site struct {
	*testplatform.Platform
	t           *testing.T
	application string
	namespace   string
	directory   string // of Consul's service files
	work        string // of the application
	cluster     *testkube.Cluster
	client      dynamic.Interface
	server      string
}

// newSite publishes the definitions, the environment and the compositions with
// the command line.
func newSite(t *testing.T, g *ground, application string, roles ...string) *site {
	t.Helper()
	s := &site{
		Platform: testplatform.New(t, g.temporal, application), t: t, application: application, namespace: team + "-" + application,
		directory: filepath.Join(t.TempDir(), "consul.d"), work: t.TempDir(), cluster: g.cluster,
	}
	s.must(os.Mkdir(s.directory, 0o700))
	s.Config.Roles = append([]string{workers.RoleControl}, roles...)
	s.Config.Slots = 3
	s.Config.BinDirs = append(s.Config.BinDirs, g.plugins)
	s.Config.MirrorDir = mirror(t)
	s.Config.SecretsDir = t.TempDir()
	s.write(filepath.Join(s.Config.SecretsDir, "_platform", "kubeconfig"), g.cluster.Kubeconfig)
	s.makeNamespace()
	s.serve()
	s.run("catalog", "push", s.example("terraform"), s.example("pulumi"), s.example("helm"), s.example("crossplane/database.yaml"))
	s.run("environment", "push", s.example("staging.yaml"), s.example("production.yaml"))
	s.run("composition", "push", s.example("storefront.yaml"))
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) write(path string, content []byte) {
	s.t.Helper()
	s.must(os.MkdirAll(filepath.Dir(path), 0o700))
	s.must(os.WriteFile(path, content, 0o600))
}

// example is the path of a file of this directory.
func (s *site) example(name string) string {
	return filepath.Join(parts.Root(s.t), "examples", "definitions", filepath.FromSlash(name))
}

func (s *site) scope() orchestrator.Scope {
	return orchestrator.Scope{Team: team, Application: s.application, Environment: environment}
}

// mirror holds the provider of the Terraform example under its public name, so
// that no network is needed.
func mirror(t *testing.T) string {
	t.Helper()
	const version = "1.4.0"
	dir := t.TempDir()
	platform := filepath.Join(dir, "registry.opentofu.org", "hashicorp", "local", version, runtime.GOOS+"_"+runtime.GOARCH)
	err := os.MkdirAll(platform, 0o700)
	if err == nil {
		err = os.Symlink(parts.Program(t, "terraform-provider-local"), filepath.Join(platform, "terraform-provider-local_v"+version))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// serve runs the API over the site's data until the test ends.
func (s *site) serve() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ready, done := &readyLine{line: make(chan string, 1)}, make(chan error, 1)
	go func() {
		done <- serve.Run(ctx, serve.Options{
			Version: "test", Data: s.Config.DataDir, Listen: "127.0.0.1:0",
			TemporalAddress: s.Config.TemporalAddress, TemporalNamespace: s.Config.TemporalNamespace,
			Log: slog.New(slog.DiscardHandler), Ready: ready,
		})
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("the API ended with %v", err)
		}
	})
	s.t.Cleanup(stop)
	select {
	case line := <-ready.line:
		_, address, _ := strings.Cut(line, "http://")
		s.server = "http://" + strings.TrimSpace(address)
	case err := <-done:
		done <- err
		s.t.Fatalf("the API did not start: %v", err)
	case <-time.After(time.Minute):
		s.t.Fatal("the API did not start in time")
	}
}

// readyLine hands the first line on that is written to it.
type readyLine struct {
	once sync.Once
	line chan string
}

func (r *readyLine) Write(p []byte) (int, error) {
	r.once.Do(func() { r.line <- string(p) })
	return len(p), nil
}

// command runs nestor in the application's directory, and returns what it said.
func (s *site) command(args ...string) (code int, out string) {
	s.t.Helper()
	streams, stdout, stderr := iostreams.Test("")
	environ := map[string]string{"NESTOR_SERVER": s.server, "NESTOR_CONFIG": filepath.Join(s.work, "config.yaml")}
	code = root.Run(s.t.Context(), &cli.Factory{
		IO: streams, Getenv: func(name string) string { return environ[name] }, Dir: s.work, Now: time.Now, Version: "test",
	}, args)
	return code, stdout.String() + stderr.String()
}

// run is command, which must succeed.
func (s *site) run(args ...string) string {
	s.t.Helper()
	code, out := s.command(args...)
	if code != cli.CodeOK {
		s.t.Fatalf("nestor %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (s *site) eventually(what string, check func() error) {
	s.t.Helper()
	testplatform.Eventually(s.t, patience, what, check)
}

var errNotYet = errors.New("not yet")

func notYet(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNotYet, fmt.Sprintf(format, args...))
}
