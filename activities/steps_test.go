// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func TestApply(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph, id := f.graph(nil), f.deployment("")
	res := f.done(id, graph, database, orchestrator.StepApply)
	want := contract.StepResult{Status: orchestrator.NodeReady, Changed: true, Created: true}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	calls, req := f.engine.did()
	if diff := cmp.Diff([]string{"observe", "preview", "apply"}, calls); diff != "" {
		t.Errorf("a first step looks whether something is there (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"size": "small", "password": canary}, req.Inputs); diff != "" {
		t.Errorf("the engine's inputs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"CLOUD_KEY": canary + "-cloud"}, req.Env); diff != "" {
		t.Errorf("the engine's environment (-want +got):\n%s", diff)
	}
	if !req.Sensitive["password"] || req.Sensitive["size"] || req.Address != "alpha/shop/staging/web.database" {
		t.Errorf("request: %+v", req)
	}
	if want := map[string]any{"path": f.steps.StateDir}; !cmp.Equal(want, req.Backend.Config) || req.Backend.Type != "local" {
		t.Errorf("backend: %+v", req.Backend)
	}

	head := f.head(database)
	if head.Status != orchestrator.NodeReady || head.EngineVersion != "tiny 1.0.0" || head.GraphDigest != graph ||
		head.Lineage != "tiny" || head.Serial == 0 || head.InputDigest != "sha256:in" || head.LastDeployment != id {
		t.Errorf("head: %+v", head)
	}
	outputs, err := f.Registry.RevealOutputs(t.Context(), head)
	f.must(err)
	// The engine gave 5432 as JSON does; the definition declares an integer.
	if diff := cmp.Diff(map[string]any{"endpoint": "db.example", "port": float64(5432), "token": canary}, byName(outputs)); diff != "" {
		t.Errorf("outputs, without those that are not declared (-want +got):\n%s", diff)
	}
	run := f.run(id)
	if run.Status != orchestrator.NodeReady || run.ChangeDigest == "" || run.Counts.Create != 1 || run.Lease == nil || run.Lease.PID != 7 {
		t.Errorf("run: %+v", run)
	}
	if log := strings.Join(f.chunks(id), ""); log != "observe web.database\npreview web.database\napply web.database\n" {
		t.Errorf("log: %q", log)
	}
	f.noSecrets()
}

func TestApplyAgainChangesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	address := f.head(database).Address
	f.engine.did()
	id := f.deployment("")
	res := f.done(id, graph, database, orchestrator.StepApply)
	if diff := cmp.Diff(contract.StepResult{Status: orchestrator.NodeReady}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	// An engine is asked for an empty change too: it may have other outputs.
	f.wantDid("no change", "preview", "apply")
	if head := f.head(database); head.LastDeployment != id || head.Address != address {
		t.Errorf("head: %+v", head)
	}
}

func TestApplyReadsLiveOutputs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(func(app, _ *composer.Node) {
		app.Inputs = append(app.Inputs, composer.NodeInput{Name: "token", Type: catalog.TypeString, Sensitive: true, Value: reference(database, "token")})
	})
	id := f.deployment("")
	f.done(id, graph, database, orchestrator.StepApply)
	f.done(id, graph, app, orchestrator.StepApply)
	_, req := f.engine.did()
	if diff := cmp.Diff(map[string]any{"host": "db.example", "token": canary}, req.Inputs); diff != "" {
		t.Errorf("the app's inputs (-want +got):\n%s", diff)
	}
	f.noSecrets()
}

