// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/internal/suggest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// StreamDeploymentEvents implements GET /deployments/{…}/events.
func (s *Server) StreamDeploymentEvents(ctx context.Context, r gen.StreamDeploymentEventsRequestObject) (gen.StreamDeploymentEventsResponseObject, error) {
	deployment, err := s.d.Records.GetDeployment(ctx, deploymentID(r.Team, r.Application, r.Environment, r.N))
	if err != nil {
		return nil, err
	}
	stream, after := registry.EventStream(deployment.ID), r.Params.LastEventID
	if deployment.Status.Final() {
		// A browser connects again after a stream has ended, unless it is told
		// that there is no more.
		next, err := s.d.Store.Query(ctx, store.Query{Partition: stream, After: store.EntryKey(stream, after).Sort, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(next.Documents) == 0 {
			return gen.StreamDeploymentEvents204Response{}, nil
		}
	}
	return s.stream(ctx, func(ctx context.Context) iter.Seq2[frame, error] {
		return s.deploymentEvents(ctx, deployment.ID, after)
	}), nil
}

// deploymentEvents follows a deployment's stream up to its final event.
func (s *Server) deploymentEvents(ctx context.Context, id string, after int64) iter.Seq2[frame, error] {
	stream := registry.EventStream(id)
	return s.untilFinal(ctx, id, func(yield func(frame, error) bool) (some bool, err error) {
		page, err := s.d.Store.Query(ctx, store.Query{Partition: stream, After: store.EntryKey(stream, after).Sort})
		if err != nil {
			return false, err
		}
		for _, document := range page.Documents {
			var event orchestrator.Event
			if err := document.Decode(&event); err != nil {
				return false, err
			}
			event.Sequence, _ = store.EntrySequence(document.Key)
			after = event.Sequence
			if !yield(frame{event.Sequence, event}, nil) {
				return false, errStopped
			}
			if event.Type == orchestrator.EventFinished {
				return false, errStopped
			}
		}
		return len(page.Documents) > 0, nil
	})
}

// logs follows a deployment's log.
func (s *Server) logs(ctx context.Context, id, node string, after int64) iter.Seq2[frame, error] {
	return s.untilFinal(ctx, id, func(yield func(frame, error) bool) (some bool, err error) {
		chunks, err := s.d.Records.Logs(ctx, id, node, after)
		if err != nil {
			return false, err
		}
		for _, chunk := range chunks {
			after = chunk.Sequence
			if !yield(frame{chunk.Sequence, chunk}, nil) {
				return false, errStopped
			}
		}
		return len(chunks) > 0, nil
	})
}

// errStopped ends a stream without an error.
var errStopped = errors.New("nothing more is wanted")

// untilFinal calls read, which yields what is new and says whether there was
// some, until there is nothing new after the deployment is over. Whether it is
// over is asked before the last read, so that nothing written in between is
// missed.
func (s *Server) untilFinal(
	ctx context.Context, id string, read func(yield func(frame, error) bool) (some bool, err error),
) iter.Seq2[frame, error] {
	return func(yield func(frame, error) bool) {
		final := false
		for ctx.Err() == nil {
			some, err := read(yield)
			if err == nil && !some && final {
				return
			}
			if err == nil && !some {
				var d orchestrator.Deployment
				d, err = s.d.Records.GetDeployment(ctx, id)
				final = d.Status.Final()
			}
			switch {
			case errors.Is(err, errStopped):
				return
			case err != nil:
				yield(frame{}, err)
				return
			case some || final:
				continue
			}
			select {
			case <-ctx.Done():
			case <-time.After(s.config.Poll):
			}
		}
	}
}

// hasNode refuses a node that a deployment has nothing to do with; its log would
// be empty for ever. Before the graph is fixed, any node may come.
func (s *Server) hasNode(ctx context.Context, d orchestrator.Deployment, node string) error {
	if node == "" || d.GraphDigest == "" && d.PreviousGraphDigest == "" {
		return nil
	}
	var names []string
	for _, digest := range []string{d.GraphDigest, d.PreviousGraphDigest} {
		if digest == "" {
			continue
		}
		graph, err := s.d.Records.GetGraph(ctx, digest)
		if err != nil {
			return err
		}
		if _, found := graph.Node(node); found {
			return nil
		}
		for _, n := range graph.Nodes {
			names = append(names, n.ID)
		}
	}
	const most = 10
	hint := "; it has " + strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		hint += ", …"
	}
	if near, ok := suggest.Nearest(node, names); ok {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return problem.New(problem.TypeNotFound, "deployment %s has no resource %q%s", d.ID, node, hint)
}

// GetDeploymentLogs implements GET /deployments/{…}/logs.
func (s *Server) GetDeploymentLogs(ctx context.Context, r gen.GetDeploymentLogsRequestObject) (gen.GetDeploymentLogsResponseObject, error) {
	deployment, err := s.d.Records.GetDeployment(ctx, deploymentID(r.Team, r.Application, r.Environment, r.N))
	if err != nil {
		return nil, err
	}
	if err := s.hasNode(ctx, deployment, r.Params.Node); err != nil {
		return nil, err
	}
	after := max(r.Params.After, r.Params.LastEventID)
	if r.Params.Follow && !deployment.Status.Final() {
		return s.stream(ctx, func(ctx context.Context) iter.Seq2[frame, error] {
			return s.logs(ctx, deployment.ID, r.Params.Node, after)
		}), nil
	}
	chunks, err := s.d.Records.Logs(ctx, deployment.ID, r.Params.Node, after)
	if err != nil {
		return nil, err
	}
	if !r.Params.Follow {
		answer := gen.GetDeploymentLogs200JSONResponse{Items: make([]gen.LogChunk, 0, len(chunks))}
		for _, chunk := range chunks {
			answer.Items = append(answer.Items, gen.LogChunk{
				Sequence: chunk.Sequence, Node: chunk.Node, Attempt: chunk.Attempt, Time: chunk.Time, Text: chunk.Text,
			})
		}
		return answer, nil
	}
	if len(chunks) == 0 {
		return gen.GetDeploymentLogs204Response{}, nil
	}
	return s.stream(ctx, func(ctx context.Context) iter.Seq2[frame, error] {
		return s.logs(ctx, deployment.ID, r.Params.Node, after)
	}), nil
}
