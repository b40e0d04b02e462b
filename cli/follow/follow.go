// SPDX-License-Identifier: Apache-2.0

// Package follow shows a deployment while it runs: a live tree on a terminal,
// one line per event elsewhere. It survives restarts of the API, and Ctrl-C
// detaches from the deployment without stopping it.
//
// It changes nothing; see cli/change for what starts deployments.
package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/sse"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// redraw is the pace of the spinner and of the running times.
const redraw = 120 * time.Millisecond

// Follower shows deployments.
type Follower struct {
	API     *remote.Client
	Streams *iostreams.IO
	Now     func() time.Time
	// Aside writes to ErrOut, in lines, because Out is for a program.
	Aside bool
}

// view is a way to show a state.
type view interface {
	event(s *state, e orchestrator.Event, d details) error
	note(message string) error
	tick(s *state) error
	close(s *state) error
}

func (f *Follower) view() view {
	switch {
	case f.Aside:
		return &lines{w: f.Streams.ErrOut}
	case f.Streams.OutTerminal:
		return &tree{w: f.Streams.Out, streams: f.Streams, style: f.Streams.OutStyle(), now: f.Now}
	default:
		return &lines{w: f.Streams.Out}
	}
}

// Outcome is how a deployment ended.
type Outcome struct {
	Deployment orchestrator.Deployment
	Failures   []Failure
	// Told says that whoever reads ErrOut has read the failures in full.
	Told bool
}

// Follow shows the deployment until it is over and returns how it ended. When
// the context ends first, it returns a *DetachedError.
func (f *Follower) Follow(ctx context.Context, id target.ID) (Outcome, error) {
	outcome, err := f.follow(ctx, id)
	if err != nil && ctx.Err() != nil {
		err = &DetachedError{ID: id, Cause: context.Cause(ctx)}
	}
	return outcome, err
}

func (f *Follower) follow(ctx context.Context, id target.ID) (Outcome, error) {
	deployment, err := remote.Decode[orchestrator.Deployment](f.API.GetDeployment(ctx, id.Team, id.Application, id.Environment, id.N))
	if err != nil {
		return Outcome{}, err
	}
	graph, err := remote.Decode[composer.Graph](f.API.GetDeploymentGraph(ctx, id.Team, id.Application, id.Environment, id.N))
	if err != nil && !remote.NotFound(err) { // it has none before its plan is frozen
		return Outcome{}, err
	}
	s := newState(deployment, graph)
	if err := f.watch(ctx, id, s); err != nil {
		return Outcome{}, err
	}
	// The record has what the events do not: the error and the residue.
	deployment, err = remote.Decode[orchestrator.Deployment](f.API.GetDeployment(ctx, id.Team, id.Application, id.Environment, id.N))
	return Outcome{Deployment: deployment, Failures: s.failures, Told: f.told()}, err
}

// told says that lines tell the failures where ErrOut is read, too: a person
// whose terminal shows ErrOut alone has not seen them.
func (f *Follower) told() bool {
	return f.Aside || !f.Streams.OutTerminal && !f.Streams.ErrTerminal
}

// happening is what the subscription tells the loop that draws.
type happening struct {
	event *orchestrator.Event
	note  *string
}

// watch draws until the subscription ends. One goroutine reads, this one draws.
func (f *Follower) watch(ctx context.Context, id target.ID, s *state) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	happenings := make(chan happening)
	ended := make(chan error, 1)
	go func() {
		ended <- f.subscribe(ctx, id, happenings)
		close(happenings)
	}()
	v := f.view()
	defer func() {
		if again := v.close(s); err == nil {
			err = again
		}
	}()
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	if err := v.tick(s); err != nil {
		return err
	}
	for {
		select {
		case h, open := <-happenings:
			if !open {
				return <-ended
			}
			if err := show(v, s, h); err != nil {
				return err
			}
		case <-ticker.C:
			if err := v.tick(s); err != nil {
				return err
			}
		}
	}
}

func show(v view, s *state, h happening) error {
	if h.note != nil {
		return v.note(*h.note)
	}
	d, err := s.apply(*h.event)
	if err != nil {
		return fmt.Errorf("read event %d: %w", h.event.Sequence, err)
	}
	return v.event(s, *h.event, d)
}

func (f *Follower) subscribe(ctx context.Context, id target.ID, out chan<- happening) error {
	send := func(h happening) error {
		select {
		case out <- h:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	note := func(message string) {
		if err := send(happening{note: &message}); err != nil {
			return // the context is over, which Subscribe sees itself
		}
	}
	lost := false
	return f.API.Subscribe(ctx, remote.Subscription{
		Open: func(ctx context.Context, after int64) (*remote.Response, error) {
			params := &client.StreamDeploymentEventsParams{}
			if after > 0 {
				params.LastEventID = &after
			}
			return f.API.StreamDeploymentEvents(ctx, id.Team, id.Application, id.Environment, id.N, params, remote.Stream)
		},
		Event: func(e sse.Event) (bool, error) {
			var event orchestrator.Event
			if err := json.Unmarshal([]byte(e.Data), &event); err != nil {
				return false, fmt.Errorf("read event %s: %w", e.ID, err)
			}
			return event.Type == orchestrator.EventFinished, send(happening{event: &event})
		},
		Lost: func(err error) {
			if !lost {
				note("The connection to the API is lost; the deployment goes on. Trying again: " + err.Error())
			}
			lost = true
		},
		Back: func() {
			if lost {
				note("The connection to the API is back.")
			}
			lost = false
		},
	})
}

// DetachedError says that nobody watches a deployment any more, which goes on.
type DetachedError struct {
	ID    target.ID
	Cause error
}

func (e *DetachedError) Error() string {
	return fmt.Sprintf("no longer watching deployment %d in %s: %v", e.ID.N, e.ID.Environment, e.Cause)
}

// Unwrap returns the cause.
func (e *DetachedError) Unwrap() error { return e.Cause }

// Back says how to come back to a deployment, in lines.
func Back(id target.ID) string {
	env := " --env " + id.Environment
	var b strings.Builder
	for _, line := range [][2]string{
		{"nestor status" + env, "shows how it stands"},
		{fmt.Sprintf("nestor logs -f %d%s", id.N, env), "follows its logs"},
		{fmt.Sprintf("nestor cancel %d%s", id.N, env), "stops it"},
	} {
		b.WriteString("  " + text.Pad(line[0], 42) + " " + line[1] + "\n")
	}
	return b.String()
}
