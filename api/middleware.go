// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oklog/ulid/v2"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
)

// Limits of a request.
const (
	maxBody        = 1 << 20
	maxPublishBody = 8 << 20
	// maxAdoptBody is a state and what stands beside it.
	maxAdoptBody   = orchestrator.MaxAdoptedState + 4<<20
	handlerTimeout = 30 * time.Second
)

// headerRequestID names a request in the logs of every part it passes.
const headerRequestID = "X-Request-Id"

// instancePrefix begins a problem's instance; the request id follows.
const instancePrefix = "urn:nestor:request:"

// requestID takes the caller's request id where it has a sane form, and makes
// one otherwise.
func requestID(next echo.HandlerFunc) echo.HandlerFunc {
	sane := regexp.MustCompile(`^[A-Za-z0-9._-]{8,128}$`)
	return func(c echo.Context) error {
		id := c.Request().Header.Get(headerRequestID)
		if !sane.MatchString(id) {
			id = ulid.Make().String()
		}
		c.Response().Header().Set(headerRequestID, id)
		return next(c)
	}
}

// secureHeaders are for browsers: nothing here is to be sniffed, framed or
// kept.
func secureHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}

// accessLog writes one line per request: never a header, a query or a body.
// An internal error is logged here and nowhere else.
func (s *Server) accessLog(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begin := time.Now()
		err := next(c)
		if err != nil {
			c.Error(err)
		}
		duration := time.Since(begin)
		status := c.Response().Status
		s.metrics.observe(c.Request().Method, c.Path(), status, duration)
		level := slog.LevelInfo
		attributes := []slog.Attr{
			slog.String("request", c.Response().Header().Get(headerRequestID)),
			slog.String("method", c.Request().Method),
			slog.String("path", c.Request().URL.Path),
			slog.Int("status", status),
			slog.Duration("duration", duration),
			slog.Int64("bytes", c.Response().Size),
		}
		if principal := string(auth.From(c.Request().Context()).Name); principal != "" {
			attributes = append(attributes, slog.String("principal", principal))
		}
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
			attributes = append(attributes, slog.Any("error", err))
		}
		s.log.LogAttrs(c.Request().Context(), level, "request", attributes...)
		return nil
	}
}

// recoverPanic turns a panic into an internal error, so that one request
// cannot end the process.
func recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if cause, ok := r.(error); ok && errors.Is(cause, http.ErrAbortHandler) {
				panic(r)
			}
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}()
		return next(c)
	}
}

// authenticate finds out who calls. Paths without a security requirement in
// openapi.yaml do not come through here.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		principal, err := s.principal(c.Request())
		if err != nil {
			return err
		}
		c.SetRequest(c.Request().WithContext(auth.With(c.Request().Context(), principal)))
		return next(c)
	}
}

func (s *Server) principal(r *http.Request) (auth.Principal, error) {
	if s.tokens == nil {
		// A page of another site could otherwise reach the loopback interface
		// through the user's browser.
		if !isLoopbackHost(r.Host) {
			return auth.Principal{}, problem.New(problem.TypeForbidden,
				"a server without tokens answers requests to localhost alone, not to %q", r.Host)
		}
		if err := s.crossOrigin.Check(r); err != nil {
			return auth.Principal{}, problem.New(problem.TypeForbidden, "a server without tokens takes no request from another site")
		}
		return auth.Local(), nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		return auth.Principal{}, problem.New(problem.TypeUnauthorized, "send the header \"Authorization: Bearer <token>\"")
	}
	principal, ok := s.tokens.Authenticate(r.Context(), strings.TrimSpace(token))
	if !ok {
		return auth.Principal{}, problem.New(problem.TypeUnauthorized, "the token is not known; ask the platform team for one")
	}
	return principal, nil
}

// limitBody bounds the body, and refuses at once where its length is told.
func limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		limit := int64(maxBody)
		if c.Request().Method == http.MethodPost {
			switch c.Path() {
			case "/api/v1/resources", "/api/v1/resources/validate":
				limit = maxPublishBody
			case "/api/v1/adoptions":
				limit = maxAdoptBody
			case CodecPath + "/encode", CodecPath + "/decode":
				limit = maxCodecBody
			}
		}
		if c.Request().ContentLength > limit {
			// What is not read would have to be read before the next request.
			c.Response().Header().Set("Connection", "close")
			return &http.MaxBytesError{Limit: limit}
		}
		c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, limit)
		return next(c)
	}
}

// isStream says whether the answer is a stream, which has no end to wait for.
func isStream(c echo.Context) bool {
	return strings.HasSuffix(c.Path(), "/events") || c.QueryParam("follow") == strconv.FormatBool(true)
}

// timeout bounds what a handler may take, streams excepted.
func timeout(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if isStream(c) {
			return next(c)
		}
		// A reader that takes nothing must not hold the answer for ever.
		err := http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(handlerTimeout + writeTimeout))
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("set the write deadline: %w", err)
		}
		ctx, cancel := context.WithTimeout(c.Request().Context(), handlerTimeout)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// handleError writes the problem document of an error. It is Echo's
// HTTPErrorHandler.
func handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	var framework *echo.HTTPError
	var p *problem.Problem
	if errors.As(err, &framework) && !isTooLarge(err) {
		p = problem.FromStatus(framework.Code, fmt.Sprint(framework.Message))
		if framework.Code == http.StatusNotFound {
			p.Detail = "there is nothing at this path; the API is described at /docs"
		}
	} else {
		p = problem.From(err)
	}
	p.Instance = instancePrefix + c.Response().Header().Get(headerRequestID)
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, problem.ContentType)
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set(echo.HeaderWWWAuthenticate, `Bearer realm="nestor"`)
	case http.StatusForbidden:
		h.Set(echo.HeaderWWWAuthenticate, `Bearer realm="nestor", error="insufficient_scope"`)
	case http.StatusServiceUnavailable:
		h.Set(echo.HeaderRetryAfter, "2")
	}
	c.Response().WriteHeader(p.Status)
	if c.Request().Method == http.MethodHead {
		return
	}
	// The status is sent; a caller that went away has nothing to be told.
	_ = c.Echo().JSONSerializer.Serialize(c, p, "")
}

func isTooLarge(err error) bool {
	var tooLarge *http.MaxBytesError
	return errors.As(err, &tooLarge)
}
