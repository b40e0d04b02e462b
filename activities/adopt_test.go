// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

var _ engine.Adopter = (*adopting)(nil)

// adopting is tiny with the means to adopt: a state is the inputs that a node
// was made with, and a reference is a state by name.
type adopting struct {
	*tiny
	exists map[string]map[string]any // by reference
}

// Adopt implements engine.Adopter.
func (e *adopting) Adopt(ctx context.Context, req engine.Request, source engine.Source) (engine.Observation, error) {
	if err := e.begin(ctx, "adopt", req); err != nil {
		return engine.Observation{}, err
	}
	inputs := e.exists[source.Ref]
	if source.State != nil {
		if err := json.Unmarshal(source.State, &inputs); err != nil {
			return engine.Observation{}, &engine.Error{Class: engine.Invalid, Engine: "tiny", Message: "this is no state of tiny"}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	moved := map[string]any{}
	for name, v := range inputs {
		if to := source.Moves[name]; to != "" {
			name = to
		}
		moved[name] = v
	}
	if there, exists := e.made[req.Address]; exists && !cmp.Equal(there, moved) {
		return engine.Observation{}, &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: "there is another state already"}
	}
	e.made[req.Address] = moved
	return engine.Observation{Exists: true, StateRef: source.Ref}, nil
}

// Forget implements engine.Adopter.
func (e *adopting) Forget(ctx context.Context, req engine.Request) error {
	if err := e.begin(ctx, "forget", req); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.made, req.Address)
	return nil
}

const address = "alpha/shop/staging/" + database

// adopts is a fixture whose engine can adopt.
func adopts(t *testing.T) (*fixture, *adopting) {
	t.Helper()
	f := setup(t)
	e := &adopting{tiny: f.engine, exists: map[string]map[string]any{"shop/db": {"size": "small", "password": canary}}}
	f.steps.Engine = e
	return f, e
}

// adoption is a deployment that adopts a state, or a reference without one.
func (f *fixture) adoption(state string, change func(*orchestrator.Adoption)) string {
	f.t.Helper()
	a := &orchestrator.Adoption{Node: database, State: state != ""}
	if state == "" {
		a.Reference = "shop/db"
	}
	if change != nil {
		change(a)
	}
	req := contract.DeployRequest{
		RequestID: uuid.NewString(), Scope: scope(), Kind: orchestrator.KindAdopt, Release: "sha256:release",
		AutoApprove: true, OnFailure: orchestrator.OnFailureRollback, Principal: ada, Adoption: a,
	}
	if state != "" {
		_, err := f.Registry.PutSource(f.t.Context(), scope(), req.RequestID, registry.Source{
			State: json.RawMessage(state), Moves: map[string]string{"volume": "size"},
		})
		f.must(err)
	}
	d, err := f.Registry.Accept(f.t.Context(), req, "")
	f.must(err)
	return d.ID
}

// swap puts another state, or none, in the place of what the first deployment's
// request has handed in.
func (f *fixture) swap(source *registry.Source) {
	f.t.Helper()
	d, err := f.Registry.GetDeployment(f.t.Context(), orchestrator.DeploymentID(scope(), 1))
	f.must(err)
	f.must(f.Registry.DropSource(f.t.Context(), scope(), d.RequestID))
	if source != nil {
		_, err = f.Registry.PutSource(f.t.Context(), scope(), d.RequestID, *source)
		f.must(err)
	}
}

// adopt runs the step of an adoption.
func (f *fixture) adopt(deployment, graph string) (contract.StepResult, error) {
	return f.step(contract.StepInput{Deployment: deployment, Node: database, Action: orchestrator.StepAdopt, GraphDigest: graph})
}

// gone fails the test unless nothing is known of the database.
func (f *fixture) gone(reason string) {
	f.t.Helper()
	if head, err := f.Registry.Head(f.t.Context(), scope(), database); !errors.Is(err, store.ErrNotFound) {
		f.t.Errorf("%s: there is a head: %+v (%v)", reason, head, err)
	}
}

