// SPDX-License-Identifier: Apache-2.0

package orchestrator_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
)

func TestSettled(t *testing.T) {
	t.Parallel()
	left := []orchestrator.Residue{{Node: "web.store"}}
	for name, tc := range map[string]struct {
		d      orchestrator.Deployment
		never  bool // it never started
		want   bool
		reason string
	}{
		"succeeded":        {orchestrator.Deployment{Status: orchestrator.StatusSucceeded}, false, true, "it is as it was to be"},
		"snapshot left":    {orchestrator.Deployment{Status: orchestrator.StatusSucceeded, Residue: left}, false, true, "nothing needs that"},
		"rolled back":      {orchestrator.Deployment{Status: orchestrator.StatusRolledBack}, false, true, "it is as it was"},
		"residue":          {orchestrator.Deployment{Status: orchestrator.StatusRolledBack, Residue: left}, false, false, "of an earlier one"},
		"failed":           {orchestrator.Deployment{Status: orchestrator.StatusFailed}, false, false, "nobody knows"},
		"refused":          {orchestrator.Deployment{Status: orchestrator.StatusFailed}, true, true, "it never began"},
		"canceled, undone": {orchestrator.Deployment{Status: orchestrator.StatusCanceled, OnFailure: orchestrator.OnFailureRollback}, false, true, "as a whole"},
		"canceled in the queue": {
			orchestrator.Deployment{Status: orchestrator.StatusCanceled, OnFailure: orchestrator.OnFailureStop}, true, true, "it never began",
		},
		"canceled, not undone": {
			orchestrator.Deployment{Status: orchestrator.StatusCanceled, OnFailure: orchestrator.OnFailureStop}, false, false, "it stands where it stopped",
		},
		"destruction canceled": {
			orchestrator.Deployment{Kind: orchestrator.KindDestroy, Status: orchestrator.StatusCanceled, OnFailure: orchestrator.OnFailureRollback},
			false, false, "nothing is made again",
		},
		"adoption failed":   {orchestrator.Deployment{Kind: orchestrator.KindAdopt, Status: orchestrator.StatusFailed}, false, true, "it changes nothing"},
		"adoption, residue": {orchestrator.Deployment{Kind: orchestrator.KindAdopt, Status: orchestrator.StatusFailed, Residue: left}, false, false, "it is half adopted"},
	} {
		if !tc.never {
			tc.d.StartedAt = time.Unix(1, 0)
		}
		if got := tc.d.Settled(); got != tc.want {
			t.Errorf("%s: settled is %t: %s", name, got, tc.reason)
		}
	}
}

func TestStillLeft(t *testing.T) {
	t.Parallel()
	d := orchestrator.Deployment{ID: "alpha/shop/staging/2", N: 2, Status: orchestrator.StatusFailed}
	for _, node := range []string{"untouched", "mended", "gone", "forgotten", "broken", "broken before", orchestrator.MoreNodes} {
		d.Residue = append(d.Residue, orchestrator.Residue{Node: node})
	}
	d.Residue[5].Since = "alpha/shop/staging/1"
	head := func(node string, last string) orchestrator.NodeHead {
		return orchestrator.NodeHead{Node: node, LastDeployment: "alpha/shop/staging/" + last}
	}
	forgotten := head("forgotten", "2")
	forgotten.Forgotten = true
	heads := []orchestrator.NodeHead{
		head("untouched", "2"), head("mended", "3"), forgotten, head("broken", "3"), head("broken before", "1"), head("new", "3"),
	}
	want := []orchestrator.Residue{
		{Node: "broken", Since: d.ID},
		{Node: "broken before", Since: "alpha/shop/staging/1"},
		{Node: "untouched", Since: d.ID},
		{Node: orchestrator.MoreNodes, Since: d.ID},
	}
	got, err := d.StillLeft(heads, func(h orchestrator.NodeHead) (bool, error) { return h.Node == "mended", nil })
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	away := errors.New("the store is away")
	if _, err := d.StillLeft(heads, func(orchestrator.NodeHead) (bool, error) { return false, away }); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	d.Status = orchestrator.StatusSucceeded
	if got, err := d.StillLeft(heads, nil); len(got) > 0 || err != nil {
		t.Errorf("a success has left %+v, %v", got, err)
	}
}
