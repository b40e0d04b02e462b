// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

const (
	ada = "user:ada"
	// canary is a secret; no file and no message may hold it.
	canary = "canary-4be1d09c55"
	// waiting is how long a test waits for what must come.
	waiting = 20 * time.Second

	database = "web.database"
	app      = "web.app"
)

func scope() orchestrator.Scope {
	return orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"}
}

// fixture is an engine's worker without Temporal: real stores and a tiny
// engine.
type fixture struct {
	*records.Records
	t      *testing.T
	dir    string
	engine *tiny
	steps  *activities.Steps
	vault  map[string]string
	// options and stop of the activities' worker.
	options worker.Options
	stop    chan struct{}
}

func setup(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		t: t, dir: t.TempDir(), engine: newTiny(), stop: make(chan struct{}),
		vault: map[string]string{"NESTOR_SECRET_ALPHA__DB": canary, "NESTOR_CREDENTIAL_CLOUD": canary + "-cloud"},
	}
	var err error
	f.Records, err = records.Open(t.Context(), f.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.must(f.Close()) })
	f.steps = &activities.Steps{
		Registry: f.Registry, Engine: f.engine, Bundles: noBundles{},
		Secrets: secret.New(func(name string) (string, bool) { v, ok := f.vault[name]; return v, ok }, ""),
		WorkDir: filepath.Join(f.dir, "work"), StateDir: filepath.Join(f.dir, "state"), Beat: 10 * time.Millisecond,
		Lease:  orchestrator.Lease{Host: "here", PID: 7},
		Graphs: activities.NewGraphs(f.Registry, 1<<20),
	}
	_, err = f.Registry.PutEnvironment(t.Context(), ada, orchestrator.Environment{
		Metadata: orchestrator.EnvironmentMetadata{Name: "staging"},
		Spec: orchestrator.EnvironmentSpec{
			Provider: "local", Engines: []string{"tiny"},
			Credentials: map[string]string{"CLOUD_KEY": "secret://env/NESTOR_CREDENTIAL_CLOUD"},
		},
	}, -1)
	f.must(err)
	return f
}

// noBundles has none; nodes of these tests that name one fail.
type noBundles struct{}

func (noBundles) Directory(_ context.Context, digest string) (string, error) {
	return "", fmt.Errorf("no bundle %s", digest)
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func literal(v any) composer.Expression {
	return composer.Expression{Kind: composer.ExprLiteral, Literal: v}
}

func reference(node, output string) composer.Expression {
	return composer.Expression{Kind: composer.ExprReference, Reference: &composer.Reference{Node: node, Output: output}}
}

// nodes of the graph that the tests use: an app that reads its database.
func nodes() []composer.Node {
	return []composer.Node{
		{
			ID: app, Definition: "app", Version: "2.0.0", DefinitionDigest: "sha256:app", Engine: "tiny", Dependencies: []string{database},
			Inputs:  []composer.NodeInput{{Name: "host", Type: catalog.TypeString, Value: reference(database, "endpoint")}},
			Outputs: []catalog.Field{{Name: "url", Type: catalog.TypeString}},
		},
		{
			ID: database, Definition: "db", Version: "1.0.0", DefinitionDigest: "sha256:db", Engine: "tiny", InputDigest: "sha256:in",
			Inputs: []composer.NodeInput{
				{Name: "password", Type: catalog.TypeString, Sensitive: true, Value: composer.Expression{Kind: composer.ExprSecret, Secret: "secret://env/NESTOR_SECRET_ALPHA__DB"}},
				{Name: "size", Type: catalog.TypeString, Value: literal("small")},
			},
			Outputs: []catalog.Field{
				{Name: "endpoint", Type: catalog.TypeString},
				{Name: "port", Type: catalog.TypeInteger},
				{Name: "token", Type: catalog.TypeString, Sensitive: true},
			},
		},
	}
}

// graph stores the nodes after a change and returns the graph's digest.
func (f *fixture) graph(change func(app, database *composer.Node)) string {
	f.t.Helper()
	both := nodes()
	if change != nil {
		change(&both[0], &both[1])
	}
	return f.graphOf(both)
}

// graphOf stores nodes and returns the graph's digest.
func (f *fixture) graphOf(nodes []composer.Node) string {
	f.t.Helper()
	g := composer.Graph{Team: "alpha", Application: "shop", Environment: "staging", Nodes: nodes}
	digest, err := composer.GraphDigest(g)
	f.must(err)
	g.Digest = digest
	f.must(f.Registry.PutGraph(f.t.Context(), g))
	return digest
}

// deployment is a new one that needs no approval, unless it has a plan.
func (f *fixture) deployment(plan string) string {
	f.t.Helper()
	d, err := f.Registry.Accept(f.t.Context(), contract.DeployRequest{
		RequestID: uuid.NewString(), Scope: scope(), Kind: orchestrator.KindApply, Release: "sha256:release",
		PlanID: plan, AutoApprove: plan == "", OnFailure: orchestrator.OnFailureRollback, Principal: ada,
	}, "")
	f.must(err)
	return d.ID
}

// environment is Temporal's for one activity.
func (f *fixture) environment() *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(waiting)
	env.SetWorkerOptions(f.options)
	env.SetWorkerStopChannel(f.stop)
	f.steps.Register(env)
	(&activities.Control{Registry: f.Registry, Compiler: f.Compiler, Graphs: f.steps.Graphs}).Register(env)
	return env
}