const matching = `{"volume":"small","password":"` + canary + `"}`

func TestAdopt(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{"state": matching, "reference": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := adopts(t)
			graph, id := f.graph(nil), f.adoption(state, nil)
			res, err := f.adopt(id, graph)
			f.must(err)
			if diff := cmp.Diff(contract.StepResult{Status: orchestrator.NodeReady, Created: true}, res); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			f.wantDid("it looks, adopts, and applies that there is nothing to do", "observe", "adopt", "preview", "apply")
			head := f.head(database)
			want := orchestrator.NodeHead{StateRef: "shop/db"}
			if state != "" {
				want.StateRef = ""
			}
			if head.StateRef != want.StateRef || head.Status != orchestrator.NodeReady || head.InputsRef == "" ||
				head.Intended != "" || head.Adopting || head.GraphDigest != graph || head.LastDeployment != id {
				t.Errorf("head: %+v", head)
			}
			outputs, err := f.Registry.RevealOutputs(t.Context(), head)
			f.must(err)
			if diff := cmp.Diff(map[string]any{"endpoint": "db.example", "port": float64(5432), "token": canary}, byName(outputs)); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
			if run := f.run(id); run.Status != orchestrator.NodeReady || run.Changed || !run.Created {
				t.Errorf("run: %+v", run)
			}
			if log := strings.Join(f.chunks(id), ""); !strings.Contains(log, "adopting ") {
				t.Errorf("log: %q", log)
			}
			f.noSecrets()

			// The next plan shows no change, and its dependents know its outputs.
			planned, err := f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph})
			f.must(err)
			if len(f.unknown()) > 0 || len(f.planned(database).Changes) > 0 {
				t.Errorf("the next plan: %+v, %+v", planned, f.planned(database))
			}
			_, req := f.engine.did()
			if req.StateRef != want.StateRef {
				t.Errorf("the plan looks at the state %q, want %q", req.StateRef, want.StateRef)
			}
			// And the next apply changes nothing either.
			if res := f.done(f.deployment(""), graph, database, orchestrator.StepApply); res.Changed || res.Created {
				t.Errorf("the next apply: %+v", res)
			}
			if after := f.head(database); after.StateRef != want.StateRef {
				t.Errorf("the head has lost its state: %+v", after)
			}
		})
	}
}