func TestWhatANodeCannotBeGiven(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(app, database *composer.Node)
		upset  func(f *fixture)
		want   []string
		reason string
	}{
		"not deployed": {want: []string{"web.database is not deployed in staging", "output endpoint"}, reason: "its upstream is not there"},
		"no output": {
			change: func(app, _ *composer.Node) { app.Inputs[0].Value = reference(database, "address") },
			upset:  func(f *fixture) { f.upstream() },
			want:   []string{"web.database gives no output address; it gives endpoint, port, token"}, reason: "the upstream has other outputs",
		},
		"mistyped": {
			change: func(app, _ *composer.Node) { app.Inputs[0].Type = catalog.TypeInteger },
			upset:  func(f *fixture) { f.upstream() },
			want:   []string{"input host"}, reason: "a text is no integer, however often one tries",
		},
		"constraint": {
			change: func(app, _ *composer.Node) {
				app.Inputs[0].Check = &catalog.Field{Name: "host", Type: catalog.TypeString, Pattern: "[0-9]+"}
			},
			upset: func(f *fixture) { f.upstream() },
			want:  []string{"host"}, reason: "the value became known only now",
		},
		"mistyped secret": {
			change: func(app, _ *composer.Node) {
				app.Inputs[0] = composer.NodeInput{
					Name: "host", Type: catalog.TypeInteger, Sensitive: true,
					Value: composer.Expression{Kind: composer.ExprSecret, Secret: "secret://env/NESTOR_SECRET_ALPHA__DB"},
				}
			},
			want: []string{"input host", "not shown"}, reason: "the message does not repeat it",
		},
		"missing secret": {
			change: func(app, _ *composer.Node) {
				app.Inputs[0].Value = composer.Expression{Kind: composer.ExprSecret, Secret: "secret://env/NESTOR_SECRET_ALPHA__NONE"}
			},
			want: []string{"NESTOR_SECRET_ALPHA__NONE"}, reason: "the worker does not have it",
		},
		"other team's secret": {
			change: func(app, _ *composer.Node) {
				app.Inputs[0].Value = composer.Expression{Kind: composer.ExprSecret, Secret: "secret://env/NESTOR_SECRET_BETA__DB"}
			},
			upset: func(f *fixture) { f.vault["NESTOR_SECRET_BETA__DB"] = canary },
			want:  []string{"not team alpha's", "NESTOR_SECRET_ALPHA__<NAME>"}, reason: "a worker serves all teams",
		},
		"credential as a secret": {
			change: func(app, _ *composer.Node) {
				app.Inputs[0].Value = composer.Expression{Kind: composer.ExprSecret, Secret: "secret://env/NESTOR_CREDENTIAL_CLOUD"}
			},
			want: []string{"not team alpha's"}, reason: "credentials are the platform's",
		},
		"missing credential": {
			upset: func(f *fixture) { delete(f.vault, "NESTOR_CREDENTIAL_CLOUD") },
			want:  []string{"credential CLOUD_KEY of environment staging", "NESTOR_CREDENTIAL_CLOUD"}, reason: "the environment asks for it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			if tc.upset != nil {
				tc.upset(f)
			}
			f.engine.did()
			id := f.deployment("")
			_, err := f.step(contract.StepInput{Deployment: id, Node: app, Action: orchestrator.StepApply, GraphDigest: f.graph(tc.change)})
			failed := failure(t, err)
			if failed.Type() != string(engine.Invalid) || !failed.NonRetryable() {
				t.Errorf("%s: type %s, retryable %v", tc.reason, failed.Type(), !failed.NonRetryable())
			}
			for _, want := range tc.want {
				if !strings.Contains(failed.Message(), want) {
					t.Errorf("%s: %q does not hold %q", tc.reason, failed.Message(), want)
				}
			}
			f.wantDid("nothing can be asked of the engine")
			if head := f.head(app); head.Status != orchestrator.NodeFailed || head.Error == nil || head.Error.Message != failed.Message() {
				t.Errorf("head: %+v", head)
			}
		})
	}
}

// upstream makes the database.
func (f *fixture) upstream() {
	f.t.Helper()
	f.done(f.deployment(""), f.graph(nil), database, orchestrator.StepApply)
}

