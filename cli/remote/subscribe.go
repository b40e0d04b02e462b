// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/HatiCode/nestor/cli/sse"
)

const (
	// streamPatience is how long a stream may be broken before it is given up.
	streamPatience = 5 * time.Minute
	// idle is how long a connection may be silent before it is taken for dead.
	idle = 90 * time.Second
)

// Subscription is a stream of server-sent events that is followed across broken
// connections and restarts of the server, without a gap or a repetition.
type Subscription struct {
	// Open asks for the events after the one with that sequence.
	Open func(ctx context.Context, after int64) (*Response, error)
	// After is the sequence of the last event that is known.
	After int64
	// Event takes an event; done ends the subscription.
	Event func(sse.Event) (done bool, err error)
	// Lost is told each time a connection breaks or cannot be made, Back when
	// there is one again. Both may be nil.
	Lost func(err error)
	Back func()
}

// errIdle ends a connection that says nothing any more.
var errIdle = errors.New("the connection was silent for too long")

// Subscribe follows until Event says that it is done, until the server says
// that there will be nothing more, or until it has been away for five minutes.
// A refusal (no such deployment, no permission) ends it at once.
func (c *Client) Subscribe(ctx context.Context, s Subscription) error {
	since, attempt := time.Now(), 0
	for {
		progressed, done, err := c.connection(ctx, &s, attempt > 0)
		switch {
		case done:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && final(err):
			return err
		case progressed:
			since, attempt = time.Now(), 0
		case time.Since(since) > streamPatience:
			return fmt.Errorf("the server has been away for %s: %w", streamPatience, err)
		}
		if err != nil && !errors.Is(err, errIdle) && s.Lost != nil {
			s.Lost(err)
		}
		attempt++
		if err := c.Pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// handlerError marks an error of the subscriber's own.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

// final says that another attempt would end the same way.
func final(err error) bool {
	var own *handlerError
	var answer *Error
	var stranger *StrangerError
	switch {
	case errors.As(err, &own), errors.As(err, &stranger), errors.Is(err, sse.ErrTooLarge):
		return true
	case errors.As(err, &answer):
		return answer.Problem.Status < http.StatusInternalServerError && answer.Problem.Status != http.StatusTooManyRequests
	default:
		return false
	}
}

// connection reads one connection to its end. An orderly end is no error: a
// server that shuts down ends its streams too.
func (c *Client) connection(ctx context.Context, s *Subscription, again bool) (progressed, done bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	response, err := s.Open(ctx, s.After)
	if err := Check(response, err); err != nil {
		return false, false, err
	}
	if response.StatusCode == http.StatusNoContent {
		return true, true, response.Body.Close()
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if again && s.Back != nil {
		s.Back()
	}
	watchdog := time.AfterFunc(idle, func() { cancel(errIdle) })
	defer watchdog.Stop()
	reader := sse.NewReader(&watched{source: response.Body, beat: func() { watchdog.Reset(idle) }})
	for {
		event, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return true, false, nil
		}
		if err != nil {
			if errors.Is(context.Cause(ctx), errIdle) {
				err = errIdle
			}
			return progressed, false, err
		}
		progressed = true
		sequence, err := strconv.ParseInt(event.ID, 10, 64)
		if err == nil && sequence <= s.After {
			continue // seen before the connection broke
		}
		done, err := s.Event(event)
		if err != nil {
			return progressed, false, &handlerError{err}
		}
		s.After = max(s.After, sequence)
		if done {
			return progressed, true, nil
		}
	}
}

// watched reports each read that brought something.
type watched struct {
	source io.Reader
	beat   func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.source.Read(p)
	if n > 0 {
		w.beat()
	}
	return n, err
}