// TestAdoptRefused: whatever stands in the way is said, and after the rollback
// nothing is left.
func TestAdoptRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		state    string
		adoption func(a *orchestrator.Adoption)
		upset    func(f *fixture, e *adopting)
		graph    func(app, database *composer.Node)
		want     []string
		did      []string
		left     bool                           // what was there before
		stuck    func(f *fixture) (mend func()) // what keeps the rollback from letting go
		residue  string                         // what that says
		reason   string
	}{
		"other inputs": {
			state: `{"volume":"large","password":"` + canary + `"}`,
			want:  []string{"adopting web.database would change: update tiny.web.database (password, size)", "make the parameters match, or pass --allow-changes"},
			did:   []string{"observe", "adopt", "preview", "forget"}, reason: "the next apply would change it",
		},
		"no state": {
			state: `"text"`, want: []string{"this is no state of tiny"},
			did: []string{"observe", "adopt", "forget"}, reason: "another engine's",
		},
		"an output is missing": {
			state: matching, upset: func(_ *fixture, e *adopting) { delete(e.outputs, "port") },
			want: []string{"db@1.0.0 declares output port, which the engine did not give"},
			did:  []string{"observe", "adopt", "preview", "apply", "forget"}, reason: "dependents would get nothing",
		},
		"an output of another type": {
			state: matching, upset: func(_ *fixture, e *adopting) { e.outputs["port"] = "many" },
			want: []string{"output of db@1.0.0", "port"},
			did:  []string{"observe", "adopt", "preview", "apply", "forget"}, reason: "dependents would get nonsense",
		},
		"not readable": {
			state: matching, upset: func(_ *fixture, e *adopting) {
				e.during = failing("observe", &engine.Error{Class: engine.Unreadable, Engine: "tiny", Message: "the state cannot be read"})
			},
			want: []string{"the state cannot be read"}, did: []string{"observe"}, reason: "unknown is never absent",
		},
		"something is there": {
			state: matching, upset: func(_ *fixture, e *adopting) { e.made[address] = map[string]any{"size": "huge"} },
			want: []string{"there is another state already"}, did: []string{"observe", "adopt"}, left: true,
			reason: "what was there before is not let go of",
		},
		"upstream is not deployed": {
			state: matching, graph: func(_, db *composer.Node) { db.Inputs[1].Value = reference(app, "url") },
			want: []string{"web.app is not deployed in staging"}, reason: "its inputs cannot be known",
		},
		"the state is gone": {
			state: matching, upset: func(f *fixture, _ *adopting) { f.swap(nil) },
			want: []string{"the state to adopt is gone; adopt it again"}, reason: "it was deleted by hand",
		},
		"the state is another": {
			state: matching, upset: func(f *fixture, _ *adopting) {
				f.swap(&registry.Source{State: json.RawMessage(matching), Moves: map[string]string{"volume": "other"}})
			},
			want: []string{"is not the one that deployment alpha/shop/staging/1 was accepted with"}, reason: "nobody has approved it",
		},
		"a credential is gone": {
			state: `{"volume":"large","password":"` + canary + `"}`, want: []string{"would change"},
			stuck: func(f *fixture) func() {
				const name = "NESTOR_CREDENTIAL_CLOUD"
				value := f.vault[name]
				delete(f.vault, name)
				return func() { f.vault[name] = value }
			},
			residue: "NESTOR_CREDENTIAL_CLOUD",
			did:     []string{"observe", "adopt", "preview", "forget"}, reason: "what may be there still is not said to be reverted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, e := adopts(t)
			graph := f.graph(tc.graph)
			id := f.adoption(tc.state, tc.adoption)
			if tc.upset != nil {
				tc.upset(f, e)
			}
			_, err := f.adopt(id, graph)
			told := failure(t, err)
			for _, want := range tc.want {
				if !strings.Contains(told.Message(), want) {
					t.Errorf("%s: %q is not in %q", tc.reason, want, told.Message())
				}
			}
			if !told.NonRetryable() {
				t.Errorf("%s: it is tried again", tc.reason)
			}
			if tc.stuck != nil {
				mend := tc.stuck(f)
				_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepForget, GraphDigest: graph})
				if told := failure(t, err); !strings.Contains(told.Message(), tc.residue) {
					t.Errorf("%s: %q is not in %q", tc.reason, tc.residue, told.Message())
				}
				if head := f.head(database); !head.Adopting || f.run(id).Status == orchestrator.NodeReverted {
					t.Errorf("%s: head %+v, run %+v", tc.reason, head, f.run(id))
				}
				mend()
			}
			f.done(id, graph, database, orchestrator.StepForget)
			f.wantDid(tc.reason, tc.did...)
			f.gone(tc.reason)
			if _, there := e.made[address]; there != tc.left {
				t.Errorf("%s: after the rollback the engine has a state: %v", tc.reason, there)
			}
			f.noSecretsLeft()
		})
	}
}

