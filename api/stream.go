// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// writeTimeout is how long a reader may not take what it asked for.
const writeTimeout = 30 * time.Second

// frame is one event of a stream.
type frame struct {
	sequence int64
	data     any
}

// streamAnswer writes a stream as the answer of the operations that have one.
type streamAnswer func(w http.ResponseWriter) error

func (a streamAnswer) VisitStreamDeploymentEventsResponse(w http.ResponseWriter) error { return a(w) }

func (a streamAnswer) VisitGetDeploymentLogsResponse(w http.ResponseWriter) error { return a(w) }

func (a streamAnswer) VisitStreamCatalogEventsResponse(w http.ResponseWriter) error { return a(w) }

// stream answers with server-sent events: what source yields, and a comment
// whenever it was silent for a while. It ends with the source, with the caller,
// and at shutdown. An error after the first byte can only end the stream; the
// caller reconnects after the last event it got.
func (s *Server) stream(ctx context.Context, source func(context.Context) iter.Seq2[frame, error]) streamAnswer {
	return func(w http.ResponseWriter) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s.metrics.streams.Inc()
		defer s.metrics.streams.Dec()
		out := &eventWriter{w: w, control: http.NewResponseController(w)}
		if err := out.begin(); err != nil {
			return fmt.Errorf("begin stream: %w", err)
		}
		type item struct {
			frame frame
			err   error
		}
		items := make(chan item)
		go func() {
			defer close(items)
			for f, err := range source(ctx) {
				select {
				case items <- item{f, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		heartbeat := time.NewTicker(s.config.Heartbeat)
		defer heartbeat.Stop()
		for {
			var err error
			select {
			case <-ctx.Done():
				return nil
			case <-s.stopping:
				return out.comment("the server stops; reconnect")
			case <-heartbeat.C:
				err = out.comment("alive")
			case next, more := <-items:
				if !more {
					return nil
				}
				if next.err != nil {
					return fmt.Errorf("stream: %w", next.err)
				}
				heartbeat.Reset(s.config.Heartbeat)
				err = out.event(next.frame)
			}
			if err != nil {
				return fmt.Errorf("write stream: %w", err)
			}
		}
	}
}

// eventWriter writes the text/event-stream format, each event at once.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (e *eventWriter) begin() error {
	// The server's read timeout is for requests; a stream outlasts it.
	if err := e.control.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("clear the read deadline: %w", err)
	}
	h := e.w.Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no")
	e.w.WriteHeader(http.StatusOK)
	return e.write("retry: 1000\n\n")
}

func (e *eventWriter) comment(text string) error { return e.write(": " + text + "\n\n") }

func (e *eventWriter) event(f frame) error {
	data, err := json.Marshal(f.data)
	if err != nil {
		return fmt.Errorf("encode event %d: %w", f.sequence, err)
	}
	// JSON holds no raw line break, so one data line is enough.
	return e.write(fmt.Sprintf("id: %d\ndata: %s\n\n", f.sequence, data))
}

func (e *eventWriter) write(text string) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("set the write deadline: %w", err)
	}
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.control.Flush()
}
