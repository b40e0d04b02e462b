// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kind is a kind of object that a cluster has.
type Kind struct {
	GVK        schema.GroupVersionKind
	Resource   schema.GroupVersionResource
	Namespaced bool
	// Status says that the kind has a status subresource: some controller is
	// meant to fill it in.
	Status bool
}

// Kind finds a kind. It asks for one group and version alone, which costs less
// than the whole discovery, and asks once. For one that the cluster does not
// have, the error is a *meta.NoKindMatchError.
func (c *Cluster) Kind(ctx context.Context, gvk schema.GroupVersionKind) (Kind, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kinds, asked := c.kinds[gvk.GroupVersion()]
	if !asked {
		var err error
		if kinds, err = c.askKinds(ctx, gvk.GroupVersion()); err != nil {
			return Kind{}, err
		}
	}
	for _, k := range kinds {
		if k.GVK == gvk {
			c.kinds[gvk.GroupVersion()] = kinds
			return k, nil
		}
	}
	return Kind{}, &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: []string{gvk.Version}}
}

func (c *Cluster) askKinds(ctx context.Context, gv schema.GroupVersion) ([]Kind, error) {
	path := "/apis/" + gv.String()
	if gv.Group == "" {
		path = "/api/" + gv.Version
	}
	var list metav1.APIResourceList
	err := c.client.RESTClient().Get().AbsPath(path).Do(ctx).Into(&list)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kinds []Kind
	status := map[string]bool{}
	for _, r := range list.APIResources {
		resource, sub, isSub := strings.Cut(r.Name, "/")
		if isSub {
			status[resource] = status[resource] || sub == "status"
			continue
		}
		kinds = append(kinds, Kind{
			GVK: gv.WithKind(r.Kind), Resource: gv.WithResource(r.Name), Namespaced: r.Namespaced,
		})
	}
	for i := range kinds {
		kinds[i].Status = status[kinds[i].Resource.Resource]
	}
	return kinds, nil
}

// Objects gives access to the objects of a kind; namespace is ignored where the
// kind has none.
func (c *Cluster) Objects(kind Kind, namespace string) dynamic.ResourceInterface {
	objects := c.Dynamic.Resource(kind.Resource)
	if kind.Namespaced {
		return objects.Namespace(namespace)
	}
	return objects
}

// ToRESTConfig gives a copy of Config.
func (c *Cluster) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(c.Config), nil }

// ToDiscoveryClient gives a client that keeps what it learned for as long as
// the Cluster lives.
func (c *Cluster) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	cache, _ := c.machine()
	return cache, nil
}

// ToRESTMapper gives a mapper that asks again for a kind it does not know.
func (c *Cluster) ToRESTMapper() (meta.RESTMapper, error) {
	_, mapper := c.machine()
	return mapper, nil
}

// ToRawKubeConfigLoader gives the kubeconfig's loader; its namespace is the
// Cluster's.
func (c *Cluster) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return namespaced{cluster: c, loader: c.loader}
}

// namespaced is a loader whose namespace is the request's.
type namespaced struct {
	cluster *Cluster
	loader  clientcmd.ClientConfig // nil inside a cluster
}

// Namespace implements clientcmd.ClientConfig.
func (n namespaced) Namespace() (string, bool, error) { return n.cluster.Namespace, true, nil }

// ClientConfig implements clientcmd.ClientConfig.
func (n namespaced) ClientConfig() (*rest.Config, error) { return n.cluster.ToRESTConfig() }

// ConfigAccess implements clientcmd.ClientConfig.
func (n namespaced) ConfigAccess() clientcmd.ConfigAccess { return clientcmd.NewDefaultPathOptions() }

// RawConfig implements clientcmd.ClientConfig.
func (n namespaced) RawConfig() (clientcmdapi.Config, error) {
	if n.loader == nil {
		return clientcmdapi.Config{}, fmt.Errorf("cluster %s is reached from inside: it has no kubeconfig", n.cluster.Name)
	}
	return n.loader.RawConfig()
}

// freshFor is how long after it was emptied the cache is believed about what is
// not there.
const freshFor = time.Second

// discoveryCache is a cache that is not believed when it does not know a kind:
// one may have been added since.
type discoveryCache struct {
	discovery.CachedDiscoveryInterface

	mu      sync.Mutex
	emptied time.Time
}

func newDiscoveryCache(client discovery.DiscoveryInterface) *discoveryCache {
	return &discoveryCache{CachedDiscoveryInterface: memory.NewMemCacheClient(client), emptied: time.Now()}
}

// Fresh implements discovery.CachedDiscoveryInterface.
func (d *discoveryCache) Fresh() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.emptied) < freshFor
}

// Invalidate implements discovery.CachedDiscoveryInterface.
func (d *discoveryCache) Invalidate() {
	d.mu.Lock()
	d.emptied = time.Now()
	d.mu.Unlock()
	d.CachedDiscoveryInterface.Invalidate()
}
