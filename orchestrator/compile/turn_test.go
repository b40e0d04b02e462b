// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

func (f *fixture) accept(req contract.DeployRequest) string {
	f.t.Helper()
	d, err := f.Registry.Accept(f.t.Context(), req, "")
	f.must(err)
	return d.ID
}

func (f *fixture) status(id string, status orchestrator.Status) {
	f.t.Helper()
	f.must(f.Registry.SetStatus(f.t.Context(), contract.StatusInput{Deployment: id, Status: status, Principal: ada}))
}

// TestPrepareTakesTurns: a deployment waits while another of its environment
// runs, is left alone while it runs itself, and refused when it is over.
func TestPrepareTakesTurns(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.release("shop", "small").Digest
	first, second, elsewhere := f.accept(deploy(in("dev"), release)), f.accept(deploy(in("dev"), release)), f.accept(deploy(in("staging"), release))
	if p := f.prepare(first); p.Waiting+p.Refused != "" || p.Started {
		t.Fatalf("the first: %+v", p)
	}
	frozen := f.deployment(first)
	for _, status := range []orchestrator.Status{orchestrator.StatusRunning, orchestrator.StatusPaused, orchestrator.StatusRollingBack} {
		f.status(first, status)
		if diff := cmp.Diff(contract.Prepared{Started: true}, f.prepare(first)); diff != "" {
			t.Errorf("one that is %s (-want +got):\n%s", status, diff)
		}
		if p := f.prepare(second); p.Waiting != "deployment "+first+" is still "+string(status) || p.Refused != "" {
			t.Errorf("the next while the first is %s: %+v", status, p)
		}
		if p := f.prepare(elsewhere); p.Waiting+p.Refused != "" {
			t.Errorf("one of another environment: %+v", p)
		}
	}
	f.environment("dev", "", crossplaneOnly)
	if p := f.prepare(first); !p.Started || f.deployment(first).GraphDigest != frozen.GraphDigest {
		t.Errorf("what runs was frozen anew: %+v", p)
	}
	f.environment("dev", "", nil)
	f.must(f.Registry.Finish(t.Context(), contract.FinishInput{Deployment: first, Status: orchestrator.StatusFailed, Principal: ada}))
	if p := f.prepare(first); !strings.Contains(p.Refused, first+" is over (failed)") {
		t.Errorf("one that is over: %+v", p)
	}
	if p := f.prepare(second); p.Waiting+p.Refused != "" {
		t.Errorf("the next, once the first is over: %+v", p)
	}
}
