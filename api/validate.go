// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/internal/manifest"
)

// validator holds requests to openapi.yaml before a handler sees them.
type validator struct {
	// routes by method and Echo path.
	routes map[string]*routers.Route
}

func newValidator(spec *openapi3.T) *validator {
	parameter := regexp.MustCompile(`\{([^}]+)\}`)
	v := &validator{routes: map[string]*routers.Route{}}
	for path, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			v.routes[method+" "+parameter.ReplaceAllString(path, ":$1")] = &routers.Route{
				Spec: spec, Path: path, PathItem: item, Method: method, Operation: operation,
			}
		}
	}
	return v
}

// middleware refuses a request that openapi.yaml does not describe. All its
// mistakes are told at once.
func (v *validator) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	options := &openapi3filter.Options{
		MultiError:                        true,
		SkipSettingDefaults:               true,
		RejectWhenRequestBodyNotSpecified: true,
		AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc, // authenticate has done it
	}
	return func(c echo.Context) error {
		route, ok := v.routes[c.Request().Method+" "+c.Path()]
		if !ok {
			return next(c)
		}
		names := c.ParamNames()
		params := make(map[string]string, len(names))
		for i, name := range names {
			value, err := url.PathUnescape(c.ParamValues()[i])
			if err != nil {
				return problem.New(problem.TypeBadRequest, "path parameter %s: %v", name, err)
			}
			params[name] = value
		}
		if err := checkMediaType(c.Request(), route.Operation); err != nil {
			return err
		}
		err := openapi3filter.ValidateRequest(c.Request().Context(), &openapi3filter.RequestValidationInput{
			Request: c.Request(), PathParams: params, Route: route, Options: options,
		})
		if err == nil {
			err = refuseUnknownParameters(c.Request(), route)
		}
		if err != nil {
			return requestProblem(err)
		}
		return next(c)
	}
}

// checkMediaType tells a body of another type from a malformed one.
func checkMediaType(r *http.Request, operation *openapi3.Operation) error {
	if operation.RequestBody == nil || r.ContentLength == 0 {
		return nil
	}
	if operation.RequestBody.Value.GetMediaType(r.Header.Get("Content-Type")) == nil {
		return problem.New(problem.TypeUnsupportedMediaType,
			"the body's type is %q; send application/json", r.Header.Get("Content-Type"))
	}
	return nil
}

// refuseUnknownParameters catches a misspelt filter, which would otherwise
// select everything.
func refuseUnknownParameters(r *http.Request, route *routers.Route) error {
	var mistakes openapi3.MultiError
	for name := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			mistakes = append(mistakes, &openapi3filter.RequestError{
				Parameter: &openapi3.Parameter{Name: name, In: openapi3.ParameterInQuery},
				Reason:    "there is no such parameter here",
			})
		}
	}
	if len(mistakes) == 0 {
		return nil
	}
	return mistakes
}

// requestProblem turns the validator's error into a problem document that names
// each place.
func requestProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	var mistakes manifest.Problems
	collectMistakes(err, "", &mistakes)
	p := problem.New(problem.TypeBadRequest, "the request does not match the API; its description is at /openapi.yaml and /docs")
	p.Problems = mistakes.Sorted()
	return p
}

func collectMistakes(err error, place string, into *manifest.Problems) {
	switch e := err.(type) { //nolint:errorlint // walks the tree of errors itself
	case openapi3.MultiError:
		for _, one := range e {
			collectMistakes(one, place, into)
		}
	case *openapi3filter.RequestError:
		switch {
		case e.Parameter != nil:
			place = fmt.Sprintf("%s parameter %s", e.Parameter.In, e.Parameter.Name)
		case e.RequestBody != nil:
			place = "body"
		}
		if e.Err == nil {
			*into = append(*into, manifest.Problem{Field: place, Message: e.Reason})
			return
		}
		collectMistakes(e.Err, place, into)
	case *openapi3.SchemaError:
		*into = append(*into, manifest.Problem{Field: fieldPath(place, e.JSONPointer()), Message: e.Reason})
	case *openapi3filter.ParseError:
		*into = append(*into, manifest.Problem{Field: place, Message: parseMessage(e)})
	default:
		*into = append(*into, manifest.Problem{Field: place, Message: err.Error()})
	}
}

func parseMessage(e *openapi3filter.ParseError) string {
	if cause := e.RootCause(); cause != nil {
		if errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) {
			return "the JSON ends too early"
		}
		return cause.Error()
	}
	return e.Error()
}

// fieldPath is "claims[2].file" for a body, and the parameter itself for one.
func fieldPath(place string, pointer []string) string {
	var b strings.Builder
	if place != "body" {
		b.WriteString(place)
	}
	for _, part := range pointer {
		switch {
		case part != "" && strings.Trim(part, "0123456789") == "":
			b.WriteString("[" + part + "]")
		case b.Len() == 0:
			b.WriteString(part)
		default:
			b.WriteString("." + part)
		}
	}
	if b.Len() == 0 {
		return place
	}
	return b.String()
}
