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
	contact, attempt := time.Now(), 0
	for {
		got, err := c.connection(ctx, &s, attempt > 0)
		switch {
		case got.done:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && final(err):
			return err
		}
		if got.connected {
			contact = time.Now()
		}
		if got.progressed {
			attempt = 0
		}
		if time.Since(contact) > streamPatience {
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

// gain is what came of one connection.
type gain struct {
	connected  bool // there was one
	progressed bool // it brought an event
	done       bool // there will be nothing more
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
func (c *Client) connection(ctx context.Context, s *Subscription, again bool) (got gain, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	response, err := s.Open(ctx, s.After)
	if err := Check(response, err); err != nil {
		return got, err
	}
	got.connected = true
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode == http.StatusNoContent {
		got.done = true
		return got, nil
	}
	if again && s.Back != nil {
		s.Back()
	}
	watchdog := time.AfterFunc(idle, func() { cancel(errIdle) })
	defer watchdog.Stop()
	reader := sse.NewReader(&watched{source: response.Body, beat: func() { watchdog.Reset(idle) }})
	for {
		event, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			if errors.Is(context.Cause(ctx), errIdle) {
				err = errIdle
			}
			return got, err
		}
		got.progressed = true
		if err := s.take(event, &got); err != nil || got.done {
			return got, err
		}
	}
}

// take hands an event on unless it was seen before the connection broke.
func (s *Subscription) take(event sse.Event, got *gain) error {
	sequence, err := strconv.ParseInt(event.ID, 10, 64)
	numbered := err == nil
	if numbered && sequence <= s.After {
		return nil
	}
	done, err := s.Event(event)
	if err != nil {
		return &handlerError{err}
	}
	if numbered {
		s.After = sequence
	}
	got.done = done
	return nil
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
