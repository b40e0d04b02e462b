// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// lines tells a deployment as one line per event, for logs and pipes.
type lines struct {
	w io.Writer
}

func (l *lines) event(s *state, e orchestrator.Event, d details) error {
	subject, story := "deployment", l.deployment(e, d)
	if cure := decide(s); story != "" && e.Type == orchestrator.EventStatus && cure != "" {
		story += "; " + cure
	}
	if e.Node != "" {
		subject, story = e.Node, l.node(s.node(e.Node), e, d)
	}
	if story == "" {
		return nil
	}
	_, err := fmt.Fprintf(l.w, "%s  %s: %s\n", e.Time.Local().Format("15:04:05"), text.CleanLine(subject), text.CleanLine(story))
	return err
}

// decide is what to run where somebody has to decide; otherwise it is empty.
func decide(s *state) string {
	d := s.deployment
	if d.Status != orchestrator.StatusPaused && d.Status != orchestrator.StatusAwaitingApproval {
		return ""
	}
	return fmt.Sprintf("run `nestor approve %d --env %s` or `nestor reject %d --env %s`", d.N, d.Environment, d.N, d.Environment)
}

func (l *lines) deployment(e orchestrator.Event, d details) string {
	because := func(s string) string {
		switch {
		case d.Reason == "":
			return s
		case strings.HasPrefix(d.Reason, s+" "): // "canceled by …"
			return d.Reason
		default:
			return s + ": " + d.Reason
		}
	}
	switch e.Type {
	case orchestrator.EventQueued:
		return because("queued")
	case orchestrator.EventStatus, orchestrator.EventFinished:
		return because(render.Words(d.Status))
	case orchestrator.EventApproval:
		return decision(e, d)
	case orchestrator.EventCancel:
		return stated(asked(e, d), d.Reason)
	default:
		return string(e.Type)
	}
}

// asked is somebody's wish that a deployment stops.
func asked(e orchestrator.Event, d details) string {
	if d.Phase == orchestrator.PhaseRollback {
		return e.Principal + " cancels the rollback"
	}
	return e.Principal + " cancels it"
}

// decision is somebody's yes or no, and why it changed nothing, if it did not.
func decision(e orchestrator.Event, d details) string {
	said := "approved by " + e.Principal
	if d.Approved != nil && !*d.Approved {
		said = "rejected by " + e.Principal
	}
	if d.Comment != "" {
		said += ": " + d.Comment
	}
	if d.Void != "" {
		said += " (does not count: " + d.Void + ")"
	}
	return said
}

func (l *lines) node(n *node, e orchestrator.Event, d details) string {
	switch e.Type {
	case orchestrator.EventNodeStart:
		if d.Attempt > 1 {
			return fmt.Sprintf("%s again (attempt %d)", doing(d.Action), d.Attempt)
		}
		return doing(d.Action)
	case orchestrator.EventNodeDone:
		parts := []string{d.Status}
		if done := n.done(); n.action == orchestrator.StepPrune {
			parts = []string{"snapshots that nobody needs any more are gone"} // what was changed, the step before has told
			if n.err != nil {
				parts[0] = "snapshots that nobody needs any more could not be destroyed"
			}
		} else if done != "" {
			parts = append(parts, done)
		} else if n.status == orchestrator.NodeReady && !d.Changed {
			parts = append(parts, unchanged(d.Action))
		}
		if elapsed := n.elapsed(e.Time); elapsed > 0 {
			parts = append(parts, "after "+render.Elapsed(elapsed))
		}
		story := strings.Join(parts, ", ")
		if n.err != nil {
			story += ": " + message(n.err)
		}
		return story
	case orchestrator.EventNodeRetry:
		if n.err != nil {
			return "will be tried again: " + message(n.err)
		}
		return "will be tried again"
	case orchestrator.EventNodePause:
		return "paused: " + cmp.Or(d.Reason, n.paused)
	case orchestrator.EventApproval:
		return decision(e, d)
	case orchestrator.EventNodeMoved:
		return fmt.Sprintf("somebody wrote its state since the last step: serial %d, then %d", d.From, d.To)
	case orchestrator.EventNodeLocked:
		return "waits: " + n.locked
	case orchestrator.EventNodeUnlocked:
		return stated(fmt.Sprintf("%s states that process %d on %s is dead", e.Principal, d.PID, d.Host), d.Reason)
	case orchestrator.EventNodeForgotten:
		what := e.Principal + " states that what is recorded of it holds no more"
		if len(d.Snapshots) > 0 {
			what += "; left behind: " + strings.Join(d.Snapshots, ", ")
		}
		return stated(what, d.Reason)
	case orchestrator.EventSnapshotForgotten:
		return stated(fmt.Sprintf("%s states that nothing of its snapshot %s counts any more", e.Principal, d.Snapshot), d.Reason)
	default:
		return string(e.Type)
	}
}

// stated is somebody's word, and why.
func stated(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// doing is an action as something that goes on.
func doing(a orchestrator.StepAction) string {
	switch a {
	case orchestrator.StepApply:
		return "applying"
	case orchestrator.StepRemove:
		return "removing"
	case orchestrator.StepObserve:
		return "observing"
	case orchestrator.StepRestore:
		return "restoring"
	case orchestrator.StepDestroy:
		return "destroying"
	case orchestrator.StepAdopt:
		return "adopting"
	case orchestrator.StepForget:
		return "letting go"
	case orchestrator.StepPrune:
		return "destroying snapshots that nobody needs any more"
	default:
		return cmp.Or(string(a), "working")
	}
}

// unchanged is what a step that changed nothing has done.
func unchanged(a orchestrator.StepAction) string {
	if a == orchestrator.StepAdopt {
		return "adopted"
	}
	return "unchanged"
}

func message(e *orchestrator.NodeError) string {
	if e.Resource == "" || strings.Contains(e.Message, e.Resource) {
		return e.Message
	}
	return e.Resource + ": " + e.Message
}

func (l *lines) note(s string) error {
	_, err := fmt.Fprintln(l.w, text.CleanLine(s))
	return err
}

func (l *lines) tick(*state) error { return nil }

func (l *lines) close(*state) error { return nil }
