// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/orchestrator"
)

// mode is what an apply does to the release.
type mode string

// The modes.
const (
	install  mode = "install"
	upgrade  mode = "upgrade"
	rollback mode = "rollback"
	resume   mode = "resume" // an attempt on the same revision was cut off or failed
	mend     mode = "mend"   // nothing new: what somebody else changed is put back
	nothing  mode = "nothing"
)

// goal is the release as the request wants it.
type goal struct {
	mode mode
	// revision is the number that the release gets.
	revision int
	// install says that no revision was whole before: hooks are an install's.
	install bool
	// to is the revision that a rollback goes back to.
	to int
	// digest covers chart and values.
	digest string
	*rendering
	conditional map[*unstructured.Unstructured]string
	conceals    concealed
}

// step is one thing to do to one object.
type step struct {
	Action  orchestrator.Action `json:"action"`
	Address string              `json:"address"`
	// Object as it is to be; for a deletion, what identifies it.
	Object json.RawMessage `json:"object"`
	// Patch of an update.
	Patch patch `json:"patch,omitzero"`
	// Before is the manifest that Patch was made from, with the live object.
	Before json.RawMessage `json:"before,omitempty"`
	// UID of the live object that is updated, replaced or deleted.
	UID types.UID `json:"uid,omitempty"`
	// Shown is a digest of what the preview shows of the update.
	Shown string `json:"shown,omitempty"`
	// CRD says that the object comes before everything else, and stays.
	CRD bool `json:"crd,omitempty"`
}

// aim decides what to do and renders it. Nothing is asked of the chart when the
// last revision was made whole of the same chart and values: charts that draw
// passwords or look around in the cluster keep what they made.
func (n *node) aim(r *renderer, h history) (goal, error) {
	last, whole := h.last(), h.whole()
	digest, err := n.digest(r.source)
	if err != nil {
		return goal{}, err
	}
	g := goal{mode: install, revision: 1, install: whole == nil, digest: digest}
	if last != nil {
		g.revision = last.Version + 1
	}
	if whole != nil {
		g.mode = upgrade
	}
	if last != nil && last.status() == release.StatusDeployed {
		same, err := n.same(r, *last, digest)
		if err != nil {
			return goal{}, err
		}
		if same != nil {
			g.mode, g.revision, g.rendering = mend, last.Version, same
			return g, nil
		}
	}
	if last != nil && last.status() != release.StatusDeployed {
		if done, err := n.takeUp(h, &g); err != nil || done {
			return g, err
		}
	}
	g.rendering, err = r.render(n.req.Inputs, revisionOf{revision: g.revision, install: g.install}, true)
	return g, err
}

// takeUp goes on with a revision that is not whole, or goes back to an earlier
// one, where one of them is what the request wants.
func (n *node) takeUp(h history, g *goal) (done bool, err error) {
	last := h.last()
	if last.source() == g.digest && (last.status() == release.StatusFailed || last.status().IsPending()) {
		g.mode, g.revision = resume, last.Version
		g.rendering, err = recorded(*last)
		return true, err
	}
	for i := len(h) - 2; i >= 0; i-- {
		if h[i].good() && h[i].source() == g.digest {
			g.mode, g.to = rollback, h[i].Version
			g.rendering, err = recorded(h[i])
			return true, err
		}
	}
	return false, nil
}

// same is the recorded rendering of the last revision, when the chart and values
// of now make the same; otherwise nil. A revision that Nestor did not make says
// nothing of its source: it is rendered again as it was then.
func (n *node) same(r *renderer, last revision, digest string) (*rendering, error) {
	if source := last.source(); source != "" {
		if source == digest {
			return recorded(last)
		}
		return nil, nil //nolint:nilnil // not the same is no error
	}
	then := revisionOf{revision: last.Version, install: last.Info.Description == describeInstall}
	now, err := r.render(n.req.Inputs, then, true)
	if err != nil {
		return nil, err
	}
	was, err := recorded(last)
	if err != nil || strings.TrimSpace(now.manifest) != strings.TrimSpace(was.manifest) {
		return nil, err
	}
	return was, nil
}

