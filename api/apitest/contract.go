// SPDX-License-Identifier: Apache-2.0

// Package apitest holds every answer of the API to openapi.yaml. Tests of the
// API, and of programs that speak to it, put its Transport under their client.
//
// It is for tests alone.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/HatiCode/nestor/api"
)

// Contract is openapi.yaml, read more strictly than a client may: a field that
// it does not describe is a violation.
type Contract struct {
	spec   *openapi3.T
	router routers.Router
}

// NewContract reads openapi.yaml.
func NewContract(ctx context.Context) (*Contract, error) {
	spec, err := api.LoadSpec(ctx)
	if err != nil {
		return nil, err
	}
	for _, schema := range spec.Components.Schemas {
		closeObjects(schema, map[*openapi3.Schema]bool{})
	}
	spec.Servers = nil // tests listen anywhere
	router, err := legacy.NewRouter(spec)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return &Contract{spec: spec, router: router}, nil
}

// closeObjects forbids fields that a schema does not name.
func closeObjects(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || ref.Value == nil || seen[ref.Value] {
		return
	}
	schema := ref.Value
	seen[schema] = true
	if len(schema.Properties) > 0 && schema.AdditionalProperties.Has == nil && schema.AdditionalProperties.Schema == nil {
		closed := false
		schema.AdditionalProperties.Has = &closed
	}
	for _, property := range schema.Properties {
		closeObjects(property, seen)
	}
	closeObjects(schema.Items, seen)
	closeObjects(schema.AdditionalProperties.Schema, seen)
}

// CheckDocument holds a JSON document to a schema of openapi.yaml, such as the
// data of an event.
func (c *Contract) CheckDocument(schema string, data []byte) error {
	ref, ok := c.spec.Components.Schemas[schema]
	if !ok {
		return fmt.Errorf("openapi.yaml has no schema %q", schema)
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return fmt.Errorf("document of %s: %w", schema, err)
	}
	if err := ref.Value.VisitJSON(value, openapi3.MultiErrors()); err != nil {
		return fmt.Errorf("document of %s: %w", schema, err)
	}
	return nil
}

// Transport checks every answer that passes through it, and fails a request
// whose answer openapi.yaml does not describe.
type Transport struct {
	Contract *Contract
	Base     http.RoundTripper // nil: http.DefaultTransport
}

var _ http.RoundTripper = (*Transport)(nil)

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	answer, err := base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := t.check(r, answer); err != nil {
		return nil, fmt.Errorf("%s %s answered %s: %w", r.Method, r.URL.Path, answer.Status, err)
	}
	return answer, nil
}

func (t *Transport) check(r *http.Request, answer *http.Response) error {
	media, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil && answer.ContentLength != 0 {
		return fmt.Errorf("content type %q: %w", answer.Header.Get("Content-Type"), err)
	}
	isJSON := strings.HasSuffix(media, "json")
	route, params, err := t.Contract.router.FindRoute(r)
	if err != nil {
		return t.checkUnrouted(answer, media)
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: !isJSON}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 answer.StatusCode,
		Header:                 answer.Header,
		Options:                options,
	}
	if isJSON {
		body, err := takeBody(answer)
		if err != nil {
			return err
		}
		input.SetBodyBytes(body)
	} else if err := describesMedia(route.Operation, answer.StatusCode, media); err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(r.Context(), input)
}

// checkUnrouted holds an answer to a request for a path or method that
// openapi.yaml does not have: it has to be a problem document.
func (t *Transport) checkUnrouted(answer *http.Response, media string) error {
	if media != "application/problem+json" {
		return fmt.Errorf("a path without a description answers %q, not a problem document", media)
	}
	body, err := takeBody(answer)
	if err != nil {
		return err
	}
	return t.Contract.CheckDocument("Problem", body)
}

func describesMedia(operation *openapi3.Operation, status int, media string) error {
	response := operation.Responses.Status(status)
	if response == nil {
		return fmt.Errorf("status %d with %q is not described", status, media)
	}
	if media != "" && response.Value.Content[media] == nil {
		return fmt.Errorf("content type %q is not described", media)
	}
	return nil
}

func takeBody(answer *http.Response) ([]byte, error) {
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if err := answer.Body.Close(); err != nil {
		return nil, fmt.Errorf("close the answer: %w", err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}
