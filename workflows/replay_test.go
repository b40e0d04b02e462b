// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// histories returns the recorded histories: testdata/history/<release>/<name>.json,
// recorded from the code of that release by `go test ./internal/e2e -record`.
func histories(t *testing.T) []string {
	t.Helper()
	releases, err := os.ReadDir("testdata/history")
	if err != nil {
		t.Fatal(err)
	}
	if len(releases) == 0 {
		t.Fatal("there is no recorded history; without one a replay proves nothing")
	}
	var all []string
	for _, release := range releases {
		files, err := filepath.Glob(filepath.Join("testdata/history", release.Name(), "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"application-", "deployment-", "plan-", "drift-", "round-"} {
			if !slices.ContainsFunc(files, func(file string) bool { return strings.HasPrefix(filepath.Base(file), kind) }) {
				t.Fatalf("%s holds no history whose name begins with %q; a replay of it proves too little", release.Name(), kind)
			}
		}
		all = append(all, files...)
	}
	return all
}

// silent keeps the replayer's own words out of the tests' output.
func silent() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

// TestReplay: every history of every release replays to the same commands.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, file := range histories(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			r := worker.NewWorkflowReplayer()
			workflows.Register(r)
			if err := r.ReplayWorkflowHistoryFromJSONFile(silent(), file); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReplayFindsTheWrongWorkflow: a Deployment that does something else than
// the recorded one must not replay, otherwise TestReplay proves nothing.
func TestReplayFindsTheWrongWorkflow(t *testing.T) {
	t.Parallel()
	wrong := func(ctx workflow.Context, in contract.DeploymentInput) (contract.DeploymentResult, error) {
		var accepted string
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: 1, TaskQueue: contract.QueueControl,
		}), "SomethingElse", in).Get(ctx, &accepted)
		return contract.DeploymentResult{}, err
	}
	found := 0
	for _, file := range histories(t) {
		if !strings.HasPrefix(filepath.Base(file), "deployment-") {
			continue
		}
		found++
		r := worker.NewWorkflowReplayer()
		r.RegisterWorkflowWithOptions(wrong, workflow.RegisterOptions{Name: contract.WorkflowDeployment})
		if err := r.ReplayWorkflowHistoryFromJSONFile(silent(), file); err == nil {
			t.Errorf("%s replays with a workflow that does something else", file)
		}
	}
	if found == 0 {
		t.Error("there is no history of a Deployment")
	}
}

// TestHistoriesAreClean: recorded histories name no path of the machine that
// recorded them.
func TestHistoriesAreClean(t *testing.T) {
	t.Parallel()
	for _, file := range histories(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), os.TempDir()+"/") {
			t.Errorf("%s holds a path of the machine that recorded it", file)
		}
	}
}