// recorded is a rendering as a revision keeps it.
func recorded(r revision) (*rendering, error) {
	objects, err := parseManifest(r.Manifest, fmt.Sprintf("the manifest of revision %d", r.Version))
	if err != nil {
		return nil, err
	}
	return &rendering{
		chart: r.Chart, values: r.Config, manifest: r.Manifest, hooks: r.Hooks, notes: r.Info.Notes, objects: objects,
	}, nil
}

// digest covers what a rendering is made of, cut to fit a label.
func (n *node) digest(s source) (string, error) {
	values, err := n.values(n.req.Inputs)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(values)
	if err != nil {
		return "", invalid("values: %v", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q %t %s", s.digest, n.ref(), n.settings.DisableHooks, text))
	return hex.EncodeToString(sum[:])[:50], nil
}

// whole is the last revision that was whole and is still there.
func (h history) whole() *revision {
	effective := h.effective()
	if len(effective) > 0 && effective[0].good() {
		return &effective[0]
	}
	return nil
}

// comparison is what one object needs.
type comparison struct {
	change *orchestrator.Change
	step   *step
}

// compareAll compares a goal with what is there, object by object.
func (n *node) compareAll(ctx context.Context, r *renderer, h history, g goal) ([]comparison, error) {
	after, err := n.objects(ctx, g.objects, r.kinds(g.rendering), false)
	if err != nil {
		return nil, err
	}
	for i, o := range after {
		after[i].conceals = g.conceals[o.Unstructured]
	}
	before, err := n.before(ctx, h)
	if err != nil {
		return nil, err
	}
	complete := h.last() != nil && h.last().status() == release.StatusDeployed
	c := comparer{node: n, before: map[key]object{}, complete: complete}
	for _, o := range before {
		c.before[o.key] = o
	}
	first, err := n.foundations(ctx, r, g)
	if err != nil {
		return nil, err
	}
	c.namespace = len(first) > 0 && first[len(first)-1].change.Address == key{kind: "Namespace", name: n.namespace}.address()
	for _, o := range after {
		if o.key.kind == "Namespace" && o.key.group == "" {
			c.brings = append(c.brings, o.key.name)
		}
	}
	results := make([]comparison, len(after))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	wanted := map[key]bool{}
	for i, o := range after {
		wanted[o.key] = true
		group.Go(func() error {
			var err error
			results[i], err = c.compare(groupCtx, o, g.conditional[o.Unstructured])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		return nil, err
	}
	var leaving []object
	for _, o := range before {
		if !wanted[o.key] {
			leaving = append(leaving, o)
		}
	}
	gone, err := n.leave(ctx, leaving)
	return slices.Concat(first, results, gone), err
}

// parallel bounds the requests of one comparison.
const parallel = 8

// foundations are the CRDs of a first install, and the namespace.
func (n *node) foundations(ctx context.Context, r *renderer, g goal) ([]comparison, error) {
	var out []comparison
	if g.install {
		crds, err := n.objects(ctx, r.crds, nil, false)
		if err != nil {
			return nil, err
		}
		for _, o := range crds {
			_, err := n.cluster.Objects(o.kind, o.key.namespace).Get(ctx, o.key.name, metav1.GetOptions{})
			if err == nil {
				n.say("%s is there already and stays as it is", o.key.address())
				continue
			}
			if !apierrors.IsNotFound(err) {
				return nil, n.cluster.FailReading(ctx, o.key.address(), err)
			}
			made, err := n.create(o, o.Unstructured, "from the chart's folder crds; it will stay when the release goes")
			if err != nil {
				return nil, err
			}
			made.step.CRD = true
			out = append(out, made)
		}
	}
	if !n.placed() {
		return out, nil
	}
	exists, err := n.namespaceExists(ctx)
	if err != nil || exists {
		return out, err
	}
	if !n.settings.CreateNamespace {
		return nil, invalid("cluster %s has no namespace %s; create it, or set createNamespace in the definition", n.cluster.Name, n.namespace)
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": n.namespace},
	}}
	made, err := n.create(object{Unstructured: u, key: key{kind: "Namespace", name: n.namespace}}, u, "of the release; it will stay when the release goes")
	return append(out, made), err
}

func namespaceResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
}

// namespaceExists takes the word of whoever may not look.
func (n *node) namespaceExists(ctx context.Context) (bool, error) {
	_, err := n.cluster.Dynamic.Resource(namespaceResource()).Get(ctx, n.namespace, metav1.GetOptions{})
	switch {
	case err == nil, apierrors.IsForbidden(err):
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	default:
		return false, n.cluster.FailReading(ctx, "Namespace/"+n.namespace, err)
	}
}

// create is the comparison for an object that is not there.
func (n *node) create(o object, as *unstructured.Unstructured, reason string) (comparison, error) {
	text, err := json.Marshal(as.Object)
	if err != nil {
		return comparison{}, invalid("%s: %v", o.key.address(), err)
	}
	return comparison{
		change: &orchestrator.Change{
			Address: n.shown(o.key), Action: orchestrator.ActionCreate,
			Attributes: kube.Diff(nil, o.Unstructured, n.maskOf(o)), Reason: reason,
		},
		step: &step{Action: orchestrator.ActionCreate, Address: o.key.address(), Object: text},
	}, nil
}

// before is what the cluster may hold of the release, in the manifests' order:
// the last whole revision with all attempts after it laid over.
func (n *node) before(ctx context.Context, h history) ([]object, error) {
	var out []object
	at := map[key]int{}
	standing := h.standing()
	for _, r := range h.effective() {
		parsed, err := parseManifest(r.Manifest, fmt.Sprintf("the manifest of revision %d", r.Version))
		if err != nil {
			return nil, err
		}
		objects, err := n.objects(ctx, parsed, nil, true)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			o.standing = r.Version == standing
			i, there := at[o.key]
			if !there {
				at[o.key] = len(out)
				out = append(out, o)
				continue
			}
			o.standing = o.standing || out[i].standing
			if o.Unstructured, err = overlaid(out[i].Unstructured, o.Unstructured); err != nil {
				return nil, invalid("%s: %v", o.key.address(), err)
			}
			out[i] = o
		}
	}
	return out, nil
}

// leave compares what the new manifest no longer has.
func (n *node) leave(ctx context.Context, objects []object) ([]comparison, error) {
	var out []comparison
	for _, o := range forDeletion(objects) {
		live, err := n.live(ctx, o)
		if err != nil {
			return nil, err
		}
		if live == nil || n.stays(o, live) {
			continue
		}
		text, err := json.Marshal(o.Object)
		if err != nil {
			return nil, invalid("%s: %v", o.key.address(), err)
		}
		out = append(out, comparison{
			change: &orchestrator.Change{Address: n.shown(o.key), Action: orchestrator.ActionDelete},
			step:   &step{Action: orchestrator.ActionDelete, Address: o.key.address(), Object: text, UID: live.GetUID()},
		})
	}
	return out, nil
}

// stays says that an object is not to be deleted with its release, and the log
// why.
func (n *node) stays(o object, live *unstructured.Unstructured) bool {
	if o.keeps() || (object{Unstructured: live}).keeps() {
		n.say("%s stays: its resource policy is keep", o.key.address())
		return true
	}
	ours, owner := n.owned(live)
	switch {
	case owner != "":
		n.say("%s stays: it belongs to release %s by now", o.key.address(), owner)
		return true
	case !ours && !o.standing:
		n.say("%s stays: it bears no mark of this release, which did not make it or let it go", o.key.address())
		return true
	}
	return false
}

// live reads an object; nil when it is not there.
func (n *node) live(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	if _, unknown := kube.UnknownIn([]any{o.key.namespace, o.key.name}); unknown || !o.served {
		return nil, nil //nolint:nilnil // nothing is there
	}
	live, err := n.cluster.Objects(o.kind, o.key.namespace).Get(ctx, o.key.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // nothing is there
	}
	if err != nil {
		return nil, n.cluster.FailReading(ctx, o.key.address(), err)
	}
	return live, nil
}

// shown is an address with what is unknown in it written out.
func (n *node) shown(k key) string { return n.known(k.address()) }

// known is a text with what is unknown in it written out, and without secrets.
func (n *node) known(text string) string {
	for _, reason := range n.req.Unknown {
		text = strings.ReplaceAll(text, kube.Placeholder(reason), "("+reason+")")
	}
	return n.cluster.Mask.Text(text)
}
