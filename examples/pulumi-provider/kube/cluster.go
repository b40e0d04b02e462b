// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kind "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// fieldManager owns the fields that this provider applies.
const fieldManager = "pulumi-resource-kube"

// dryRun makes an apply that changes nothing.
const dryRun = metav1.DryRunAll

// Waiting for a deletion.
const (
	poll     = 200 * time.Millisecond
	patience = 5 * time.Minute
)

var errAbsent = errors.New("it does not exist")

// cluster is a connection to a Kubernetes API server.
type cluster struct {
	dynamic   dynamic.Interface
	mapper    meta.RESTMapper
	namespace string // for objects that name none
}

// connect does not reach the network yet.
func connect(s settings) (*cluster, error) {
	config, namespace, err := clientConfig(s)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 50, 100
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &cluster{
		dynamic: client, namespace: namespace,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds)),
	}, nil
}

// clientConfig reads the kubeconfig: the provider's own, the environment's
// content, or the environment's file.
func clientConfig(s settings) (*rest.Config, string, error) {
	content := s.kubeconfig
	if content == "" {
		content = os.Getenv("KUBECONFIG_CONTENT")
	}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: s.context}
	var loaded clientcmd.ClientConfig
	if content != "" {
		raw, err := clientcmd.Load([]byte(content))
		if err != nil {
			return nil, "", errors.New("the kubeconfig cannot be read") // the cause may quote it
		}
		loaded = clientcmd.NewNonInteractiveClientConfig(*raw, s.context, overrides, nil)
	} else {
		loaded = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), overrides)
	}
	config, err := loaded.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("set kube:kubeconfig, KUBECONFIG_CONTENT or KUBECONFIG: %w", err)
	}
	namespace, _, err := loaded.Namespace()
	return config, namespace, err
}

// objects of an address's kind. It fills in the namespace where the kind has one
// and the address does not.
func (c *cluster) objects(a *address) (dynamic.ResourceInterface, error) {
	group, err := kind.ParseGroupVersion(a.version)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	mapping, err := c.mapper.RESTMapping(kind.GroupKind{Group: group.Group, Kind: a.kind}, group.Version)
	if meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("%s: the cluster has no kind %s in %s", a, a.kind, a.version)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		if a.namespace != "" {
			return nil, fmt.Errorf("%s: a %s belongs to no namespace; leave metadata.namespace out", a, a.kind)
		}
		return c.dynamic.Resource(mapping.Resource), nil
	}
	if a.namespace == "" {
		a.namespace = c.namespace
	}
	return c.dynamic.Resource(mapping.Resource).Namespace(a.namespace), nil
}

func (c *cluster) get(ctx context.Context, a address) (*unstructured.Unstructured, error) {
	objects, err := c.objects(&a)
	if err != nil {
		return nil, err
	}
	object, err := objects.Get(ctx, a.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, errAbsent
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", a, err)
	}
	return object, nil
}

// create applies what is not there yet: somebody else's object is not taken
// over, unless it is imported.
func (c *cluster) create(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	switch _, err := c.get(ctx, addressOf(object)); {
	case err == nil:
		return nil, fmt.Errorf("%s exists already; import it or choose another name", addressOf(object))
	case !errors.Is(err, errAbsent):
		return nil, err
	}
	return c.apply(ctx, object)
}

// apply makes the object's fields what the manifest says. They are this
// provider's: one that somebody else has set meanwhile is set back.
func (c *cluster) apply(ctx context.Context, object *unstructured.Unstructured, dry ...string) (*unstructured.Unstructured, error) {
	a := addressOf(object)
	objects, err := c.objects(&a)
	if err != nil {
		return nil, err
	}
	object = object.DeepCopy()
	if a.namespace != "" {
		object.SetNamespace(a.namespace)
	}
	applied, err := objects.Apply(ctx, a.name, object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true, DryRun: dry})
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", a, err)
	}
	return applied, nil
}

// delete removes the object and waits until it is gone. One of the same name
// that was made since is left alone.
func (c *cluster) delete(ctx context.Context, a address, uid string) error {
	objects, err := c.objects(&a)
	if err != nil {
		return err
	}
	propagation := metav1.DeletePropagationForeground
	options := metav1.DeleteOptions{PropagationPolicy: &propagation}
	if uid != "" {
		known := types.UID(uid)
		options.Preconditions = &metav1.Preconditions{UID: &known}
	}
	err = objects.Delete(ctx, a.name, options)
	if apierrors.IsNotFound(err) || (uid != "" && apierrors.IsConflict(err)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", a, err)
	}
	err = wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		left, err := c.get(ctx, a)
		if errors.Is(err, errAbsent) {
			return true, nil
		}
		return err == nil && uid != "" && string(left.GetUID()) != uid, err
	})
	if err != nil {
		return fmt.Errorf("wait until %s is gone: %w", a, err)
	}
	return nil
}
