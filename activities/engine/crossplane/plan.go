// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"errors"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/orchestrator"
)

// action is what a plan does.
type action string

const (
	actNothing action = "nothing"
	actCreate  action = "create"
	actUpdate  action = "update"
	actReplace action = "replace"
)

// plan is what would be done, and what it was made of.
type plan struct {
	action        action
	found         found
	want          wanted
	makeNamespace bool
	preview       engine.Preview
}

// plan finds out what an apply would do. It changes nothing: what the server
// has to say comes from dry runs.
func (n *node) plan(ctx context.Context) (plan, error) {
	var p plan
	if n.lacking != nil {
		return p, n.lacking
	}
	var err error
	if p.want, err = n.render(); err != nil {
		return p, err
	}
	if p.found, err = n.read(ctx); err != nil {
		return p, err
	}
	if p.found.foreign != nil {
		return p, n.taken(p.found.foreign)
	}
	change := orchestrator.Change{Address: n.shownAddress()}
	var raw []orchestrator.AttributeChange
	switch live := p.found.live; {
	case len(p.found.others) == 1 && n.nameless():
		// Whether it will be called otherwise is not known; the rest is compared.
		p.action, change.Action = actUpdate, orchestrator.ActionUpdate
		old := p.found.others[0]
		raw = n.diff(old, &unstructured.Unstructured{Object: merged(old.Object, p.want.shown.Object).(map[string]any)}, &change)
		change.Address = addressOf(n.gvk, old.GetNamespace(), old.GetName())
	case live == nil && len(p.found.others) > 0:
		p.action, change.Action = actReplace, orchestrator.ActionReplace
		raw, err = n.planRename(p, &change)
	case live == nil, live.GetDeletionTimestamp() != nil:
		p.action, change.Action = actCreate, orchestrator.ActionCreate
		if live != nil {
			change.Reason = "the one before it is still being deleted"
		}
		raw = n.diff(nil, p.want.shown, &change)
		p.makeNamespace, err = n.checkCreate(ctx, p.want)
	default:
		raw, err = n.planUpdate(ctx, &p, &change)
	}
	if err != nil {
		return p, err
	}
	p.preview = engine.Preview{Token: n.token(p, raw), State: p.found.state(), Instances: n.instances(p.found.all()...)}
	if len(n.req.Unknown) > 0 {
		p.preview.Token = "" // it is never applied
	}
	if p.action != actNothing {
		p.preview.Changes = append(p.preview.Changes, change)
	}
	if p.makeNamespace {
		p.preview.Changes = append([]orchestrator.Change{{
			Address: "Namespace/" + n.namespace, Action: orchestrator.ActionCreate,
		}}, p.preview.Changes...)
		sortChanges(p.preview.Changes)
	}
	return p, nil
}

// token stands for a plan: an equal one would do the same to the same object.
func (n *node) token(p plan, raw []orchestrator.AttributeChange) string {
	uids := []string{}
	for _, obj := range p.found.all() {
		uids = append(uids, string(obj.GetUID()))
	}
	return digest(map[string]any{
		"action": p.action, "address": n.address(), "want": p.want.digest, "objects": uids,
		"differences": raw, "namespace": p.makeNamespace,
	})
}

// diff sets a change's attributes, and returns them with nothing hidden.
func (n *node) diff(before, after *unstructured.Unstructured, change *orchestrator.Change) []orchestrator.AttributeChange {
	before, after = bare(before), bare(after)
	change.Attributes = kube.Diff(before, after, n.cluster.Mask)
	return kube.Diff(before, after, nil)
}

// nameless says that the object's name or namespace is not known yet.
func (n *node) nameless() bool {
	_, unknown := kube.UnknownIn(n.name + n.namespace)
	return unknown
}

// shownAddress is the object's address where its name is known.
func (n *node) shownAddress() string {
	address := n.address()
	if reason, unknown := kube.UnknownIn(address); unknown {
		return addressOf(n.gvk, "", "("+reason+")")
	}
	return address
}

// planRename replaces an object whose name or namespace is another one now.
func (n *node) planRename(p plan, change *orchestrator.Change) ([]orchestrator.AttributeChange, error) {
	old := p.found.others[0]
	if len(p.found.others) > 1 {
		return nil, n.rejected(n.address(), "several objects bear the mark of this node: %s; remove the label %s from those that are not its own",
			describe(p.found.others), labelNode)
	}
	after := &unstructured.Unstructured{Object: merged(old.Object, p.want.shown.Object).(map[string]any)}
	if n.namespace == "" {
		after.SetNamespace("")
	}
	raw := n.diff(old, after, change)
	for i, a := range change.Attributes {
		change.Attributes[i].Replaces = a.Path == "metadata.name" || a.Path == "metadata.namespace"
	}
	change.Reason = "it has another name now"
	return raw, nil
}