func TestFailureClasses(t *testing.T) {
	t.Parallel()
	for class, retryable := range map[engine.Class]bool{
		engine.Transient: true, engine.Invalid: false, engine.Rejected: false, engine.Unavailable: false,
		engine.Unreadable: false, engine.Locked: false, engine.Uncertain: false,
	} {
		for _, verb := range []string{"preview", "apply"} {
			t.Run(string(class)+" "+verb, func(t *testing.T) {
				t.Parallel()
				f := setup(t)
				f.engine.during = failing(verb, &engine.Error{Class: class, Engine: "tiny", Resource: "tiny.main", Message: "it said so"})
				id, graph := f.deployment(""), f.graph(nil)
				_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
				failed := failure(t, err)
				if failed.Type() != string(class) || failed.NonRetryable() == retryable || failed.Message() != "tiny.main: it said so" {
					t.Errorf("type %s, retryable %v, %q", failed.Type(), !failed.NonRetryable(), failed.Message())
				}
				want := &orchestrator.NodeError{Class: string(class), Retryable: retryable, Resource: "tiny.main", Message: "it said so"}
				head, run := f.head(database), f.run(id)
				if diff := cmp.Diff(want, run.Error); diff != "" || head.Status != orchestrator.NodeFailed || run.Status != orchestrator.NodeFailed {
					t.Errorf("head %s, run %s, error (-want +got):\n%s", head.Status, run.Status, diff)
				}
				if run.Changed != (verb == "apply") {
					t.Errorf("a failed %s is recorded as changed: %v", verb, run.Changed)
				}
			})
		}
	}
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, graph := f.deployment(""), f.graph(nil)
	in := contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph}
	f.engine.during = failing("apply", &engine.Error{Class: engine.Transient, Message: "throttled"})
	for n := 1; n <= contract.StepFailures; n++ {
		_, err := f.step(in)
		if failed := failure(t, err); failed.NonRetryable() != (n == contract.StepFailures) {
			t.Errorf("failure %d: non-retryable %v", n, failed.NonRetryable())
		}
		if run := f.run(id); run.Failures != n || !run.Created {
			t.Errorf("failure %d is recorded as %+v", n, run)
		}
	}
	// Another deployment begins to count afresh.
	in.Deployment = f.deployment("")
	_, err := f.step(in)
	if failed := failure(t, err); failed.NonRetryable() {
		t.Error("another deployment has no retries left")
	}
	f.engine.during = failing("", nil)
	if res := f.done(in.Deployment, graph, database, orchestrator.StepApply); !res.Changed {
		t.Errorf("after all: %+v", res)
	}
	if head := f.head(database); head.Error != nil || head.Status != orchestrator.NodeReady {
		t.Errorf("head: %+v", head)
	}
}

func TestFailedUpdateKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	f := setup(t)
	before := f.graph(nil)
	f.done(f.deployment(""), before, database, orchestrator.StepApply)
	old := f.head(database)
	f.engine.during = failing("apply", &engine.Error{Class: engine.Rejected, Message: "no quota"})
	next := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
	id := f.deployment("")
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: next})
	if failed := failure(t, err); failed.Message() != "no quota" {
		t.Errorf("got %v", failed)
	}
	head := f.head(database)
	if head.GraphDigest != before || head.InputDigest != old.InputDigest || head.OutputsDigest != old.OutputsDigest || head.LastDeployment != id {
		t.Errorf("the head after a failed update: %+v", head)
	}
	if run := f.run(id); run.BeforeRef != before || run.Created {
		t.Errorf("run: %+v", run)
	}
}

func TestCancelIsUncertain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, graph := f.deployment(""), f.graph(nil)
	ctx, cancel := context.WithCancel(t.Context())
	f.options = worker.Options{BackgroundActivityContext: ctx}
	there := make(chan struct{})
	f.engine.during = hanging("apply", there)
	go func() {
		<-there
		cancel()
	}()
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
	if !temporal.IsCanceledError(err) {
		t.Errorf("got %v", err)
	}
	if head, run := f.head(database), f.run(id); head.Status != orchestrator.NodeUncertain || run.Status != orchestrator.NodeUncertain || run.Error.Class != string(engine.Canceled) {
		t.Errorf("head %s, run %+v", head.Status, run)
	}
	f.wantDid("until it was canceled", "observe", "preview", "apply")

	f.options = worker.Options{}
	f.engine.during = failing("", nil)
	if res := f.done(f.deployment(""), graph, database, orchestrator.StepApply); !res.Changed {
		t.Errorf("result: %+v", res)
	}
	f.wantDid("what was cut off is looked at first", "observe", "preview", "apply")
}

