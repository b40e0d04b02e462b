// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/expand"
)

// node is one request at work, for one verb.
type node struct {
	req      engine.Request
	settings catalog.CrossplaneSettings
	cluster  *kube.Cluster
	gvk      schema.GroupVersionKind
	// kind of the node's object, in a version that the cluster serves; there is
	// none where no version is. lacking says why nothing can be made of the
	// definition's own version; nil when that one is served.
	kind    kube.Kind
	lacking error
	// name and namespace that the object is to have.
	name, namespace string
	patience        time.Duration
	said            string // the last line of progress
	saidAt          time.Time
}

// open checks the request, finds the cluster and the object's kind.
func (e *Engine) open(ctx context.Context, req engine.Request) (*node, error) {
	settings, err := catalog.Settings[catalog.CrossplaneSettings](req.Implementation)
	if err != nil {
		return nil, invalid("", "%v", err)
	}
	if settings.Object == nil {
		return nil, invalid("", "settings.object is missing: it is the claim, composite or managed resource to make")
	}
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	n := &node{req: req, settings: settings, patience: e.patience}
	if n.cluster, err = kube.Connect(req, Name, settings.Cluster, settings.Namespace); err != nil {
		return nil, err
	}
	n.cluster.Mask.LearnFields(settings.Object, req)
	if n.gvk, err = n.findKind(); err != nil {
		return nil, err
	}
	n.kind, err = n.cluster.Kind(ctx, n.gvk)
	switch {
	case meta.IsNoMatchError(err):
		n.lacking = n.cluster.Fail(ctx, n.gvk.Kind, err)
	case err != nil:
		return nil, n.cluster.FailReading(ctx, n.gvk.Kind, err)
	case n.kind.GVK != n.gvk:
		n.lacking = invalid(n.gvk.Kind, "cluster %s has the kind in %s, and no longer in %s; correct settings.object.apiVersion",
			n.cluster.Name, n.kind.GVK.GroupVersion(), n.gvk.GroupVersion())
	}
	return n, n.findName()
}

// known says that the cluster has the object's kind, in whatever version.
func (n *node) known() bool { return n.kind.Resource.Resource != "" }

// findKind reads which kind the object is of.
func (n *node) findKind() (schema.GroupVersionKind, error) {
	var gvk schema.GroupVersionKind
	field := map[string]string{}
	for _, name := range []string{"apiVersion", "kind"} {
		template, ok := n.settings.Object[name].(string)
		if !ok || template == "" {
			return gvk, invalid("", "settings.object.%s is missing", name)
		}
		value, err := expand.String(template, kube.Lookup(n.req))
		if err != nil {
			return gvk, invalid("", "settings.object.%s: %v", name, err)
		}
		if reason, unknown := kube.UnknownIn(value); unknown {
			return gvk, invalid("", "settings.object.%s would be %s; it must be known before the deployment", name, reason)
		}
		field[name] = value
	}
	gv, err := schema.ParseGroupVersion(field["apiVersion"])
	if err != nil {
		return gvk, invalid("", "settings.object.apiVersion: %v", err)
	}
	return gv.WithKind(field["kind"]), nil
}

// findName settles the name and the namespace of the object: those that it was
// adopted with, those of the definition, or ones derived from the node's
// address.
func (n *node) findName() error {
	metadata, _ := n.settings.Object["metadata"].(map[string]any)
	given := func(field string) (string, error) {
		template, there := metadata[field]
		if !there {
			return "", nil
		}
		v, err := expand.Value(map[string]any{field: template}, kube.Lookup(n.req))
		if err != nil {
			return "", invalid("", "settings.object.metadata.%w", err)
		}
		text, isText := v.(map[string]any)[field].(string)
		if !isText && v.(map[string]any)[field] != nil {
			return "", invalid("", "settings.object.metadata.%s is no text", field)
		}
		return text, nil
	}
	var err error
	if n.name, err = given("name"); err != nil {
		return err
	}
	if n.name == "" {
		n.name = derivedName(n.req.Address)
	}
	if n.namespace, err = given("namespace"); err != nil {
		return err
	}
	switch {
	case n.namespace == "":
		n.namespace = n.cluster.Namespace
	case n.settings.Namespace != "" && n.namespace != n.cluster.Namespace:
		return invalid("", "settings.namespace is %q and settings.object.metadata.namespace is %q; name one of them alone",
			n.cluster.Namespace, n.namespace)
	}
	if n.req.StateRef != "" {
		n.takeRef(n.req.StateRef)
	}
	if !n.kind.Namespaced {
		n.namespace = ""
	}
	if n.kind.Namespaced && n.namespace == "" {
		return invalid(n.address(), "%s has a namespace, and none is named; set settings.namespace, or the cluster's namespace in the environment", n.gvk.Kind)
	}
	return nil
}

// address is the object's in changes and messages, such as
// "Database.example.org/alpha-shop/main".
func (n *node) address() string { return addressOf(n.gvk, n.namespace, n.name) }

func addressOf(gvk schema.GroupVersionKind, namespace, name string) string {
	address := gvk.Kind
	if gvk.Group != "" {
		address += "." + gvk.Group
	}
	if namespace != "" {
		address += "/" + namespace
	}
	return address + "/" + name
}

// takeRef reads "<namespace>/<name>" or "<name>".
func (n *node) takeRef(ref string) {
	namespace, name, both := strings.Cut(ref, "/")
	if !both {
		n.name = ref
		return
	}
	n.namespace, n.name = namespace, name
}

func joinRef(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// takeTurn waits until no other attempt of this host changes the node. Attempts
// on other hosts are kept apart by the API server: what a preview was made of
// must still be there when it is applied.
func (n *node) takeTurn(ctx context.Context) (done func(), err error) {
	if err := os.MkdirAll(n.req.Workspace, 0o700); err != nil {
		return nil, failed("create workspace", err)
	}
	turn, err := supervise.Acquire(ctx, n.req.Workspace, func(h supervise.Holder) {
		n.say("waiting for %s to end", h)
		n.req.WaitsFor(h.Occupant())
	})
	n.req.WaitsFor(nil)
	if ctx.Err() != nil {
		if err == nil {
			err = turn.Release()
		}
		return nil, errors.Join(canceled(ctx), unlessContext(err))
	}
	if err != nil {
		return nil, failed("lock workspace", err)
	}
	return func() {
		if err := turn.Release(); err != nil {
			n.say("release workspace: %v", err)
		}
	}, nil
}

func unlessContext(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// repeatAfter is how often a line of progress that stays true is said again.
const repeatAfter = 30 * time.Second

// say writes a line of progress to the log, once, and again when it stays true
// for long. The log's failures are nobody's business here.
func (n *node) say(format string, args ...any) {
	line := n.cluster.Mask.Text(fmt.Sprintf(format, args...))
	if line == n.said && time.Since(n.saidAt) < repeatAfter {
		return
	}
	n.said, n.saidAt = line, time.Now()
	_, _ = fmt.Fprintln(n.req.Log, line)
}