// TestAdoptAllowsChanges: nothing is applied, and the next plan shows what is.
func TestAdoptAllowsChanges(t *testing.T) {
	t.Parallel()
	f, e := adopts(t)
	graph := f.graph(nil)
	id := f.adoption(`{"volume":"large","password":"`+canary+`"}`, func(a *orchestrator.Adoption) { a.AllowChanges = true })
	_, err := f.adopt(id, graph)
	f.must(err)
	f.wantDid("it observes only", "observe", "adopt", "preview", "observe")
	if e.made[address]["size"] != "large" {
		t.Errorf("it was changed: %v", e.made[address])
	}
	if head := f.head(database); head.Status != orchestrator.NodeReady || head.InputsRef == "" || head.OutputsRef != "" {
		t.Errorf("head: %+v", head)
	}
	if log := strings.Join(f.chunks(id), ""); !strings.Contains(log, "the next apply changes: update tiny.web.database (password, size)") {
		t.Errorf("log: %q", log)
	}
	_, err = f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph})
	f.must(err)
	if diff := cmp.Diff([]string{"endpoint", "port", "token"}, f.unknown()); diff != "" {
		t.Errorf("what dependents do not know yet (-want +got):\n%s", diff)
	}
	if res := f.done(f.deployment(""), graph, database, orchestrator.StepApply); !res.Changed || e.made[address]["size"] != "small" {
		t.Errorf("the next apply: %+v, %v", res, e.made[address])
	}
	f.noSecretsLeft()
}

// TestAdoptAgain: an attempt that was cut off anywhere is taken up again, and a
// rollback after it lets go of what was adopted.
func TestAdoptAgain(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"observe", "adopt", "preview", "apply"} {
		for _, ends := range []string{"adopted", "let go"} {
			t.Run(verb+" "+ends, func(t *testing.T) {
				t.Parallel()
				f, e := adopts(t)
				graph, id := f.graph(nil), f.adoption(matching, nil)
				e.during = failing(verb, &engine.Error{Class: engine.Transient, Engine: "tiny", Message: "gone for a moment"})
				if _, err := f.adopt(id, graph); failure(t, err).NonRetryable() {
					t.Fatalf("it is not tried again: %v", err)
				}
				e.during = func(context.Context, string) error { return nil }
				if ends == "adopted" {
					_, err := f.adopt(id, graph)
					f.must(err)
					if head := f.head(database); head.Status != orchestrator.NodeReady || !f.run(id).Created {
						t.Errorf("head %+v, run %+v", head, f.run(id))
					}
					// Its answer may be lost, and it comes again.
					_, err = f.adopt(id, graph)
					f.must(err)
				}
				f.done(id, graph, database, orchestrator.StepForget)
				f.gone("let go")
				if len(e.made) > 0 {
					t.Errorf("there is still a state: %v", e.made)
				}
				if run := f.run(id); run.Status != orchestrator.NodeReverted {
					t.Errorf("run: %+v", run)
				}
				f.done(id, graph, database, orchestrator.StepForget)
			})
		}
	}
}

// TestForgetWhatNobodyRecorded: an attempt that died right after it had adopted
// a release leaves no name for it; it is found again, and let go of.
func TestForgetWhatNobodyRecorded(t *testing.T) {
	t.Parallel()
	f, e := adopts(t)
	graph, id := f.graph(nil), f.adoption("", nil)
	e.during = failing("adopt", &engine.Error{Class: engine.Transient, Engine: "tiny", Message: "gone for a moment"})
	if _, err := f.adopt(id, graph); err == nil {
		t.Fatal("it succeeded")
	}
	e.during = func(context.Context, string) error { return nil }
	e.did()
	f.done(id, graph, database, orchestrator.StepForget)
	calls, req := e.did()
	if diff := cmp.Diff([]string{"adopt", "forget"}, calls); diff != "" || req.StateRef != "shop/db" {
		t.Errorf("forgot %q (-want +got):\n%s", req.StateRef, diff)
	}
	f.gone("let go")
}

// marking is an engine by another name.
type marking struct {
	*adopting
	name string
}

func (e *marking) Name() string { return e.name }

