// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/HatiCode/nestor/api/problem"
)

// Limits of following a stream.
const (
	// patience is how long a stream may give nothing but failures.
	patience = time.Minute
	// firstPause before a reconnect; it doubles up to lastPause.
	firstPause = 100 * time.Millisecond
	lastPause  = 3 * time.Second
	// maxProblem bounds the body of an answer that is no stream.
	maxProblem = 1 << 20
)

// DeploymentID is a deployment's id, taken apart.
type DeploymentID struct {
	Team, Application, Environment string
	N                              int64
}

// ParseDeploymentID reads "<team>/<application>/<environment>/<n>".
func ParseDeploymentID(id string) (DeploymentID, error) {
	parts := strings.Split(id, "/")
	if len(parts) == 4 && parts[0] != "" && parts[1] != "" && parts[2] != "" {
		if n, err := strconv.ParseInt(parts[3], 10, 64); err == nil && n > 0 {
			return DeploymentID{Team: parts[0], Application: parts[1], Environment: parts[2], N: n}, nil
		}
	}
	return DeploymentID{}, fmt.Errorf("%q is no deployment; write <team>/<application>/<environment>/<number>", id)
}

// FollowDeployment yields the events of a deployment whose sequence is greater
// than after, in order and each once, and ends after the final one. A lost
// connection is taken up again where it broke; an answer that refuses, or a
// minute without any success, is yielded as the last element's error. It ends
// without an error when ctx does.
func (c *ClientWithResponses) FollowDeployment(ctx context.Context, id DeploymentID, after int64) iter.Seq2[Event, error] {
	open := func(ctx context.Context, last int64) (*http.Response, error) {
		return c.StreamDeploymentEvents(ctx, id.Team, id.Application, id.Environment, id.N,
			&StreamDeploymentEventsParams{LastEventID: &last})
	}
	return follow(ctx, open, after, func(e Event) bool { return e.Type == "deployment.finished" })
}

// FollowLogs yields the log chunks of a deployment's node (or of all, for an
// empty name) as FollowDeployment yields events, and ends when the deployment
// is over.
func (c *ClientWithResponses) FollowLogs(ctx context.Context, id DeploymentID, node string, after int64) iter.Seq2[LogChunk, error] {
	yes := true
	open := func(ctx context.Context, last int64) (*http.Response, error) {
		params := &GetDeploymentLogsParams{Follow: &yes, LastEventID: &last}
		if node != "" {
			params.Node = &node
		}
		return c.GetDeploymentLogs(ctx, id.Team, id.Application, id.Environment, id.N, params)
	}
	return follow(ctx, open, after, func(LogChunk) bool { return false })
}

// FollowCatalog yields the changes of the catalog after a sequence, and goes
// on until ctx ends.
func (c *ClientWithResponses) FollowCatalog(ctx context.Context, after int64) iter.Seq2[CatalogEvent, error] {
	open := func(ctx context.Context, last int64) (*http.Response, error) {
		return c.StreamCatalogEvents(ctx, &StreamCatalogEventsParams{LastEventID: &last})
	}
	return follow(ctx, open, after, func(CatalogEvent) bool { return false })
}

// follow opens a stream again and again, each time after the last event seen,
// until one is final, the server says that nothing follows (204), it refuses,
// or ctx ends.
func follow[T any](
	ctx context.Context, open func(context.Context, int64) (*http.Response, error), after int64, final func(T) bool,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		pause, progress := firstPause, time.Now()
		for ctx.Err() == nil {
			before := after
			stopped, err := followOnce(ctx, open, &after, final, yield)
			if stopped || ctx.Err() != nil {
				return
			}
			if after > before || err == nil {
				pause, progress = firstPause, time.Now()
			}
			if fatal(err) || err != nil && time.Since(progress) > patience {
				yield(zero, err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, lastPause)
		}
	}
}

// followOnce reads one connection. stopped says that nothing is left to do:
// the last event came, or the caller had enough.
func followOnce[T any](
	ctx context.Context, open func(context.Context, int64) (*http.Response, error), after *int64,
	final func(T) bool, yield func(T, error) bool,
) (stopped bool, err error) {
	answer, err := open(ctx, *after)
	if err != nil {
		return false, fmt.Errorf("connect to the stream: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNoContent:
		return true, nil
	default:
		return false, problemOf(answer)
	}
	var broken error
	err = readMessages(answer.Body, func(m message) bool {
		var value T
		if broken = json.Unmarshal([]byte(m.data), &value); broken != nil {
			broken = &malformedError{broken}
			return false
		}
		*after = max(*after, m.id)
		stopped = final(value)
		if !yield(value, nil) {
			stopped = true
		}
		return !stopped
	})
	return stopped, errors.Join(broken, err)
}

// malformedError is an event that is no JSON of its type; asking again would
// give it again.
type malformedError struct{ err error }

func (e *malformedError) Error() string {
	return "the stream holds a malformed event: " + e.err.Error()
}
func (e *malformedError) Unwrap() error { return e.err }

// fatal says that connecting again cannot help.
func fatal(err error) bool {
	var malformed *malformedError
	if errors.As(err, &malformed) {
		return true
	}
	var p *problem.Problem
	return errors.As(err, &p) && p.Status < http.StatusInternalServerError && p.Status != http.StatusTooManyRequests
}

func problemOf(answer *http.Response) error {
	var p problem.Problem
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProblem))
	if err != nil {
		return fmt.Errorf("read the answer %q: %w", answer.Status, err)
	}
	if json.Unmarshal(body, &p) != nil {
		return asError(answer.StatusCode, answer.Status, nil)
	}
	return asError(answer.StatusCode, answer.Status, &p)
}
