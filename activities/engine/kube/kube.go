// SPDX-License-Identifier: Apache-2.0

// Package kube is what the engines that work on a Kubernetes cluster share:
// reaching the cluster that a request names, telling its errors apart, judging
// whether an object is ready, reading outputs from objects, and showing how two
// objects differ.
//
// It is no engine, and it changes nothing in a cluster: what is written there,
// and when, is each engine's own affair.
package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/expand"
)

// Cluster is one cluster as one request may use it. It is made for one verb and
// safe for concurrent use; nothing is asked of the cluster before it is needed.
type Cluster struct {
	// Name is the environment's name for the cluster.
	Name string
	// Namespace for what names none. It may hold a placeholder (see UnknownIn)
	// while inputs are unknown.
	Namespace string
	// Config reaches the cluster; its limits are raised, since a server that
	// has too much to do says so itself, and its warnings are dropped.
	Config  *rest.Config
	Dynamic dynamic.Interface
	// Mask hides the request's secrets.
	Mask *Mask

	engine string
	client discovery.DiscoveryInterface

	mu    sync.Mutex
	kinds map[schema.GroupVersion][]Kind
}

// Connect prepares access to the cluster that clusterTemplate names, or to the
// environment's default one where it is empty. An empty namespaceTemplate means
// the cluster's own namespace. It does not talk to the cluster. Its errors are
// *engine.Error of class Invalid.
func Connect(req engine.Request, engineName, clusterTemplate, namespaceTemplate string) (*Cluster, error) {
	lookup := Lookup(req)
	wrong := func(format string, args ...any) error {
		return &engine.Error{Class: engine.Invalid, Engine: engineName, Message: fmt.Sprintf(format, args...)}
	}
	name := req.Cluster
	if clusterTemplate != "" {
		var err error
		if name, err = expand.String(clusterTemplate, lookup); err != nil {
			return nil, wrong("settings.cluster: %v", err)
		}
		if reason, unknown := UnknownIn(name); unknown {
			return nil, wrong("settings.cluster: which cluster it is would be %s; name it by something that is known before the deployment", reason)
		}
	}
	access, known := req.Clusters[name]
	switch {
	case name == "" && len(req.Clusters) == 1:
		for only, c := range req.Clusters {
			name, access = only, c
		}
	case name == "":
		return nil, wrong("no cluster is named; set cluster in the environment, or settings.cluster in the definition (the environment has %s)", clusterNames(req))
	case !known:
		return nil, wrong("the environment has no cluster %q; it has %s", name, clusterNames(req))
	}
	namespace := access.Namespace
	if namespaceTemplate != "" {
		var err error
		if namespace, err = expand.String(namespaceTemplate, lookup); err != nil {
			return nil, wrong("settings.namespace: %v", err)
		}
	}
	c := &Cluster{
		Name: name, Namespace: namespace, Mask: NewMask(req),
		engine: engineName, kinds: map[schema.GroupVersion][]Kind{},
	}
	var err error
	if c.Config, err = restConfig(access, req.Env, c.Mask); err != nil {
		return nil, wrong("cluster %s: %v", name, err)
	}
	if c.Dynamic, err = dynamic.NewForConfig(c.Config); err != nil {
		return nil, wrong("cluster %s: %v", name, err)
	}
	if c.client, err = discovery.NewDiscoveryClientForConfig(c.Config); err != nil {
		return nil, wrong("cluster %s: %v", name, err)
	}
	return c, nil
}

func clusterNames(req engine.Request) string {
	if len(req.Clusters) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(req.Clusters)), ", ")
}

// Fail turns an error of a Kubernetes client into an *engine.Error: what went
// wrong with which resource, whether another try can help, and the cure, with
// the request's secrets hidden. It returns nil for nil, and an *engine.Error's
// own class. When ctx has ended the class is Canceled; a deadline of a single
// call is Transient.
func (c *Cluster) Fail(ctx context.Context, resource string, err error) error {
	return c.fail(ctx, failure{engine: c.engine, cluster: "cluster " + c.Name, resource: resource}, err)
}

// FailReading is Fail for an error that was met while the state was read: a
// state that may not be read is Unreadable, never absent.
func (c *Cluster) FailReading(ctx context.Context, resource string, err error) error {
	return c.fail(ctx, failure{engine: c.engine, cluster: "cluster " + c.Name, resource: resource, reading: true}, err)
}

func (c *Cluster) fail(ctx context.Context, f failure, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return &engine.Error{Class: engine.Canceled, Engine: c.engine, Message: "stopped as asked", Err: context.Cause(ctx)}
	}
	e := f.explain(err)
	e.Message = c.Mask.Text(e.Message)
	return e
}
