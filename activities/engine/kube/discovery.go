// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
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
// than the whole discovery, and keeps what it found. Where that version of the
// group is not served, or lacks the kind, the answer is the kind in another
// version that is, the cluster's preferred one first: the same objects are found
// there. So whoever means to write compares the answer's GVK with the one asked
// for. Only for a kind that no version has, the error is a
// *meta.NoKindMatchError.
func (c *Cluster) Kind(ctx context.Context, gvk schema.GroupVersionKind) (Kind, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, there, err := c.kindIn(ctx, gvk)
	if there || err != nil {
		return found, err
	}
	versions, err := c.askVersions(ctx, gvk.Group)
	if err != nil {
		return Kind{}, err
	}
	searched := []string{gvk.Version}
	for _, version := range versions {
		if version == gvk.Version {
			continue
		}
		searched = append(searched, version)
		found, there, err = c.kindIn(ctx, gvk.GroupKind().WithVersion(version))
		if there || err != nil {
			return found, err
		}
	}
	return Kind{}, &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: searched}
}

// KindAnew is Kind without what was learned before, for when the API server no
// longer knows what it served.
func (c *Cluster) KindAnew(ctx context.Context, gvk schema.GroupVersionKind) (Kind, error) {
	c.mu.Lock()
	clear(c.kinds)
	c.mu.Unlock()
	return c.Kind(ctx, gvk)
}

// kindIn finds a kind in the very version that is asked for.
func (c *Cluster) kindIn(ctx context.Context, gvk schema.GroupVersionKind) (found Kind, there bool, err error) {
	kinds, asked := c.kinds[gvk.GroupVersion()]
	if !asked {
		if kinds, err = c.askKinds(ctx, gvk.GroupVersion()); err != nil {
			return Kind{}, false, err
		}
	}
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.GVK == gvk })
	if i < 0 {
		delete(c.kinds, gvk.GroupVersion()) // it may be added
		return Kind{}, false, nil
	}
	c.kinds[gvk.GroupVersion()] = kinds
	return kinds[i], true, nil
}

// askVersions lists the served versions of a group, the preferred one first;
// none where there is no such group.
func (c *Cluster) askVersions(ctx context.Context, group string) ([]string, error) {
	if group == "" {
		var core metav1.APIVersions
		err := c.client.RESTClient().Get().AbsPath("/api").Do(ctx).Into(&core)
		return core.Versions, err
	}
	var served metav1.APIGroup
	err := c.client.RESTClient().Get().AbsPath("/apis/" + group).Do(ctx).Into(&served)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	versions := []string{served.PreferredVersion.Version}
	for _, v := range served.Versions {
		if v.Version != served.PreferredVersion.Version {
			versions = append(versions, v.Version)
		}
	}
	return versions, nil
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