// TestForgetWhatCannotBeAdopted: an attempt that died may have marked what now
// cannot be adopted. An engine that marks is asked to forget it by its name; one
// that does not would forget whatever has the name.
func TestForgetWhatCannotBeAdopted(t *testing.T) {
	t.Parallel()
	invalid := func(what string) error {
		return &engine.Error{Class: engine.Invalid, Engine: "tiny", Message: what}
	}
	for name, tc := range map[string]struct {
		engine string
		class  engine.Class
		named  error // of forgetting by name
		did    []string
		ref    string // of what was forgotten last
		reason string
	}{
		"rejected":    {orchestrator.EngineHelm, engine.Rejected, nil, []string{"adopt", "forget"}, "shop/db", "it has a mark"},
		"invalid":     {orchestrator.EngineCrossplane, engine.Invalid, nil, []string{"adopt", "forget"}, "shop/db", "it has a mark"},
		"no name":     {orchestrator.EngineHelm, engine.Invalid, invalid("no name"), []string{"adopt", "forget", "forget"}, "", "nothing can be there under it"},
		"marks not":   {orchestrator.EnginePulumi, engine.Invalid, nil, []string{"adopt", "forget"}, "", "the stack of that name is somebody's"},
		"marks not 2": {orchestrator.EngineTerraform, engine.Rejected, nil, []string{"adopt", "forget"}, "", "it has states of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, e := adopts(t)
			f.steps.Engine = &marking{e, tc.engine}
			graph, id := f.graph(nil), f.adoption("", nil)
			e.during = failing("adopt", &engine.Error{Class: engine.Transient, Engine: "tiny", Message: "gone for a moment"})
			if _, err := f.adopt(id, graph); err == nil {
				t.Fatal("it succeeded")
			}
			e.did()
			named := tc.named
			e.during = func(_ context.Context, verb string) (err error) {
				switch verb {
				case "adopt":
					return &engine.Error{Class: tc.class, Engine: "tiny", Message: "no"}
				case "forget":
					err, named = named, nil
				}
				return err
			}
			f.done(id, graph, database, orchestrator.StepForget)
			calls, req := e.did()
			if diff := cmp.Diff(tc.did, calls); diff != "" || req.StateRef != tc.ref {
				t.Errorf("%s: forgot %q (-want +got):\n%s", tc.reason, req.StateRef, diff)
			}
			f.gone(tc.reason)
		})
	}
}

// TestAdoptAfterAnotherAdoption: what one that could not be undone has left is
// adopted by the next, and is its own to let go of.
func TestAdoptAfterAnotherAdoption(t *testing.T) {
	t.Parallel()
	f, e := adopts(t)
	graph, first := f.graph(nil), f.adoption(matching, nil)
	e.during = func(_ context.Context, verb string) error {
		if verb == "preview" || verb == "forget" {
			return &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: "no"}
		}
		return nil
	}
	if _, err := f.adopt(first, graph); err == nil {
		t.Fatal("it succeeded")
	}
	if _, err := f.step(contract.StepInput{Deployment: first, Node: database, Action: orchestrator.StepForget, GraphDigest: graph}); err == nil {
		t.Fatal("it was let go of")
	}
	if head := f.head(database); !head.Adopting {
		t.Fatalf("head: %+v", head)
	}
	second := f.adoption(matching, nil)
	if _, err := f.adopt(second, graph); err == nil {
		t.Fatal("it succeeded")
	}
	e.during = func(context.Context, string) error { return nil }
	f.done(second, graph, database, orchestrator.StepForget)
	f.gone("let go by the second")
	if len(e.made) > 0 {
		t.Errorf("there is still a state: %v", e.made)
	}
}

