// SPDX-License-Identifier: Apache-2.0

// Package api is Nestor's REST API: it authenticates, validates requests
// against openapi.yaml, reads records from the store and hands work to
// Temporal.
//
// It is the source of what the API looks like (openapi.yaml) but decides
// nothing about deployments: what can be refused before Temporal is asked is
// decided by the Compiler, everything else by workflows.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/store"
)

// Config of a server. Zero values mean the defaults.
type Config struct {
	// Version of the program, told by /healthz.
	Version string
	// Tokens file; empty means that everybody who reaches the server may do
	// everything, and then Listen accepts loopback addresses alone.
	Tokens string
	// Poll is how often a stream asks the store for news (250 ms).
	Poll time.Duration
	// Heartbeat is how often a silent stream says that it is alive (15 s).
	Heartbeat time.Duration
	// PlanGrace is how long a plan is left alone before somebody who asks for it
	// has its workflow looked at (30 s).
	PlanGrace time.Duration
	// Grace is how long running requests may take to end at shutdown (10 s).
	Grace time.Duration
	// Codec is the codec server for Temporal's Web UI.
	Codec Codec
}

// Dependencies of a server; all are needed.
type Dependencies struct {
	Log          *slog.Logger
	Store        store.Store
	Catalog      Catalog
	Compositions Compositions
	Records      Records
	Compiler     Compiler
	Temporal     Temporal
}

// Server serves the API. Make it with New.
type Server struct {
	config      Config
	d           Dependencies
	log         *slog.Logger
	echo        *echo.Echo
	metrics     *metrics
	tokens      *auth.File // nil: no tokens
	crossOrigin *http.CrossOriginProtection
	stopping    chan struct{} // closed when streams have to end
	stop        sync.Once
}

// New makes a server. It fails when openapi.yaml and the code do not fit
// together, or the tokens file cannot be read.
func New(ctx context.Context, config Config, d Dependencies) (*Server, error) {
	config.Poll = orDefault(config.Poll, 250*time.Millisecond)
	config.Heartbeat = orDefault(config.Heartbeat, 15*time.Second)
	config.PlanGrace = orDefault(config.PlanGrace, 30*time.Second)
	config.Grace = orDefault(config.Grace, 10*time.Second)
	s := &Server{
		config: config, d: d, log: d.Log, echo: echo.New(), metrics: newMetrics(),
		crossOrigin: http.NewCrossOriginProtection(), stopping: make(chan struct{}),
	}
	if config.Tokens != "" {
		tokens, err := auth.Open(config.Tokens, d.Log)
		if err != nil {
			return nil, err
		}
		s.tokens = tokens
	}
	spec, err := LoadSpec(ctx)
	if err != nil {
		return nil, err
	}
	access := newAccess()
	if err := access.covers(spec); err != nil {
		return nil, err
	}
	page, err := newDocs(spec)
	if err != nil {
		return nil, err
	}
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.HTTPErrorHandler = handleError
	s.echo.Use(requestID, s.accessLog, secureHeaders, recoverPanic, compress(), s.open(s.authenticate),
		limitBody, timeout, newValidator(spec).middleware)
	s.pages(page)
	s.serveCodec()
	gen.RegisterHandlers(s.echo, gen.NewStrictHandler(s, []gen.StrictMiddlewareFunc{access.middleware}))
	return s, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// open leaves out a middleware for paths outside /api, which need no token.
func (s *Server) open(m echo.MiddlewareFunc) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		guarded := m(next)
		return func(c echo.Context) error {
			if !strings.HasPrefix(c.Request().URL.Path, "/api/") {
				return next(c)
			}
			return guarded(c)
		}
	}
}

// compress answers with gzip where the caller takes it, streams excepted: an
// event must not wait in a buffer.
func compress() echo.MiddlewareFunc {
	return echomiddleware.GzipWithConfig(echomiddleware.GzipConfig{
		MinLength: 1024,
		Skipper:   func(c echo.Context) bool { return isStream(c) || c.Path() == "/metrics" },
	})
}

// Handler is the server as a handler, for tests and for embedding.
func (s *Server) Handler() http.Handler { return s.echo }

// Serve answers on the listener until ctx ends. Then streams end after what
// they have sent, running requests get the grace period, and Serve returns nil.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.echo,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.StopStreams()
	graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Grace)
	defer cancel()
	if err := server.Shutdown(graceful); err != nil {
		return errors.Join(fmt.Errorf("requests did not end within %s: %w", s.config.Grace, err), server.Close())
	}
	return nil
}

// StopStreams ends all streams cleanly; callers reconnect elsewhere.
func (s *Server) StopStreams() { s.stop.Do(func() { close(s.stopping) }) }
