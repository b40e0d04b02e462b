// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	functionProgram = "crossplane-function-patch-and-transform"
	// FunctionName is what compositions call the function.
	FunctionName = "function-patch-and-transform"

	packages     = "pkg.crossplane.io"
	revisionPath = "/apis/" + packages + "/v1/functionrevisions/" + FunctionName + "-local"
)

// function serves compositions in Pipeline mode.
func (c *ControlPlane) function() Part {
	return Part{
		Name: FunctionName, Program: functionProgram,
		Args:  []string{"--address=" + loopback(c.options.Ports.Function), "--tls-certs-dir=" + c.keys.server()},
		Env:   []string{c.home()},
		Ready: c.askFunction,
	}
}

// askFunction calls the function with an empty request. It answers that with a
// complaint inside a response, which proves that it works on requests.
func (c *ControlPlane) askFunction(ctx context.Context) (err error) {
	url := c.api.at(c.options.Ports.Function).base + "/apiextensions.fn.proto.v1beta1.FunctionRunnerService/RunFunction"
	empty := bytes.NewReader(make([]byte, 5)) // gRPC's frame of a message without fields
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, empty)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	response, err := c.api.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	status := cmp.Or(response.Trailer.Get("Grpc-Status"), response.Header.Get("Grpc-Status"))
	if status != "0" {
		return fmt.Errorf("%s answers %s, gRPC status %q", url, response.Status, status)
	}
	return nil
}

// registerFunction tells Crossplane where the function is. It would learn that
// from the package that it installs; there is no registry to get one from, so
// what would come of it is written here, and paused, so that Crossplane leaves
// it as it is.
func (c *ControlPlane) registerFunction(ctx context.Context) error {
	const image = "packages.nestor.internal/" + FunctionName + ":local"
	paused := fields{"crossplane.io/paused": "true"}
	if err := c.apply(ctx,
		object{"/apis/" + packages + "/v1/functions/" + FunctionName, fields{
			"apiVersion": packages + "/v1", "kind": "Function",
			"metadata": fields{"name": FunctionName, "annotations": paused},
			"spec":     fields{"package": image},
		}},
		object{revisionPath, fields{
			"apiVersion": packages + "/v1", "kind": "FunctionRevision",
			"metadata": fields{
				"name": FunctionName + "-local", "annotations": paused,
				"labels": fields{packages + "/package": FunctionName},
			},
			"spec": fields{"desiredState": "Active", "image": image, "revision": 1},
		}},
	); err != nil {
		return err
	}
	// Without conditions: Crossplane writes that the revision is paused when it
	// has seen it; see sawFunction.
	return c.api.merge(ctx, revisionPath+"/status", fields{"status": fields{
		"endpoint": loopback(c.options.Ports.Function), "capabilities": []string{"composition"}, "conditions": nil,
	}})
}

// sawFunction fails until Crossplane's controllers have worked on what
// registerFunction wrote.
func (c *ControlPlane) sawFunction(ctx context.Context) error {
	var revision struct {
		Status struct {
			Conditions []struct{ Type, Reason string }
		}
	}
	if err := c.api.get(ctx, revisionPath, &revision); err != nil {
		return err
	}
	for _, condition := range revision.Status.Conditions {
		if condition.Reason == "ReconcilePaused" {
			return nil
		}
	}
	return errors.New("no controller of Crossplane has seen its function yet")
}
