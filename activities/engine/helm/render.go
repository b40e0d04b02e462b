// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"sync/atomic"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/HatiCode/nestor/activities/engine/kube"
)

// rendering is what a chart makes of values.
type rendering struct {
	chart    *chart.Chart
	values   map[string]any
	manifest string
	hooks    []*release.Hook
	notes    string
	// objects of the manifest, in the order of their creation.
	objects []*unstructured.Unstructured
}

// renderer renders one chart, any number of times.
type renderer struct {
	node   *node
	source source
	caps   *chartutil.Capabilities
	// crds of the chart's folders crds, which are no templates.
	crds   []*unstructured.Unstructured
	client *boundClient
}

// renderer prepares to render. The cluster is asked what it can do.
func (n *node) renderer(ctx context.Context) (*renderer, error) {
	src, err := n.source(ctx)
	if err != nil {
		return nil, err
	}
	n.say("chart %s (sha256:%s)", src.name, src.digest)
	r := &renderer{node: n, source: src}
	if r.client, err = n.bind(ctx); err != nil {
		return nil, err
	}
	if r.crds, err = r.findCRDs(); err != nil {
		return nil, err
	}
	r.caps, err = r.capabilities(ctx)
	return r, err
}

// findCRDs reads the chart's folders crds.
func (r *renderer) findCRDs() ([]*unstructured.Unstructured, error) {
	ch, err := r.source.chart()
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for _, crd := range ch.CRDObjects() {
		parsed, err := parseManifest(string(crd.File.Data), crd.Filename)
		if err != nil {
			return nil, err
		}
		out = append(out, parsed...)
	}
	return out, nil
}

// capabilities are what the chart may ask about: the cluster's, and what the
// chart's own CRDs will add.
func (r *renderer) capabilities(ctx context.Context) (*chartutil.Capabilities, error) {
	version, err := r.client.discovery.ServerVersion()
	if err != nil {
		return nil, r.node.cluster.Fail(ctx, "", err)
	}
	groups, lists, err := r.client.discovery.ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) { // an API of somebody else's that is down
		return nil, r.node.cluster.Fail(ctx, "", err)
	}
	known := map[string]bool{}
	for _, g := range groups {
		for _, v := range g.Versions {
			known[v.GroupVersion] = true
		}
	}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			known[path.Join(list.GroupVersion, resource.Kind)] = true
		}
	}
	for gvk := range definedBy(r.crds...) {
		known[gvk.GroupVersion().String()] = true
		known[path.Join(gvk.GroupVersion().String(), gvk.Kind)] = true
	}
	return &chartutil.Capabilities{
		APIVersions: slices.Sorted(maps.Keys(known)),
		KubeVersion: chartutil.KubeVersion{Version: version.GitVersion, Major: version.Major, Minor: version.Minor},
		HelmVersion: chartutil.DefaultCapabilities.HelmVersion,
	}, nil
}

// revisionOf is what templates know as .Release.
type revisionOf struct {
	revision int
	install  bool
}

// render renders the chart with the inputs. strict refuses values that the
// chart's schema does not allow.
func (r *renderer) render(inputs map[string]any, at revisionOf, strict bool) (*rendering, error) {
	values, err := r.node.values(inputs)
	if err != nil {
		return nil, err
	}
	ch, err := r.source.chart()
	if err != nil {
		return nil, err
	}
	if want := ch.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, r.caps.KubeVersion.Version) {
		return nil, invalid("chart %s needs Kubernetes %s, and cluster %s is %s", r.source.name, want, r.node.cluster.Name, r.caps.KubeVersion.Version)
	}
	config, _ := copied(values).(map[string]any)
	if err := chartutil.ProcessDependenciesWithMerge(ch, values); err != nil {
		return nil, r.wrong(err)
	}
	name, namespace := r.node.release, r.node.namespace
	top, err := chartutil.ToRenderValuesWithSchemaValidation(ch, values, chartutil.ReleaseOptions{
		Name: name, Namespace: namespace, Revision: at.revision, IsInstall: at.install, IsUpgrade: !at.install,
	}, r.caps, !strict)
	if err != nil {
		return nil, r.wrong(err)
	}
	files, err := helmengine.RenderWithClientProvider(ch, top, r.client)
	if err != nil {
		return nil, r.wrong(err)
	}
	out := &rendering{chart: ch, values: config}
	return out, r.sort(out, files)
}

