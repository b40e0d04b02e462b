// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// bound says that a deployment may do no more than was approved. One with
// AutoApprove takes what it finds, unless others than its principal have a say.
func (j *job) bound() bool {
	d := j.deployment
	return d.PlanID != "" && (!d.AutoApprove || d.ApprovalsRequired > 0)
}

// approved compares what a step is about to do with what was approved: it must
// be a part of it, and what is made anew is made from the same snapshot, if any.
func (s *Steps) approved(
	ctx context.Context, j *job, changes []orchestrator.Change, from *orchestrator.Snapshot, digest string,
) error {
	if !j.bound() || len(changes) == 0 || j.in.Approved == digest {
		return nil
	}
	plan, err := s.nodePlan(ctx, j)
	if err != nil {
		return err
	}
	why := ""
	if anew(changes) {
		why = restores(plan, from)
	}
	for i := 0; i < len(changes) && why == ""; i++ {
		why = covered(changes[i], plan.Changes)
	}
	if why == "" {
		return nil
	}
	return &notApprovedError{digest: digest, message: fmt.Sprintf(
		"the change is not what plan %s shows: %s; approve it as it is now, or reject it", plan.id, why)}
}

// shown is what a deployment's plan shows of one node: nothing, where it does
// not name it.
type shown struct {
	orchestrator.NodePlan
	id string // the plan's
}

func (s *Steps) nodePlan(ctx context.Context, j *job) (shown, error) {
	plan, err := s.Registry.NodePlan(ctx, j.deployment.PlanID, j.in.Node)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return shown{NodePlan: plan, id: j.deployment.PlanID}, err
}

// removalApproved refuses to take a node out beyond what the plan shows: that
// it goes, that its resources stay or go with it, and which ones. The digest is
// that of what it would do.
func (s *Steps) removalApproved(ctx context.Context, j *job) (digest string, err error) {
	if !j.bound() {
		return "", nil
	}
	removal := removal{Retain: j.node.DeletionPolicy == catalog.RetainPolicy}
	if !removal.Retain {
		if removal.Changes, err = s.destruction(ctx, j); err != nil {
			return "", err
		}
	}
	if digest, err = canonical.Digest(removal); err != nil || j.in.Approved == digest {
		return digest, err
	}
	plan, err := s.nodePlan(ctx, j)
	if err != nil {
		return digest, err
	}
	if why := removal.beyond(plan, j.in.Node); why != "" {
		return digest, &notApprovedError{
			digest: digest, message: fmt.Sprintf("plan %s %s; approve its removal as it is now, or reject it", plan.id, why),
		}
	}
	return digest, nil
}

// removal is what taking a node out does.
type removal struct {
	Retain  bool                  `json:"retain"`
	Changes []orchestrator.Change `json:"changes"`
}

// beyond says in what a removal is not what a plan shows; empty when it is.
func (r removal) beyond(plan shown, node string) string {
	switch {
	case !plan.Remove:
		return fmt.Sprintf("does not show that %s goes away", node)
	case plan.Retain && !r.Retain:
		return fmt.Sprintf("shows that the resources of %s stay, and now they would be deleted", node)
	case r.Retain && !plan.Retain:
		return fmt.Sprintf("shows that the resources of %s are deleted, and now they would stay", node)
	}
	for _, change := range r.Changes {
		if why := covered(change, plan.Changes); why != "" {
			return fmt.Sprintf("does not show all that goes with %s: %s", node, why)
		}
	}
	return ""
}

// destruction previews what destroying a node deletes.
func (s *Steps) destruction(ctx context.Context, j *job) (changes []orchestrator.Change, err error) {
	ctx, cancel := withTimeout(ctx, j.node.Timeouts.Destroy)
	defer cancel()
	defer func() { err = overTime(ctx, s.Engine.Name(), err) }()
	req, err := s.last(ctx, j)
	if err != nil {
		return nil, err
	}
	if j.forgotten() {
		return nil, s.nothingThere(ctx, req, *j.attempt.Head)
	}
	req.Destroy = true
	preview, err := s.Engine.Preview(ctx, req)
	return j.mask.changes(preview.Changes), err
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
		if change.Action == orchestrator.ActionDelete {
			return "" // whatever it is like by now, it goes
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
