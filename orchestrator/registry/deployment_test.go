// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func TestAcceptIsIdempotent(t *testing.T) {
	t.Parallel()
	f := open(t)
	first := f.accept("one")
	if first.ID != "alpha/shop/staging/1" || first.WorkflowID != first.ID || first.Status != orchestrator.StatusQueued {
		t.Errorf("first deployment: %+v", first)
	}
	again := f.accept("one")
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the same request gave another deployment (-first +again):\n%s", diff)
	}
	if second := f.accept("two"); second.N != 2 {
		t.Errorf("another request got number %d, want 2", second.N)
	}
	if diff := cmp.Diff([]string{"deployment.queued"}, f.events(first.ID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAcceptNumbersWithoutGaps(t *testing.T) {
	t.Parallel()
	f := open(t)
	const requests = 20
	numbers := make([]int64, 2*requests)
	var g errgroup.Group
	for i := range numbers {
		g.Go(func() error {
			// Each request comes twice, as after a lost answer.
			d, err := f.Accept(t.Context(), request(fmt.Sprintf("request-%d", i/2)), "")
			numbers[i] = d.N
			return err
		})
	}
	f.must(g.Wait())
	for i := 0; i < len(numbers); i += 2 {
		if numbers[i] != numbers[i+1] {
			t.Errorf("request %d got the numbers %d and %d", i/2, numbers[i], numbers[i+1])
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	want := make([]int64, requests)
	for i := range want {
		want[i] = int64(i + 1)
	}
	if diff := cmp.Diff(want, numbers); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
	state, err := f.Scope(t.Context(), scope())
	f.must(err)
	if state.Deployments != requests {
		t.Errorf("the scope counts %d deployments, want %d", state.Deployments, requests)
	}
	latest, err := f.LatestDeployment(t.Context(), scope())
	f.must(err)
	if latest.N != requests {
		t.Errorf("the latest is number %d", latest.N)
	}
}

func TestLatestDeploymentOfNothing(t *testing.T) {
	t.Parallel()
	f := open(t)
	_, err := f.LatestDeployment(t.Context(), scope())
	if !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "shop of team alpha was never deployed to staging") {
		t.Errorf("got %v", err)
	}
}

func TestParseDeploymentID(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		id     string
		want   int64
		reason string
	}{
		"good":      {id: "alpha/shop/staging/12", want: 12, reason: "four parts, the last a number"},
		"short":     {id: "alpha/shop/1", reason: "a part is missing"},
		"long":      {id: "alpha/shop/staging/x/1", reason: "a part too many"},
		"empty":     {id: "", reason: "nothing"},
		"hole":      {id: "alpha//staging/1", reason: "an empty part"},
		"zero":      {id: "alpha/shop/staging/0", reason: "numbers begin at 1"},
		"negative":  {id: "alpha/shop/staging/-1", reason: "numbers begin at 1"},
		"no number": {id: "alpha/shop/staging/latest", reason: "a word"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, n, err := registry.ParseDeploymentID(tc.id)
			if tc.want == 0 {
				if !errors.Is(err, registry.ErrDeploymentID) || !strings.Contains(err.Error(), fmt.Sprintf("%q", tc.id)) {
					t.Errorf("%s: got error %v", tc.reason, err)
				}
				return
			}
			if err != nil || n != tc.want || orchestrator.DeploymentID(s, n) != tc.id {
				t.Errorf("%s: got %v %d %v", tc.reason, s, n, err)
			}
		})
	}
}

func (f *fixture) setStatus(id string, status orchestrator.Status, reason string) {
	f.tb.Helper()
	f.must(f.SetStatus(f.tb.Context(), contract.StatusInput{
		Deployment: id, Status: status, Reason: reason, Principal: "workflow:x", RunID: "run-1",
	}))
}

func (f *fixture) deployment(id string) orchestrator.Deployment {
	f.tb.Helper()
	d, err := f.GetDeployment(f.tb.Context(), id)
	f.must(err)
	return d
}

func TestSetStatus(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.setStatus(id, orchestrator.StatusRunning, "")
	began := f.deployment(id)
	if began.Status != orchestrator.StatusRunning || began.StartedAt.IsZero() || began.RunID != "run-1" {
		t.Errorf("after running: %+v", began)
	}
	f.setStatus(id, orchestrator.StatusRunning, "")
	f.setStatus(id, orchestrator.StatusPaused, "why")
	f.setStatus(id, orchestrator.StatusRunning, "")
	if now := f.deployment(id); !now.StartedAt.Equal(began.StartedAt) || now.Reason != "" {
		t.Errorf("running again: began %s, reason %q", now.StartedAt, now.Reason)
	}
	want := []string{"deployment.queued", "deployment.status", "deployment.status", "deployment.status"}
	if diff := cmp.Diff(want, f.events(id)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	err := f.SetStatus(t.Context(), contract.StatusInput{Deployment: "alpha/shop/staging/9", Status: orchestrator.StatusRunning, Principal: ada})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("status of no deployment: %v", err)
	}
}

func (f *fixture) finish(id string, status orchestrator.Status) {
	f.tb.Helper()
	f.must(f.Finish(f.tb.Context(), contract.FinishInput{Deployment: id, Status: status, Principal: "workflow:x"}))
}

func TestFinalStays(t *testing.T) {
	t.Parallel()
	for _, final := range []orchestrator.Status{
		orchestrator.StatusFailed, orchestrator.StatusCanceled, orchestrator.StatusRolledBack,
	} {
		t.Run(string(final), func(t *testing.T) {
			t.Parallel()
			f := open(t)
			id := f.accept("one").ID
			f.finish(id, final)
			before, told := f.deployment(id), f.events(id)
			f.setStatus(id, orchestrator.StatusRunning, "late")
			f.finish(id, orchestrator.StatusSucceeded)
			f.must(f.Freeze(t.Context(), id, ada, registry.Frozen{Graph: "g", Previous: "p", ChangeDigest: "c", Basis: 7, ApprovalsRequired: 2}))
			if diff := cmp.Diff(before, f.deployment(id)); diff != "" {
				t.Errorf("a final deployment changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(told, f.events(id)); diff != "" {
				t.Errorf("a final deployment got events (-before +after):\n%s", diff)
			}
			if told[len(told)-1] != "deployment.finished" {
				t.Errorf("the last event is %s", told[len(told)-1])
			}
		})
	}
}

func TestFinishSettlesTheScope(t *testing.T) {
	t.Parallel()
	f := open(t)
	run := func(request string, graph string, status orchestrator.Status, started bool) registry.ScopeState {
		id := f.accept(request).ID
		f.must(f.Freeze(t.Context(), id, ada, registry.Frozen{Graph: graph}))
		if started {
			f.setStatus(id, orchestrator.StatusRunning, "")
		}
		f.finish(id, status)
		state, err := f.Scope(t.Context(), scope())
		f.must(err)
		return state
	}
	first := f.putGraph("sha256:b", "sha256:a", "sha256:b")
	second := f.putGraph("sha256:c", "sha256:a")

	state := run("one", first, orchestrator.StatusSucceeded, true)
	want := registry.ScopeState{
		Scope: scope(), Deployments: 1, Basis: 1, Release: "sha256:release", Graph: first,
		Deployment: "alpha/shop/staging/1", Exercised: []string{"sha256:a", "sha256:b"},
	}
	if diff := cmp.Diff(want, state); diff != "" {
		t.Errorf("after a success (-want +got):\n%s", diff)
	}
	state = run("two", second, orchestrator.StatusFailed, true)
	want.Deployments, want.Basis = 2, 2
	if diff := cmp.Diff(want, state); diff != "" {
		t.Errorf("a failure moves the basis and nothing else (-want +got):\n%s", diff)
	}
	state = run("three", second, orchestrator.StatusCanceled, false)
	want.Deployments = 3
	if diff := cmp.Diff(want, state); diff != "" {
		t.Errorf("what never ran does not move the basis (-want +got):\n%s", diff)
	}
	state = run("four", second, orchestrator.StatusSucceeded, true)
	want.Deployments, want.Basis, want.Graph, want.Deployment = 4, 3, second, "alpha/shop/staging/4"
	want.Exercised = []string{"sha256:a", "sha256:b", "sha256:c"}
	if diff := cmp.Diff(want, state); diff != "" {
		t.Errorf("what was exercised adds up (-want +got):\n%s", diff)
	}

	req := request("five")
	req.Kind, req.Release = orchestrator.KindDestroy, ""
	d, err := f.Accept(t.Context(), req, "")
	f.must(err)
	f.setStatus(d.ID, orchestrator.StatusRunning, "")
	f.finish(d.ID, orchestrator.StatusSucceeded)
	state, err = f.Scope(t.Context(), scope())
	f.must(err)
	if state.Release != "" || state.Graph != "" || state.Basis != 4 || len(state.Exercised) != 3 {
		t.Errorf("after a destruction: %+v", state)
	}
	scopes, err := f.Applications(t.Context(), "alpha")
	f.must(err)
	if diff := cmp.Diff([]orchestrator.Scope{scope()}, scopes); diff != "" {
		t.Errorf("applications (-want +got):\n%s", diff)
	}
	if scopes, err = f.Applications(t.Context(), "beta"); err != nil || len(scopes) != 0 {
		t.Errorf("applications of another team: %v %v", scopes, err)
	}
}

func TestFinishOfALargeDeployment(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	in := contract.FinishInput{Deployment: id, Status: orchestrator.StatusFailed, Principal: ada}
	const nodes = 10_000
	for i := range nodes {
		name := fmt.Sprintf("%s.n%05d", strings.Repeat("x", 60), i)
		in.Skipped = append(in.Skipped, name)
		in.Residue = append(in.Residue, orchestrator.Residue{Node: name, Reason: strings.Repeat("r", 100)})
	}
	f.must(f.Finish(t.Context(), in))
	d := f.deployment(id)
	kept := len(d.Residue) - 1
	if kept < 100 || kept >= nodes {
		t.Fatalf("%d entries of residue are kept", kept)
	}
	if want := fmt.Sprintf("and %d more nodes", nodes-kept); d.Residue[kept].Reason != want {
		t.Errorf("the last entry says %q, want %q", d.Residue[kept].Reason, want)
	}
	if told := f.events(id); len(told) != 2 {
		t.Errorf("events: %v", told)
	}
}

func TestListDeployments(t *testing.T) {
	t.Parallel()
	f := open(t)
	const all = 25
	for i := range all {
		req := request(fmt.Sprintf("request-%d", i))
		req.Application = []string{"shop", "blog"}[i%2]
		req.Environment = []string{"staging", "production"}[i/2%2]
		d, err := f.Accept(t.Context(), req, "")
		f.must(err)
		if i%5 == 0 {
			f.finish(d.ID, orchestrator.StatusFailed)
		}
	}
	other := request("other")
	other.Team = "beta"
	_, err := f.Accept(t.Context(), other, "")
	f.must(err)

	for name, tc := range map[string]struct {
		filter registry.DeploymentFilter
		want   int
		reason string
	}{
		"team":        {filter: registry.DeploymentFilter{Team: "alpha"}, want: all, reason: "no deployment of another team"},
		"application": {filter: registry.DeploymentFilter{Team: "alpha", Application: "blog"}, want: 12, reason: "every second"},
		"environment": {filter: registry.DeploymentFilter{Team: "alpha", Environment: "production"}, want: 12, reason: "every second pair"},
		"both":        {filter: registry.DeploymentFilter{Team: "alpha", Application: "shop", Environment: "staging"}, want: 7, reason: "every fourth"},
		"status":      {filter: registry.DeploymentFilter{Team: "alpha", Status: orchestrator.StatusFailed}, want: 5, reason: "every fifth"},
		"none":        {filter: registry.DeploymentFilter{Team: "alpha", Application: "nothing"}, reason: "no such application"},
		"nobody":      {filter: registry.DeploymentFilter{Team: "gamma"}, reason: "no such team"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, limit := range []int{1, 4, 100, 0} {
				tc.filter.Limit, tc.filter.Cursor = limit, ""
				var got []orchestrator.Deployment
				for {
					page, err := f.ListDeployments(t.Context(), tc.filter)
					if err != nil {
						t.Fatal(err)
					}
					if limit > 0 && len(page.Deployments) > limit {
						t.Fatalf("a page of %d, limit %d", len(page.Deployments), limit)
					}
					got = append(got, page.Deployments...)
					if page.Next == "" {
						break
					}
					tc.filter.Cursor = page.Next
				}
				if len(got) != tc.want {
					t.Errorf("%s, limit %d: %d deployments, want %d", tc.reason, limit, len(got), tc.want)
				}
				newestFirst := slices.IsSortedFunc(got, func(a, b orchestrator.Deployment) int { return b.QueuedAt.Compare(a.QueuedAt) })
				if !newestFirst {
					t.Errorf("limit %d: not newest first", limit)
				}
			}
		})
	}
}