// sort splits what was rendered into notes, hooks and manifest.
func (r *renderer) sort(out *rendering, files map[string]string) error {
	for name, text := range files {
		if path.Base(name) != "NOTES.txt" {
			continue
		}
		if name == path.Join(out.chart.Name(), "templates", "NOTES.txt") {
			out.notes = text
		}
		delete(files, name)
	}
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return r.wrong(err)
	}
	if !r.node.settings.DisableHooks {
		out.hooks = hooks
	}
	var all bytes.Buffer
	for _, m := range manifests {
		_, _ = fmt.Fprintf(&all, "---\n# Source: %s\n%s\n", m.Name, m.Content)
		parsed, err := parseManifest(m.Content, m.Name)
		if err != nil {
			return err
		}
		out.objects = append(out.objects, parsed...)
	}
	out.manifest = all.String()
	return nil
}

// wrong is what rendering says, without secrets. When a template could not look
// into the cluster, that is the error.
func (r *renderer) wrong(err error) error {
	if lost := r.client.lost.Load(); lost != nil {
		return r.node.cluster.Fail(r.client.ctx, "", *lost)
	}
	return invalid("chart %s: %s", r.source.name, shorten(r.node.cluster.Mask.Text(err.Error())))
}

// boundClient is how templates look into the cluster; its requests end with the
// call that they are made for.
type boundClient struct {
	node      *node
	ctx       context.Context //nolint:containedctx // Helm's templates have none of their own
	discovery discovery.DiscoveryInterface
	dynamic   dynamic.Interface
	lost      *atomic.Pointer[error] // why the cluster gave no answer
}

var _ helmengine.ClientProvider = (*boundClient)(nil)

func (n *node) bind(ctx context.Context) (*boundClient, error) {
	lost := &atomic.Pointer[error]{}
	config := rest.CopyConfig(n.cluster.Config)
	config.Wrap(transport.WrapperFunc(func(next http.RoundTripper) http.RoundTripper { return bound{ctx, next, lost} }))
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, n.cluster.Fail(ctx, "", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, n.cluster.Fail(ctx, "", err)
	}
	return &boundClient{node: n, ctx: ctx, discovery: d, dynamic: objects, lost: lost}, nil
}

// GetClientFor implements Helm's ClientProvider.
func (c *boundClient) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	known, err := c.node.exactKind(c.ctx, schema.FromAPIVersionAndKind(apiVersion, kind))
	if err != nil {
		if !meta.IsNoMatchError(err) {
			c.lost.Store(&err)
		}
		return nil, false, err
	}
	return c.dynamic.Resource(known.Resource), known.Namespaced, nil
}

// bound is a transport whose requests end when ctx does.
type bound struct {
	ctx  context.Context //nolint:containedctx // the point of the type
	next http.RoundTripper
	lost *atomic.Pointer[error]
}

// RoundTrip implements http.RoundTripper.
func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(b.ctx, func() { cancel(context.Cause(b.ctx)) }) //nolint:contextcheck // joins the two contexts
	resp, err := b.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel(nil)
		b.lost.Store(&err)
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
		lost := error(apierrors.NewGenericServerResponse(resp.StatusCode, r.Method, schema.GroupResource{}, "", resp.Status, 0, true))
		b.lost.Store(&lost)
	}
	resp.Body = &boundBody{ReadCloser: resp.Body, done: func() { stop(); cancel(nil) }}
	return resp, nil
}

// boundBody lets go of its request's context when it is closed.
type boundBody struct {
	io.ReadCloser
	done func()
}

// Close implements io.Closer.
func (b *boundBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// kinds that the release itself brings.
func (r *renderer) kinds(out *rendering) map[schema.GroupVersionKind]kube.Kind {
	return definedBy(slices.Concat(r.crds, out.objects)...)
}
