// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"go.temporal.io/sdk/converter"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/problem"
)

// CodecPath is where the codec server for Temporal's Web UI and CLI answers,
// with /encode and /decode below it, as both expect.
const CodecPath = "/temporal/codec"

// maxCodecBody bounds a request to the codec server: a page of a history.
const maxCodecBody = 16 << 20

// Codec configures the codec server. It has no page in openapi.yaml: its form is
// Temporal's.
type Codec struct {
	// Payloads are encoded and decoded by it; nil means no codec server.
	Payloads converter.PayloadCodec
	// Origins of the Web UI whose pages may ask, such as
	// "http://127.0.0.1:8233".
	Origins []string
	// TrustOrigin lets pages of Origins ask without a token, on the loopback
	// interface alone. It is for `nestor dev`, whose Temporal is open there, too.
	TrustOrigin bool
}

// ParseOrigins reads origins that are separated by commas.
func ParseOrigins(list string) ([]string, error) {
	var origins []string
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		u, err := url.Parse(item)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != item {
			return nil, fmt.Errorf("%q is no origin; write one such as https://temporal.example.com", item)
		}
		origins = append(origins, item)
	}
	return origins, nil
}

// serveCodec answers for Temporal's Web UI and CLI.
func (s *Server) serveCodec() {
	if s.config.Codec.Payloads == nil {
		return
	}
	handler := converter.NewPayloadCodecHTTPHandler(s.config.Codec.Payloads)
	answer := func(c echo.Context) error {
		if err := s.mayDecode(c.Request()); err != nil {
			return err
		}
		handler.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	for _, verb := range []string{"/encode", "/decode"} {
		s.echo.POST(CodecPath+verb, answer, s.shareWithUI)
		s.echo.OPTIONS(CodecPath+verb, func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }, s.shareWithUI)
	}
}

// shareWithUI lets pages of the Web UI read the answer, and refuses those of
// every other site.
func (s *Server) shareWithUI(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Add("Vary", "Origin")
		origin := c.Request().Header.Get("Origin")
		if origin == "" {
			return next(c) // no browser
		}
		if !slices.Contains(s.config.Codec.Origins, origin) {
			return problem.New(problem.TypeForbidden, "the codec server does not answer pages of %q; NESTOR_TEMPORAL_UI names the Web UI's origin", origin)
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Methods", http.MethodPost)
		h.Set("Access-Control-Allow-Headers", "Authorization, Authorization-Extras, Content-Type, X-Namespace")
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Max-Age", "600")
		return next(c)
	}
}

// mayDecode refuses who is not of the platform: payloads are of all teams.
func (s *Server) mayDecode(r *http.Request) error {
	if s.config.Codec.TrustOrigin && r.Header.Get("Authorization") == "" &&
		r.Header.Get("Origin") != "" && isLoopbackHost(r.Host) && fromLoopback(r) {
		return nil // shareWithUI has looked at the origin
	}
	principal, err := s.codecPrincipal(r)
	if err != nil {
		return err
	}
	if !principal.Has(auth.RolePlatform) {
		return problem.New(problem.TypeForbidden, "payloads of workflows are of all teams; only the platform's role may decode them")
	}
	return nil
}

// codecPrincipal is principal for requests that shareWithUI has let through: a
// page of the Web UI's origin is no other site.
func (s *Server) codecPrincipal(r *http.Request) (auth.Principal, error) {
	if s.tokens == nil && isLoopbackHost(r.Host) && fromLoopback(r) {
		return auth.Local(), nil
	}
	return s.principal(r)
}

// fromLoopback says whether the connection comes from this machine.
func fromLoopback(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}