// TestAdoptLeavesOthersAlone: a node that another deployment has made is neither
// adopted nor let go of.
func TestAdoptLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	f, e := adopts(t)
	graph := f.graph(nil)
	made := f.deployment("")
	f.done(made, graph, database, orchestrator.StepApply)
	before := f.head(database)
	f.engine.did()
	id := f.adoption(matching, nil)
	_, err := f.adopt(id, graph)
	if told := failure(t, err); !told.NonRetryable() || !strings.Contains(told.Message(), "nothing can be adopted into web.database, which deployment "+made) {
		t.Errorf("told %q", told.Message())
	}
	f.done(id, graph, database, orchestrator.StepForget)
	f.wantDid("the engine is left alone")
	if diff := cmp.Diff(before, f.head(database)); diff != "" {
		t.Errorf("the head (-before +after):\n%s", diff)
	}
	if len(e.made) != 1 {
		t.Errorf("the engine has %v", e.made)
	}
}

// TestAdoptByAnEngineThatCannot: Crossplane's resources, for one, are adopted by
// Crossplane itself.
func TestAdoptByAnEngineThatCannot(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph, id := f.graph(nil), f.adoption("", nil)
	_, err := f.adopt(id, graph)
	if told := failure(t, err); !strings.Contains(told.Message(), "made by tiny, which cannot take over what exists") || !told.NonRetryable() {
		t.Errorf("told %q", told.Message())
	}
	f.done(id, graph, database, orchestrator.StepForget)
	f.gone("nothing was begun")
	f.wantDid("nothing to ask for")
}

// TestAdoptForReal: with an engine that keeps the whole contract, what was made
// elsewhere is the node's from then on.
func TestAdoptForReal(t *testing.T) {
	t.Parallel()
	f := setup(t)
	world, err := fake.New(fake.Config{Dir: filepath.Join(f.dir, "world"), Name: "tiny"})
	f.must(err)
	f.steps.Engine = world
	outside := engine.Request{
		Address: "shop/db", Node: "elsewhere", Log: io.Discard, Inputs: map[string]any{"size": "small"},
		Outputs: []engine.OutputSpec{{Name: "endpoint", Type: "string"}, {Name: "port", Type: "integer"}},
		Implementation: catalog.Implementation{
			Settings: map[string]any{"outputs": map[string]any{"endpoint": "db-{size}.example", "port": 5432}},
		},
	}
	preview, err := world.Preview(t.Context(), outside)
	f.must(err)
	_, err = world.Apply(t.Context(), outside, preview)
	f.must(err)
	before, err := os.ReadFile(filepath.Join(f.dir, "world", "ledger"))
	f.must(err)

	sized := func(size string) func(app, db *composer.Node) {
		return func(_, db *composer.Node) {
			db.Implementation = outside.Implementation
			db.Inputs = []composer.NodeInput{{Name: "size", Type: catalog.TypeString, Value: literal(size)}}
			db.Outputs = db.Outputs[:2]
		}
	}
	large := f.adoption("", nil)
	_, err = f.adopt(large, f.graph(sized("large")))
	if told := failure(t, err); !strings.Contains(told.Message(), "would change: update") {
		t.Errorf("told %q", told.Message())
	}
	f.done(large, f.graph(sized("large")), database, orchestrator.StepForget)
	f.gone("it does not match")

	graph := f.graph(sized("small"))
	_, err = f.adopt(f.adoption("", nil), graph)
	f.must(err)
	outputs, err := f.Registry.Outputs(t.Context(), f.head(database))
	f.must(err)
	if diff := cmp.Diff(map[string]any{"endpoint": "db-small.example", "port": float64(5432)}, byName(outputs)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	_, err = f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph})
	f.must(err)
	if changes := f.planned(database).Changes; len(changes) > 0 || len(f.unknown()) > 0 {
		t.Errorf("the next plan: %+v, unknown %v", changes, f.unknown())
	}
	if res := f.done(f.deployment(""), graph, database, orchestrator.StepApply); res.Changed {
		t.Errorf("the next apply: %+v", res)
	}
	after, err := os.ReadFile(filepath.Join(f.dir, "world", "ledger"))
	f.must(err)
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("side effects (-before +after):\n%s", diff)
	}
}
