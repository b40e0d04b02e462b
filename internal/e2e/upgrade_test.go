// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/parts"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workers"
	"github.com/HatiCode/nestor/workers/rollout"
)

// upgrade is a site whose workers are replaced in the middle of a deployment.
type upgrade struct {
	*site
	released, next string // programs
}

// TestUpgrade replaces worker processes while a deployment stands in the middle
// of a step. The next release's Deployment does more than the released one.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	tests := map[string]func(upgrade){
		"upgrade-stays":      staysWithItsVersion,
		"upgrade-waits":      waitsForItsVersion,
		"upgrade-moves":      movesWhereItReplays,
		"upgrade-first-time": becomesVersioned,
		"upgrade-split":      splitRoles,
	}
	temporal := testplatform.StartTemporalWith(t, []string{
		"matching.wv.VersionDrainageStatusVisibilityGracePeriod=\"1s\"",
		"matching.wv.VersionDrainageStatusRefreshInterval=\"1s\"",
	}, slices.Sorted(maps.Keys(tests))...)
	released, next := testplatform.Binary(t, "nestor-worker"), nextRelease(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := testplatform.New
			if name == "upgrade-moves" { // which reads what workflows were given
				open = testplatform.NewEncrypted
			}
			s := &site{Platform: open(t, temporal, name), t: t, team: "alpha", application: name}
			s.Config.Roles = []string{workers.RoleControl, workers.RoleFake}
			s.fakes()
			test(upgrade{site: s, released: released, next: next})
		})
	}
}