// step runs one as Temporal does.
func (f *fixture) step(in contract.StepInput) (contract.StepResult, error) {
	f.t.Helper()
	var res contract.StepResult
	value, err := f.environment().ExecuteActivity(contract.ActivityRunStep, in)
	if err != nil {
		return res, err
	}
	f.must(value.Get(&res))
	return res, nil
}

// done is a step that must succeed.
func (f *fixture) done(deployment, graph, node string, action orchestrator.StepAction) contract.StepResult {
	f.t.Helper()
	res, err := f.step(contract.StepInput{Deployment: deployment, Node: node, Action: action, GraphDigest: graph})
	f.must(err)
	return res
}

func (f *fixture) head(node string) orchestrator.NodeHead {
	f.t.Helper()
	head, err := f.Registry.Head(f.t.Context(), scope(), node)
	f.must(err)
	return head
}

// run is what is recorded of the database in a deployment.
func (f *fixture) run(deployment string) orchestrator.NodeRun {
	f.t.Helper()
	run, err := f.Registry.Run(f.t.Context(), deployment, database)
	f.must(err)
	return run
}

// chunks of a deployment's log.
func (f *fixture) chunks(deployment string) []string {
	f.t.Helper()
	var texts []string
	for after := int64(0); ; {
		page, err := f.Registry.Logs(f.t.Context(), deployment, "", after)
		f.must(err)
		if len(page) == 0 {
			return texts
		}
		for _, c := range page {
			texts, after = append(texts, c.Text), c.Sequence
		}
	}
}

func wantText(got, want string) error {
	if got != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}

// wantDid fails unless the engine was asked for exactly these verbs since the
// last time.
func (f *fixture) wantDid(reason string, verbs ...string) {
	f.t.Helper()
	got, _ := f.engine.did()
	if diff := cmp.Diff(verbs, got); diff != "" {
		f.t.Errorf("%s: the engine was asked (-want +got):\n%s", reason, diff)
	}
}

// failure is a step's error as Temporal gets it.
func failure(t *testing.T, err error) *temporal.ApplicationError {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		t.Fatalf("got %v, want an application error", err)
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the error holds a secret: %v", err)
	}
	return app
}

// noSecrets fails if a file of the data directory, other than the engine's own,
// holds a secret in clear.
func (f *fixture) noSecrets() {
	f.t.Helper()
	proven := false
	f.must(filepath.WalkDir(f.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		proven = proven || bytes.Contains(data, []byte("db.example"))
		if bytes.Contains(data, []byte(canary)) {
			f.t.Errorf("%s holds a secret in clear", filepath.Base(path))
		}
		return nil
	}))
	if !proven {
		f.t.Error("the search does not even find what is stored in clear")
	}
}

// revealed outputs or inputs by name.
func byName(values []registry.OutputValue) map[string]any {
	m := map[string]any{}
	for _, v := range values {
		m[v.Name] = v.Value
	}
	return m
}