// checkCreate asks the server whether it would take the object, and says whether
// its namespace must be made first.
func (n *node) checkCreate(ctx context.Context, want wanted) (makeNamespace bool, err error) {
	if want.unknown {
		return false, nil // the server would judge an object that is not the one to be sent
	}
	err = n.dryCreate(ctx, want.sent)
	if err == nil || apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	if missing := missingNamespace(err); missing != "" && n.settings.CreateNamespace {
		return true, nil
	}
	return false, n.cluster.Fail(ctx, n.address(), err)
}

func (n *node) dryCreate(ctx context.Context, obj *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := n.cluster.Objects(n.kind, n.namespace).Create(ctx, obj, metav1.CreateOptions{
		FieldManager: manager, FieldValidation: metav1.FieldValidationStrict, DryRun: []string{metav1.DryRunAll},
	})
	return err
}

// missingNamespace is the namespace whose absence made a call fail.
func missingNamespace(err error) string {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return ""
	}
	if status.Status().Details == nil || status.Status().Details.Kind != "namespaces" {
		return ""
	}
	return status.Status().Details.Name
}

// planUpdate compares what is there with what the server would make of it.
func (n *node) planUpdate(ctx context.Context, p *plan, change *orchestrator.Change) ([]orchestrator.AttributeChange, error) {
	live := p.found.live
	after := &unstructured.Unstructured{Object: merged(live.Object, p.want.shown.Object).(map[string]any)}
	p.action, change.Action = actUpdate, orchestrator.ActionUpdate
	made, err := n.applyObject(ctx, p.want.sent, "", true)
	switch {
	case err == nil:
		after.Object, _ = overlay(made.Object, p.want.shown.Object).(map[string]any)
	case p.want.unknown && apierrors.IsInvalid(err):
		// It is not whole yet: the comparison is without the server's help.
	case n.replaces(ctx, err, p.want):
		p.action, change.Action = actReplace, orchestrator.ActionReplace
		raw := n.diff(live, after, change)
		forcedBy(err, change)
		return raw, nil
	default:
		return nil, n.cluster.Fail(ctx, n.address(), err)
	}
	raw := n.diff(live, after, change)
	if len(raw) == 0 {
		p.action = actNothing
		return raw, nil
	}
	if live.GetAnnotations()[annotationApplied] == p.want.digest {
		change.Reason = "was changed by somebody else"
	}
	return raw, nil
}

// applyObject is server-side apply; version, where given, is the resource
// version that must still be there.
func (n *node) applyObject(ctx context.Context, obj *unstructured.Unstructured, version string, dry bool) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	obj = obj.DeepCopy()
	obj.SetResourceVersion(version)
	// The node's definition decides over the fields that it names, as it does
	// with every other engine: what somebody else made of them is shown first.
	options := metav1.ApplyOptions{FieldManager: manager, Force: true}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return n.cluster.Objects(n.kind, n.namespace).Apply(ctx, obj.GetName(), obj, options)
}

// immutable matches how servers and schemas refuse to change a field: their own
// words, those that authors of rules use, and the rule itself where it has none.
var immutable = regexp.MustCompile(`(?i)immutable|(can ?not|can't|may not|must not) be (changed|modified|updated)|self == oldSelf|oldSelf == self`)

// replaces says that an update was refused only because a field cannot change:
// the same object would be taken as a new one.
func (n *node) replaces(ctx context.Context, err error, want wanted) bool {
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
		return false
	}
	causes := causesOf(err)
	if len(causes) == 0 && !immutable.MatchString(err.Error()) {
		return false
	}
	for _, c := range causes {
		if !immutable.MatchString(c.Message) {
			return false
		}
	}
	if want.unknown {
		return true
	}
	fresh := want.sent.DeepCopy()
	fresh.SetName(derivedName(n.req.Address + " anew"))
	return n.dryCreate(ctx, fresh) == nil
}

func causesOf(err error) []metav1.StatusCause {
	status, ok := err.(apierrors.APIStatus)
	if !ok || status.Status().Details == nil {
		return nil
	}
	return status.Status().Details.Causes
}

// forcedBy marks the attributes that force a replacement.
func forcedBy(err error, change *orchestrator.Change) {
	var fields []string
	for _, c := range causesOf(err) {
		field := strings.TrimSuffix(c.Field, ".")
		if field != "" && field != "<nil>" {
			fields = append(fields, field)
		}
	}
	named := false
	for i, a := range change.Attributes {
		for _, f := range fields {
			if a.Path == f || strings.HasPrefix(a.Path, f+".") || strings.HasPrefix(a.Path, f+"[") {
				change.Attributes[i].Replaces, named = true, true
			}
		}
	}
	for i := range change.Attributes {
		if !named { // the server does not say which
			change.Attributes[i].Replaces = true
		}
	}
	change.Reason = "cannot be updated in place"
}