// nextRelease builds a nestor-worker in which a Deployment begins otherwise.
func nextRelease(t *testing.T) string {
	t.Helper()
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(parts.Root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	const file, now, then = "workflows/workflows.go", "WithOptions(Deployment,", "WithOptions(nextDeployment,"
	source := read(file)
	if strings.Count(source, now) != 1 {
		t.Fatalf("%s does not hold %q once; this test replaces it", file, now)
	}
	return testplatform.Variant(t, "nestor-worker", map[string]string{
		file:                        strings.Replace(source, now, then, 1),
		"workflows/next_release.go": read("internal/e2e/testdata/upgrade/next.go"),
	})
}

// staysWithItsVersion: the running deployment ends where it began, what begins
// afterwards and the Application itself are on the new version, and the old one
// may stop then.
func staysWithItsVersion(u upgrade) {
	old := u.start(u.released, "a")
	u.setCurrent(u.released, "a")
	open := u.shut()
	r := u.things("small")
	first := u.apply(r)
	u.atTheGate(first)

	u.start(u.next, "b")
	u.setCurrent(u.next, "b")
	second := u.applyTo("production", r)
	u.atTheGate(second)
	u.wantVersions("a draining 1", "b current 1")
	open()
	for id, want := range map[string][]string{first: {"a"}, second: {"b"}} {
		u.wantStatus(u.Await(id, patience), orchestrator.StatusSucceeded)
		u.wantRanOn(id, want...)
	}
	if n := u.markers(first) + 10*u.markers(second); n != 10 {
		u.t.Errorf("markers of the change in the first and, tenfold, in the second: %d, want 10", n)
	}
	u.wantRanOn(u.team+"/"+u.application, "a", "b")

	u.wantVersions("a drained 0", "b current 0")
	old.Kill()
	third := u.apply(u.things("large"))
	u.wantStatus(u.Await(third, patience), orchestrator.StatusSucceeded)
	u.wantRanOn(third, "b")
}

// waitsForItsVersion: without a worker of its version a deployment stands still,
// and goes on when one comes back.
func waitsForItsVersion(u upgrade) {
	first, open := u.orphaned()
	second := u.applyTo("production", u.things("small"))
	open()
	u.wantStatus(u.Await(second, patience), orchestrator.StatusSucceeded)
	if d := u.Await(first, patience, orchestrator.StatusRunning); !d.FinishedAt.IsZero() {
		u.t.Fatalf("%s has ended without a worker of its version", first)
	}
	u.start(u.released, "a")
	u.wantStatus(u.Await(first, patience), orchestrator.StatusSucceeded)
	u.wantRanOn(first, "a")
}

// movesWhereItReplays: the operator's command moves a deployment to a version
// with which its history replays, and to no other.
func movesWhereItReplays(u upgrade) {
	first, open := u.orphaned()
	open()
	out, err := u.run(u.next, "c", []string{"NESTOR_TEST_UNGUARDED=yes"}, "move", first)
	if err == nil || !strings.Contains(out, rollout.ErrDoesNotReplay.Error()) {
		u.t.Fatalf("a program with which the history does not replay answered %v, %s", err, out)
	}
	u.wantVersions("a draining 1", "b current 0")
	if out, err := u.run(u.next, "b", nil, "move", "--check", first); err != nil || !strings.Contains(out, first+" can be moved to b") {
		u.t.Fatalf("the check answered %v, %s", err, out)
	}
	if out, err := u.run(u.next, "b", nil, "move", "--from", "a"); err != nil || !strings.Contains(out, first+" moved to b") {
		u.t.Fatalf("the move answered %v, %s", err, out)
	}
	u.wantStatus(u.Await(first, patience), orchestrator.StatusSucceeded)
	u.wantRanOn(first, "a", "b")
	if n := u.markers(first); n != 0 {
		u.t.Errorf("%d markers of a change that comes before where the history was", n)
	}
}

// becomesVersioned: workers without versions are replaced by the same build with
// one, and what runs goes on there.
func becomesVersioned(u upgrade) {
	old := u.StartWorkerProcess(u.released)
	open := u.shut()
	first := u.apply(u.things("small"))
	u.atTheGate(first)
	u.start(u.released, "a")
	u.setCurrent(u.released, "a")
	old.Kill()
	open()
	u.wantStatus(u.Await(first, patience), orchestrator.StatusSucceeded)
	u.wantRanOn(first, "", "a")
	second := u.apply(u.things("large"))
	u.wantStatus(u.Await(second, patience), orchestrator.StatusSucceeded)
	u.wantRanOn(second, "a")
}

// splitRoles: workers of an engine alone may be of no version or of a worker
// deployment of their own.
func splitRoles(u upgrade) {
	u.Config.Roles = []string{workers.RoleControl}
	u.start(u.released, "a")
	u.setCurrent(u.released, "a")
	u.Config.Roles = []string{workers.RoleFake}
	engine := u.StartWorkerProcess(u.released)
	first := u.apply(u.things("small"))
	u.wantStatus(u.Await(first, patience), orchestrator.StatusSucceeded)
	engine.Kill()

	u.StartWorkerProcess(u.released, "NESTOR_WORKER_DEPLOYMENT=engines", "NESTOR_BUILD_ID=e")
	u.eventually("the engine's version to be there", func() error {
		// The control queue is not its own, so that nestor-worker would wait for it.
		temporal := exec.CommandContext(u.t.Context(), parts.Temporal(u.t), "worker", "deployment", "set-current-version",
			"--address", u.Config.TemporalAddress, "--namespace", u.Config.TemporalNamespace,
			"--deployment-name", "engines", "--build-id", "e", "--yes")
		if out, err := temporal.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	second := u.apply(u.things("large"))
	u.wantStatus(u.Await(second, patience), orchestrator.StatusSucceeded)
	u.wantRanOn(second, "a")
}

// orphaned begins a deployment on a version whose only worker dies, after the
// next one has become the current version.
func (u upgrade) orphaned() (id string, open func()) {
	u.t.Helper()
	old := u.start(u.released, "a")
	u.setCurrent(u.released, "a")
	open = u.shut()
	id = u.apply(u.things("small"))
	u.atTheGate(id)
	u.start(u.next, "b")
	u.setCurrent(u.next, "b")
	old.Kill()
	return id, open
}

// start a worker process of a version.
func (u upgrade) start(program, build string) *testplatform.WorkerProcess {
	u.t.Helper()
	return u.StartWorkerProcess(program, "NESTOR_WORKER_DEPLOYMENT=nestor", "NESTOR_BUILD_ID="+build)
}

func (u upgrade) setCurrent(program, build string) {
	u.t.Helper()
	if out, err := u.run(program, build, nil, "set-current"); err != nil {
		u.t.Fatalf("set-current %s: %v: %s", build, err, out)
	}
}

// run one of the program's commands as a version's.
func (u upgrade) run(program, build string, env []string, args ...string) (string, error) {
	u.t.Helper()
	cmd := exec.CommandContext(u.t.Context(), program, args...)
	cmd.Env = append(append(os.Environ(), env...),
		"NESTOR_WORKER_DEPLOYMENT=nestor", "NESTOR_BUILD_ID="+build, "NESTOR_DATA="+u.Config.DataDir,
		"NESTOR_TEMPORAL_ADDRESS="+u.Config.TemporalAddress, "NESTOR_TEMPORAL_NAMESPACE="+u.Config.TemporalNamespace)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (u upgrade) applyTo(environment string, r composer.Release) string {
	u.t.Helper()
	id, err := u.Deploy(contract.DeployRequest{
		Scope: u.scope(environment), Kind: orchestrator.KindApply, Release: r.Digest, AutoApprove: true,
	})
	u.must(err)
	return id
}

func (u upgrade) eventually(what string, check func() error) {
	u.t.Helper()
	testplatform.Eventually(u.t, patience, what, check)
}

// atTheGate waits until the deployment's only node has begun.
func (u upgrade) atTheGate(id string) {
	u.t.Helper()
	u.eventually("the node of "+id+" to begin", func() error {
		run, err := u.Registry.Run(u.t.Context(), id, "web.thing")
		if err == nil && run.Status != orchestrator.NodeRunning {
			err = fmt.Errorf("it is %s", run.Status)
		}
		return err
	})
}

// wantVersions waits until `nestor-worker versions` lists these, each as build,
// state and open runs.
func (u upgrade) wantVersions(want ...string) {
	u.t.Helper()
	u.eventually("the versions to be listed", func() error {
		out, err := u.run(u.next, "b", nil, "versions", "-o", "json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		var versions []rollout.Version
		if err := json.Unmarshal([]byte(out), &versions); err != nil {
			return err
		}
		var got []string
		for _, v := range versions {
			got = append(got, fmt.Sprintf("%s %s %d", v.BuildID, v.State, v.Open))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("versions (-want +got):\n%s", diff)
		}
		return nil
	})
}

// wantRanOn: the workflow tasks of a workflow were done by these versions, in
// this order; an empty one is none. A record is final a moment before the
// workflow task that made it so.
func (u upgrade) wantRanOn(id string, want ...string) {
	u.t.Helper()
	u.eventually("the workflow tasks of "+id, func() error {
		var got []string
		u.events(id, func(event *historypb.HistoryEvent) {
			if done := event.GetWorkflowTaskCompletedEventAttributes(); done != nil {
				if build := done.GetDeploymentVersion().GetBuildId(); len(got) == 0 || got[len(got)-1] != build {
					got = append(got, build)
				}
			}
		})
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("versions (-want +got):\n%s", diff)
		}
		return nil
	})
}

// markers counts what GetVersion has left in a history.
func (u upgrade) markers(id string) int {
	u.t.Helper()
	n := 0
	u.events(id, func(event *historypb.HistoryEvent) {
		if event.GetMarkerRecordedEventAttributes().GetMarkerName() == "Version" {
			n++
		}
	})
	return n
}

func (u upgrade) events(id string, see func(*historypb.HistoryEvent)) {
	u.t.Helper()
	events := u.Temporal.GetWorkflowHistory(u.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		u.must(err)
		see(event)
	}
}
