// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/HatiCode/nestor/activities/engine"
)

// Marks on the secrets of a node's release, beside Helm's own. Helm carries
// labels along when somebody upgrades the release by its own program.
const (
	nodeLabel         = "nestor.io/node"    // addressDigest
	lineageLabel      = "nestor.io/lineage" // one life of the release
	sourceLabel       = "nestor.io/source"  // digest of chart and values, and the revision made of them
	addressAnnotation = "nestor.io/address"
	holderAnnotation  = "nestor.io/holder"
)

// secretType is Helm's own.
const secretType = "helm.sh/release.v1" //nolint:gosec // a type, not a secret

// revision is one release secret.
type revision struct {
	*release.Release
	secret          string // its name
	resourceVersion string
	labels          map[string]string
	annotations     map[string]string
}

func (r revision) status() release.Status { return r.Info.Status }

// pending says that an attempt is, or was, at work on it.
func (r revision) pending() bool {
	return r.status().IsPending() || r.status() == release.StatusUninstalling
}

// good says that the revision was once wholly there.
func (r revision) good() bool {
	return r.status() == release.StatusDeployed || r.status() == release.StatusSuperseded
}

// source is the digest of what the revision was made of. The label of an earlier
// revision, which Helm carries along, says nothing.
func (r revision) source() string {
	digest, number, _ := strings.Cut(r.labels[sourceLabel], ".")
	if number != strconv.Itoa(r.Version) {
		return ""
	}
	return digest
}

// sourceMark is the label's value.
func sourceMark(digest string, revision int) string { return digest + "." + strconv.Itoa(revision) }

// history is what is recorded of a release, by revision. Empty means that the
// release is not there.
type history []revision

func (h history) last() *revision {
	if len(h) == 0 {
		return nil
	}
	return &h[len(h)-1]
}

// effective are the revisions whose manifests may be in the cluster: the last
// whole one and all attempts after it.
func (h history) effective() history {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].good() {
			return h[i:]
		}
		if h[i].status() == release.StatusUninstalled {
			return h[i+1:]
		}
	}
	return h
}

// standing is the number of the revision that is there as a whole, under what
// later attempts did; 0 when there is none. Once a later one was whole, or an
// uninstall has begun, nobody can tell what of it was let go.
func (h history) standing() int {
	effective := h.effective()
	if len(effective) == 0 || !effective[0].good() {
		return 0
	}
	if effective[0].status() != release.StatusDeployed && len(effective) > 1 {
		return 0
	}
	for _, r := range effective {
		if !r.Info.Deleted.IsZero() {
			return 0
		}
	}
	return effective[0].Version
}

func (n *node) secrets() dynamic.ResourceInterface {
	return n.cluster.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(n.namespace)
}

// history reads the release's secrets. One that cannot be read is an error of
// class Unreadable: it is never left out.
func (n *node) history(ctx context.Context) (history, error) {
	if !n.placed() {
		return nil, nil
	}
	selector := labels.Set{"owner": "helm", "name": n.release}.AsSelector().String()
	list, err := n.secrets().List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, n.cluster.FailReading(ctx, "release "+n.ref(), err)
	}
	var out history
	for i := range list.Items {
		item := &list.Items[i]
		if kind, _, _ := unstructured.NestedString(item.Object, "type"); kind != secretType {
			continue
		}
		r, err := readRevision(item)
		if err != nil {
			return nil, &engine.Error{
				Class: engine.Unreadable, Engine: Name, Resource: "release " + n.ref(), Err: err,
				Message: fmt.Sprintf("the secret %s, which holds a revision, cannot be read: %v; restore it, or delete it if an earlier revision is to count", item.GetName(), err),
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b revision) int { return a.Version - b.Version })
	return out, nil
}

// readRevision decodes a release secret: base64 of gzip of JSON, in base64.
func readRevision(secret *unstructured.Unstructured) (revision, error) {
	r := revision{
		secret: secret.GetName(), resourceVersion: secret.GetResourceVersion(),
		labels: secret.GetLabels(), annotations: secret.GetAnnotations(),
	}
	data, _, err := unstructured.NestedString(secret.Object, "data", "release")
	if err != nil {
		return r, err
	}
	encoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return r, fmt.Errorf("its content is not base64: %w", err)
	}
	r.Release, err = decodeRelease(encoded)
	return r, err
}

// maxRecord bounds what a record unpacks to.
const maxRecord = 256 << 20

func decodeRelease(encoded []byte) (*release.Release, error) {
	packed, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil {
		return nil, fmt.Errorf("its record is not base64: %w", err)
	}
	text := packed
	if bytes.HasPrefix(packed, []byte{0x1f, 0x8b, 0x08}) {
		unpack, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, fmt.Errorf("its record cannot be unpacked: %w", err)
		}
		if text, err = io.ReadAll(io.LimitReader(unpack, maxRecord)); err != nil {
			return nil, fmt.Errorf("its record cannot be unpacked: %w", err)
		}
	}
	var r release.Release
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("its record is no release: %w", err)
	}
	if r.Info == nil || r.Version < 1 || r.Name == "" {
		return nil, errors.New("its record is no release: it names no revision")
	}
	return &r, nil
}

func encodeRelease(r *release.Release) (string, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(text); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes()), nil
}

// secretName is Helm's name for a revision's secret.
func secretName(release string, revision int) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", release, revision)
}

// record writes a revision: a new one when it has no resource version, and
// otherwise over exactly the version that was read. Somebody else's write in
// between is an error of class Transient, and nothing is written.
func (n *node) record(ctx context.Context, r *revision) error {
	encoded, err := encodeRelease(r.Release)
	if err != nil {
		return failed("encode release", err)
	}
	marks := map[string]string{}
	for k, v := range r.labels {
		marks[k] = v
	}
	stamp := "modifiedAt"
	if r.resourceVersion == "" {
		stamp = "createdAt"
	}
	marks[stamp] = strconv.FormatInt(time.Now().Unix(), 10)
	marks["name"], marks["owner"] = r.Name, "helm"
	marks["status"], marks["version"] = r.Info.Status.String(), strconv.Itoa(r.Version)
	r.labels = marks
	r.secret = secretName(r.Name, r.Version)
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": secretType,
		"data": map[string]any{"release": base64.StdEncoding.EncodeToString([]byte(encoded))},
	}}
	secret.SetName(r.secret)
	secret.SetNamespace(n.namespace)
	secret.SetLabels(r.labels)
	secret.SetAnnotations(r.annotations)
	if r.resourceVersion == "" {
		secret, err = n.secrets().Create(ctx, secret, metav1.CreateOptions{})
	} else {
		secret.SetResourceVersion(r.resourceVersion)
		secret, err = n.secrets().Update(ctx, secret, metav1.UpdateOptions{})
	}
	switch {
	case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err),
		apierrors.IsNotFound(err) && r.resourceVersion != "":
		return again("somebody else has changed release %s", n.ref())
	case apierrors.IsRequestEntityTooLargeError(err), apierrors.IsInvalid(err) && strings.Contains(err.Error(), "Too long"):
		return invalid("release %s is too large to be recorded: chart and manifest may take about 1 MiB, packed; leave files out by .helmignore or split the chart", n.ref())
	case err != nil:
		return n.cluster.Fail(ctx, "release "+n.ref(), err)
	}
	r.resourceVersion = secret.GetResourceVersion()
	return nil
}

// forgetRevision deletes a revision's secret.
func (n *node) forgetRevision(ctx context.Context, r revision) error {
	err := n.secrets().Delete(ctx, r.secret, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return n.cluster.Fail(ctx, "release "+n.ref(), err)
	}
	return nil
}