func TestAStoppingWorkerLeavesTheStepToAnother(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, graph := f.deployment(""), f.graph(nil)
	ctx, cancel := context.WithCancel(t.Context())
	f.options = worker.Options{BackgroundActivityContext: ctx}
	there := make(chan struct{})
	f.engine.during = hanging("apply", there)
	go func() {
		<-there
		close(f.stop)
		cancel()
	}()
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
	if temporal.IsCanceledError(err) {
		t.Fatal("nobody canceled the step, and Temporal is told so")
	}
	if failed := failure(t, err); failed.NonRetryable() || failed.Type() != activities.ErrorStopped {
		t.Errorf("type %s, retryable %v", failed.Type(), !failed.NonRetryable())
	}
	if run := f.run(id); run.Status != orchestrator.NodeUncertain || run.Failures != 0 || !run.Error.Retryable {
		t.Errorf("run: %+v", run)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		verb   string
		action orchestrator.StepAction
	}{
		"apply":   {verb: "apply", action: orchestrator.StepApply},
		"destroy": {verb: "destroy", action: orchestrator.StepDestroy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			graph := f.graph(func(_, db *composer.Node) {
				db.Timeouts = catalog.Timeouts{Apply: catalog.Duration(30 * time.Millisecond), Destroy: catalog.Duration(30 * time.Millisecond)}
			})
			if tc.action == orchestrator.StepDestroy {
				f.done(f.deployment(""), f.graph(nil), database, orchestrator.StepApply)
			}
			f.engine.during = hanging(tc.verb, make(chan struct{}))
			id := f.deployment("")
			_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: tc.action, GraphDigest: graph})
			if temporal.IsCanceledError(err) {
				t.Fatal("nobody canceled the step, and Temporal is told so")
			}
			failed := failure(t, err)
			if failed.Type() != string(engine.Rejected) || !failed.NonRetryable() || !strings.Contains(failed.Message(), "timeout of 30ms is over") {
				t.Errorf("type %s, %q", failed.Type(), failed.Message())
			}
			head := f.head(database)
			if head.Status != orchestrator.NodeFailed {
				t.Errorf("head: %+v", head)
			}
			if announced := tc.action == orchestrator.StepApply; (head.Creating == head.Fence) != announced {
				t.Errorf("attempt %d ran out of time, and of %d nobody knows what it created", head.Fence, head.Creating)
			}
		})
	}
}

// kill leaves a step of a deployment as a worker that was killed does.
func (f *fixture) kill(ctx context.Context, deployment, graph string) {
	f.t.Helper()
	run := orchestrator.NodeRun{Deployment: deployment, Node: database, Action: orchestrator.StepApply, Attempt: 1}
	head := orchestrator.NodeHead{Engine: "tiny", Address: scope().String() + "/" + database, GraphDigest: graph}
	attempt, err := f.Registry.Begin(ctx, "worker:tiny", scope(), run, head)
	f.must(err)
	f.must(f.Registry.Intend(ctx, &attempt, registry.Intent{Created: true, Graph: graph, ChangeDigest: "made"}))
}

func TestKilledBetweenApplyAndCommit(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, graph := f.deployment(""), f.graph(nil)
	f.kill(t.Context(), id, graph)
	f.engine.made["alpha/shop/staging/web.database"] = map[string]any{"size": "small", "password": canary}
	res := f.done(id, graph, database, orchestrator.StepApply)
	want := contract.StepResult{Status: orchestrator.NodeReady, Changed: true, Created: true}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("what the killed attempt did is forgotten (-want +got):\n%s", diff)
	}
	f.wantDid("what was cut off is looked at first", "observe", "preview", "apply")
}

func TestUnreadableStateStopsTheNode(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, graph := f.deployment(""), f.graph(nil)
	f.kill(t.Context(), id, graph)
	f.engine.during = failing("observe", &engine.Error{Class: engine.Unreadable, Message: "the state is garbled"})
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
	if failed := failure(t, err); failed.Type() != string(engine.Unreadable) || !failed.NonRetryable() {
		t.Errorf("got %v", failed)
	}
	f.wantDid("nothing is planned on a state that cannot be read", "observe")
}

func TestOvertakenAttempt(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, graph := f.deployment(""), f.graph(nil)
	f.engine.during = func(ctx context.Context, verb string) error {
		if verb == "apply" {
			f.kill(ctx, id, graph) // another attempt begins meanwhile
		}
		return nil
	}
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
	if failed := failure(t, err); failed.Type() != contract.ErrorFenced || !failed.NonRetryable() {
		t.Errorf("got %v", failed)
	}
	if head := f.head(database); head.Status != orchestrator.NodeRunning || head.OutputsRef != "" {
		t.Errorf("the overtaken attempt wrote its result: %+v", head)
	}
}

