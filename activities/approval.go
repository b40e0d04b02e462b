// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// approved compares what a step is about to do with what was approved: it must
// be a part of it. A deployment with AutoApprove takes what it finds.
func (s *Steps) approved(ctx context.Context, j *job, changes []orchestrator.Change, digest string) error {
	if j.deployment.AutoApprove || j.deployment.PlanID == "" || len(changes) == 0 || j.in.Approved == digest {
		return nil
	}
	plan, err := s.Registry.NodePlan(ctx, j.deployment.PlanID, j.in.Node)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	for _, change := range changes {
		if why := covered(change, plan.Changes); why != "" {
			return &notApprovedError{digest: digest, message: fmt.Sprintf(
				"the change is not what plan %s shows: %s; approve it as it is now, or reject it", j.deployment.PlanID, why)}
		}
	}
	return nil
}

// removalApproved refuses to take out a node whose removal no plan showed.
func (s *Steps) removalApproved(ctx context.Context, j *job) error {
	const digest = "removal"
	if j.deployment.AutoApprove || j.deployment.PlanID == "" || j.in.Approved == digest {
		return nil
	}
	plan, err := s.Registry.NodePlan(ctx, j.deployment.PlanID, j.in.Node)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if plan.Remove {
		return nil
	}
	return &notApprovedError{digest: digest, message: fmt.Sprintf(
		"plan %s does not show that %s goes away; approve its removal, or reject it", j.deployment.PlanID, j.in.Node)}
}

// covered says in what a change goes beyond the approved ones; empty when it
// does not.
func covered(change orchestrator.Change, approved []orchestrator.Change) string {
	for _, a := range approved {
		if a.Address != change.Address {
			continue
		}
		if a.Action != change.Action {
			return fmt.Sprintf("%s would be %sd, the plan says %s", change.Address, change.Action, a.Action)
		}
		return coveredAttributes(change, a)
	}
	return fmt.Sprintf("%s would be %sd, the plan does not name it", change.Address, change.Action)
}

func coveredAttributes(change, approved orchestrator.Change) string {
	known := make(map[string]orchestrator.AttributeChange, len(approved.Attributes))
	for _, a := range approved.Attributes {
		known[a.Path] = a
	}
	for _, attribute := range change.Attributes {
		a, there := known[attribute.Path]
		switch {
		case !there && under(known, attribute.Path):
		case !there:
			return fmt.Sprintf("%s of %s would change, the plan does not say so", attribute.Path, change.Address)
		case a.Unknown != "" || a.Sensitive:
			// The approval took any value.
		case attribute.Unknown != "" || attribute.Sensitive:
			return fmt.Sprintf("%s of %s would become a value that cannot be shown, the plan shows one", attribute.Path, change.Address)
		case !sameValue(a.After, attribute.After):
			return fmt.Sprintf("%s of %s would become another value than the plan shows", attribute.Path, change.Address)
		}
	}
	return ""
}

// sameValue compares as JSON does: the plan's values have been through the
// store, those of the engine have not.
func sameValue(a, b any) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	if errLeft != nil || errRight != nil {
		return false
	}
	if bytes.Equal(left, right) {
		return true
	}
	var x, y any
	return json.Unmarshal(left, &x) == nil && json.Unmarshal(right, &y) == nil && reflect.DeepEqual(x, y)
}

// under says that a path lies inside a value that was unknown as a whole when
// the plan was made.
func under(known map[string]orchestrator.AttributeChange, path string) bool {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] != '.' && path[i] != '[' {
			continue
		}
		if a, there := known[path[:i]]; there && a.Unknown != "" {
			return true
		}
	}
	return false
}
