// SPDX-License-Identifier: Apache-2.0

// Package kube is a Pulumi resource provider with one resource,
// kube:index:Manifest: a Kubernetes object, applied on the server's side, read
// back and deleted.
//
// It is small on purpose. It does not wait until an object is ready, and a
// manifest holds one object.
package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Name of the provider: the first part of its resources' types.
const Name = "kube"

// schema is what programs are checked against.
const schema = `{
  "name": "kube",
  "displayName": "Kubernetes manifests",
  "description": "One Kubernetes object per resource, applied on the server's side.",
  "config": {"variables": {
    "kubeconfig": {"type": "string", "secret": true,
      "description": "Content of a kubeconfig file. Default: $KUBECONFIG_CONTENT, then the file $KUBECONFIG."},
    "context": {"type": "string", "description": "Context of the kubeconfig; its current one by default."}
  }},
  "provider": {
    "inputProperties": {"kubeconfig": {"type": "string", "secret": true}, "context": {"type": "string"}}
  },
  "resources": {"kube:index:Manifest": {
    "description": "A Kubernetes object. It is imported by \"<apiVersion>/<kind>/<namespace>/<name>\", the namespace empty where the kind has none.",
    "inputProperties": {"manifest": {"$ref": "pulumi.json#/Any", "description": "The object: apiVersion, kind, metadata and the rest."}},
    "requiredInputs": ["manifest"],
    "properties": {
      "manifest": {"$ref": "pulumi.json#/Any", "description": "The object as it was asked for."},
      "uid": {"type": "string", "description": "The UID that the cluster gave it."}
    },
    "required": ["manifest", "uid"]
  }}
}`

// manifestKey and uidKey are the resource's properties.
const (
	manifestKey = "manifest"
	uidKey      = "uid"
)

// server holds what a running provider was configured with.
type server struct {
	mu      sync.Mutex
	config  settings
	cluster *cluster

	once sync.Once
	stop chan struct{} // closed when Pulumi was asked to stop
}

var errStopped = errors.New("stopped as asked")

// stoppable is a context that ends when Pulumi was asked to stop, so that a wait
// ends and the state is written.
func (s *server) stoppable(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.stop:
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (s *server) cancel(context.Context) error {
	s.once.Do(func() { close(s.stop) })
	return nil
}

// settings of the provider.
type settings struct{ kubeconfig, context string }

// New is the provider.
func New() provider.Provider {
	s := &server{stop: make(chan struct{})}
	return provider.Provider{
		GetSchema: func(context.Context, provider.GetSchemaRequest) (provider.GetSchemaResponse, error) {
			return provider.GetSchemaResponse{Schema: schema}, nil
		},
		CheckConfig: s.checkConfig,
		// Another kubeconfig is another way to the same objects.
		DiffConfig: func(context.Context, provider.DiffRequest) (provider.DiffResponse, error) {
			return provider.DiffResponse{}, nil
		},
		Configure: s.configure,
		Check:     check,
		Diff:      diff,
		Create:    s.create,
		Read:      s.read,
		Update:    s.update,
		Delete:    s.delete,
		Cancel:    s.cancel,
	}
}

func (s *server) checkConfig(_ context.Context, req provider.CheckRequest) (provider.CheckResponse, error) {
	if v, given := req.Inputs.GetOk("kubeconfig"); given {
		req.Inputs = req.Inputs.Set("kubeconfig", v.WithSecret(true))
	}
	return provider.CheckResponse{Inputs: req.Inputs}, nil
}

func (s *server) configure(_ context.Context, req provider.ConfigureRequest) error {
	text := func(name string) string {
		if v := req.Args.Get(name); v.IsString() {
			return v.AsString()
		}
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config, s.cluster = settings{kubeconfig: text("kubeconfig"), context: text("context")}, nil
	return nil
}

// reach connects when a resource needs it for the first time: a preview works
// without a cluster.
func (s *server) reach() (*cluster, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster != nil {
		return s.cluster, nil
	}
	c, err := connect(s.config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	s.cluster = c
	return c, nil
}

// check refuses what is no object, and puts a secret's text where the API server
// keeps it.
func check(_ context.Context, req provider.CheckRequest) (provider.CheckResponse, error) {
	manifest, failure := checked(req.Inputs.Get(manifestKey))
	if failure != "" {
		return provider.CheckResponse{
			Inputs: req.Inputs, Failures: []provider.CheckFailure{{Property: manifestKey, Reason: failure}},
		}, nil
	}
	return provider.CheckResponse{Inputs: req.Inputs.Set(manifestKey, manifest)}, nil
}

func (s *server) create(ctx context.Context, req provider.CreateRequest) (provider.CreateResponse, error) {
	manifest := req.Properties.Get(manifestKey)
	made := provider.CreateResponse{Properties: state(manifest, property.New(property.Computed))}
	if req.DryRun {
		return made, nil
	}
	c, err := s.reach()
	if err != nil {
		return made, err
	}
	object, err := c.create(ctx, unstructuredOf(manifest))
	if err != nil {
		return made, err
	}
	made.ID = addressOf(object).String()
	made.Properties = state(manifest, property.New(string(object.GetUID())))
	return made, nil
}

func state(manifest, uid property.Value) property.Map {
	return property.NewMap(map[string]property.Value{manifestKey: manifest, uidKey: uid})
}

// read looks at the object. What it finds other than it was asked for shows as
// another input, so that the next preview sees it.
func (s *server) read(ctx context.Context, req provider.ReadRequest) (provider.ReadResponse, error) {
	at, err := parseAddress(req.ID)
	if err != nil {
		return provider.ReadResponse{}, err
	}
	c, err := s.reach()
	if err != nil {
		return provider.ReadResponse{}, err
	}
	live, err := c.get(ctx, at)
	if errors.Is(err, errAbsent) {
		return provider.ReadResponse{}, nil
	}
	if err != nil {
		return provider.ReadResponse{}, err
	}
	manifest, known := req.Inputs.GetOk(manifestKey)
	if !known || !manifest.IsMap() {
		// An import: nobody has said yet what belongs into the manifest.
		manifest = imported(live)
	} else {
		wanted, err := c.apply(ctx, unstructuredOf(manifest), dryRun)
		if err != nil {
			return provider.ReadResponse{}, err
		}
		manifest = drifted(manifest, wanted.Object, live.Object)
	}
	return provider.ReadResponse{
		ID:         req.ID,
		Inputs:     property.NewMap(map[string]property.Value{manifestKey: manifest}),
		Properties: state(manifest, property.New(string(live.GetUID()))),
	}, nil
}

func (s *server) update(ctx context.Context, req provider.UpdateRequest) (provider.UpdateResponse, error) {
	manifest := req.Inputs.Get(manifestKey)
	made := provider.UpdateResponse{Properties: state(manifest, req.State.Get(uidKey))}
	if req.DryRun {
		return made, nil
	}
	c, err := s.reach()
	if err != nil {
		return made, err
	}
	object, err := c.apply(ctx, unstructuredOf(manifest))
	if err != nil {
		return made, err
	}
	made.Properties = state(manifest, property.New(string(object.GetUID())))
	return made, nil
}

func (s *server) delete(ctx context.Context, req provider.DeleteRequest) error {
	at, err := parseAddress(req.ID)
	if err != nil {
		return err
	}
	c, err := s.reach()
	if err != nil {
		return err
	}
	uid := ""
	if v := req.Properties.Get(uidKey); v.IsString() {
		uid = v.AsString()
	}
	ctx, done := s.stoppable(ctx)
	defer done(nil)
	return c.delete(ctx, at, uid)
}