func TestOutputsAreHeldToTheDefinition(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(outputs map[string]any)
		want   []string
	}{
		"missing":         {func(o map[string]any) { delete(o, "port") }, []string{"db@1.0.0 declares output port", "it gave endpoint, token, url"}},
		"none":            {func(o map[string]any) { clear(o) }, []string{"declares output endpoint", "it gave none"}},
		"mistyped":        {func(o map[string]any) { o["port"] = "many" }, []string{"output of db@1.0.0", "port"}},
		"mistyped secret": {func(o map[string]any) { o["token"] = []any{canary} }, []string{"output of db@1.0.0", "token"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			tc.change(f.engine.outputs)
			id := f.deployment("")
			_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(nil)})
			failed := failure(t, err)
			if failed.Type() != string(engine.Invalid) || !failed.NonRetryable() {
				t.Errorf("type %s, retryable %v", failed.Type(), !failed.NonRetryable())
			}
			for _, want := range tc.want {
				if !strings.Contains(failed.Message(), want) {
					t.Errorf("%q does not hold %q", failed.Message(), want)
				}
			}
			head := f.head(database)
			if run := f.run(id); head.Status != orchestrator.NodeFailed || !run.Changed || !run.Created {
				t.Errorf("what was made is recorded as head %s, run %+v", head.Status, run)
			}
		})
	}
}

func TestStepsThatCannotBegin(t *testing.T) {
	t.Parallel()
	f := setup(t)
	good := contract.StepInput{Deployment: f.deployment(""), Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(nil)}
	for name, tc := range map[string]struct {
		change func(*contract.StepInput)
		kind   string
	}{
		"deployment": {func(in *contract.StepInput) { in.Deployment = "alpha/shop/staging/99" }, contract.ErrorNotFound},
		"malformed":  {func(in *contract.StepInput) { in.Deployment = "99" }, contract.ErrorInvalid},
		"graph":      {func(in *contract.StepInput) { in.GraphDigest = "sha256:none" }, contract.ErrorNotFound},
		"node":       {func(in *contract.StepInput) { in.Node = "web.none" }, contract.ErrorNotFound},
		"action":     {func(in *contract.StepInput) { in.Action = "explode" }, string(engine.Invalid)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := good
			tc.change(&in)
			_, err := f.step(in)
			if failed := failure(t, err); failed.Type() != tc.kind || !failed.NonRetryable() {
				t.Errorf("type %s, want %s", failed.Type(), tc.kind)
			}
			if _, err := f.Registry.Head(t.Context(), scope(), "web.none"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a node that is not in the graph has a head: %v", err)
			}
		})
	}
}

// An engine that was asked to stop may take its time: the step lives on until it
// has.
func TestHeartbeatsOfACanceledStep(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	beats := make(chan struct{}, 1)
	env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) {
		select {
		case beats <- struct{}{}:
		default:
		}
	})
	env.RegisterActivityWithOptions(func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		defer activities.Beat(ctx, time.Millisecond)()
		select {
		case <-beats:
			return nil
		case <-time.After(waiting):
			return errors.New("no heartbeat came")
		}
	}, activity.RegisterOptions{Name: "canceled"})
	if _, err := env.ExecuteActivity("canceled"); err != nil {
		t.Error(err)
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	f := setup(t)
	beats := make(chan struct{}, 1)
	env := f.environment()
	f.engine.during = func(ctx context.Context, verb string) error {
		if verb != "apply" {
			return nil
		}
		// The engine is silent; the step says that it lives nevertheless.
		select {
		case <-beats:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waiting):
			return errors.New("no heartbeat came")
		}
	}
	env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) {
		select {
		case beats <- struct{}{}:
		default:
		}
	})
	in := contract.StepInput{Deployment: f.deployment(""), Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(nil)}
	_, err := env.ExecuteActivity(contract.ActivityRunStep, in)
	f.must(err)
}

var _ activities.Secrets = secrets{}

type secrets map[string]string

func (s secrets) Resolve(_ context.Context, _, ref string) (string, error) { return s[ref], nil }

func TestSecretsAreResolvedWhenTheyAreNeeded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	vault := secrets{"secret://env/NESTOR_SECRET_ALPHA__DB": canary}
	f.steps.Secrets = vault
	id, graph := f.deployment(""), f.graph(nil)
	f.done(id, graph, database, orchestrator.StepApply)
	vault["secret://env/NESTOR_SECRET_ALPHA__DB"] = "rotated"
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	_, req := f.engine.did()
	if req.Inputs["password"] != "rotated" {
		t.Errorf("the engine got the old secret: %v", req.Inputs["password"])
	}
	inputs, err := f.Registry.Inputs(t.Context(), f.head(database))
	f.must(err)
	masked := []registry.OutputValue{{Name: "password", Type: "string", Sensitive: true}, {Name: "size", Type: "string", Value: "small"}}
	if diff := cmp.Diff(masked, inputs); diff != "" {
		t.Errorf("the inputs as shown (-want +got):\n%s", diff)
	}
}
