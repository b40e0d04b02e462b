// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"
	"fmt"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// sameState compares the state that an engine has read with the one that the
// node's last whole step left. One that was written since is told in the
// deployment's stream, unless that was an earlier attempt of Nestor's own.
func (s *Steps) sameState(ctx context.Context, j *job, found engine.State) error {
	if j.attempt.Head == nil {
		return nil
	}
	head := *j.attempt.Head
	moved, err := s.compareState(head, found)
	if err != nil || !moved || j.attempt.Interrupted || head.Intended != "" || head.Removing {
		return err
	}
	j.log.sayf("somebody wrote the state of %s since its last step: it was at serial %d, and is at %d", j.in.Node, head.Serial, found.Serial)
	return s.Registry.Moved(ctx, j.attempt, head.Serial, found.Serial, found.Lineage)
}

// compareState refuses a state that cannot be the one that the head tells of:
// another one, an older one, or none. Unknown is never absent. moved says that
// it is the same one, written since.
func (s *Steps) compareState(head orchestrator.NodeHead, found engine.State) (moved bool, err error) {
	switch {
	case head.InputsRef == "" || head.Lineage == "":
		return false, nil // nothing is known of a state, or of a whole one
	case found.Lineage == "" && head.Removing:
		return false, nil // it was to go
	case found.Live && (head.Intended != "" || found.Lineage == ""):
		// What was cut off may have replaced the resource, and where there is none,
		// somebody has deleted it.
		return false, nil
	case found.ByClock && head.Intended != "" && found.Lineage == head.Lineage:
		return false, nil // what was cut off was perhaps another host's
	}
	var problem string
	switch {
	case found.Lineage == "":
		problem = "and nothing is there now"
	case found.Lineage != head.Lineage:
		problem = "and what is there now is another one, " + found.Lineage
	case found.Serial < head.Serial:
		problem = fmt.Sprintf("and what is there now is an older copy of it, at serial %d", found.Serial)
	default:
		return found.Serial > head.Serial, nil
	}
	return false, &engine.Error{
		Class: engine.Unreadable, Engine: s.Engine.Name(),
		Message: fmt.Sprintf("the state of %s was %s at serial %d after the last step, %s; nothing is made or removed on that ground. "+
			"Put the last state back from a backup and try again. If its resources are really gone, or what is there now is the truth, "+
			"say so with `nestor forget %s --env %s` and apply again",
			stateOf(head), head.Lineage, head.Serial, problem, head.Node, head.Environment),
	}
}

// stateOf names where a node's state lives.
func stateOf(head orchestrator.NodeHead) string {
	return fmt.Sprintf("%s (%s)", cmp.Or(head.StateRef, head.Address), place(head.Backend))
}

// place names a backend by what leads a person to it.
func place(b orchestrator.Backend) string {
	name := "backend " + cmp.Or(b.Type, "local")
	for _, key := range []string{"bucket", "container", "path"} {
		if where, is := b.Config[key].(string); is {
			return name + ", " + key + " " + where
		}
	}
	return name
}

// intendRemoval compares the state with the recorded one before an engine may
// destroy, and records that it may: what is gone then is no lost state.
func (s *Steps) intendRemoval(ctx context.Context, j *job, req engine.Request) error {
	head := j.attempt.Head
	if head == nil || head.InputsRef == "" || head.Lineage == "" {
		return nil
	}
	seen, err := s.Engine.Observe(ctx, req)
	if err != nil {
		return err
	}
	if err := s.sameState(ctx, j, seen.State); err != nil || head.Removing {
		return err
	}
	return s.Registry.IntendRemoval(ctx, &j.attempt)
}
