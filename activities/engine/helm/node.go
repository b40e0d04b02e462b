// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/expand"
)

// node is one request at work, for one verb.
type node struct {
	engine   *Engine
	req      engine.Request
	settings catalog.HelmSettings
	cluster  *kube.Cluster
	// namespace and release say where the state is. Either may hold a
	// placeholder while inputs are unknown.
	namespace string
	release   string
	turn      *supervise.Turn
	begun     time.Time
}

// segment is a part of a state address.
var segment = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// open checks the request and waits for the node's turn: no other attempt works
// in the workspace.
func (e *Engine) open(ctx context.Context, req engine.Request) (*node, error) {
	if err := ctx.Err(); err != nil {
		return nil, canceled(ctx)
	}
	for part := range strings.SplitSeq(req.Address, "/") {
		if !segment.MatchString(part) {
			return nil, invalid("state address %q is not made of plain names", req.Address)
		}
	}
	if !filepath.IsAbs(req.Workspace) {
		return nil, invalid("workspace %q is not an absolute path", req.Workspace)
	}
	settings, err := catalog.Settings[catalog.HelmSettings](req.Implementation)
	if err != nil {
		return nil, invalid("the definition's %v", err)
	}
	n := &node{engine: e, req: req, settings: settings, begun: time.Now()}
	if n.cluster, err = kube.Connect(req, Name, settings.Cluster, settings.Namespace); err != nil {
		return nil, err
	}
	if err := n.locate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(req.Workspace, 0o700); err != nil {
		return nil, failed("create workspace", err)
	}
	n.turn, err = supervise.Acquire(ctx, req.Workspace, n.waiting)
	req.WaitsFor(nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		return nil, failed("lock workspace", err)
	}
	return n, nil
}

func (n *node) close() {
	if err := n.turn.Release(); err != nil {
		n.say("release workspace: %v", err)
	}
}

func (n *node) waiting(h supervise.Holder) {
	n.say("waiting for %s to end", h)
	n.req.WaitsFor(h.Occupant())
}

// say writes a line of the engine's own to the log, whose failures are nobody's
// business here.
func (n *node) say(format string, args ...any) {
	_, _ = fmt.Fprintln(n.req.Log, n.cluster.Mask.Text(fmt.Sprintf(format, args...)))
}

func (n *node) path(name string) string { return filepath.Join(n.req.Workspace, name) }

// locate says which release is the node's.
func (n *node) locate() error {
	n.namespace = n.cluster.Namespace
	if n.req.StateRef != "" {
		var err error
		n.namespace, n.release, err = parseRef(n.req.StateRef)
		return err
	}
	n.release = defaultRelease(n.req)
	if n.settings.Release != "" {
		name, err := expand.String(n.settings.Release, kube.Lookup(n.req))
		if err != nil {
			return invalid("settings.release: %v", err)
		}
		n.release = name
	}
	if n.placed() {
		if err := chartutil.ValidateReleaseName(n.release); err != nil {
			return invalid("%q cannot be the name of a release: at most 53 lower-case letters, digits, dashes and dots; set settings.release in the definition", n.release)
		}
	}
	return nil
}

// placed says that it is known where the state is. It is not while an input that
// says so is unknown; nothing can be there yet then.
func (n *node) placed() bool {
	_, unknown := kube.UnknownIn([]any{n.namespace, n.release})
	return !unknown
}

// parseRef reads a "<namespace>/<release>".
func parseRef(ref string) (namespace, release string, err error) {
	namespace, release, ok := strings.Cut(ref, "/")
	if !ok || namespace == "" || chartutil.ValidateReleaseName(release) != nil {
		return "", "", invalid("%q names no release; write <namespace>/<release>", ref)
	}
	return namespace, release, nil
}

// maxRelease is the length of a release's name at most.
const maxRelease = 53

// notInName is what a release's name cannot hold.
var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// defaultRelease is the node's name with a digest of its address, since a
// namespace may hold the releases of several environments.
func defaultRelease(req engine.Request) string {
	digest := addressDigest(req.Address)[:8]
	name := notInName.ReplaceAllString(strings.ToLower(req.Node), "-")
	name = strings.Trim(name[:min(len(name), maxRelease-len(digest)-1)], "-")
	if name == "" {
		name = "node"
	}
	return name + "-" + digest
}

// addressDigest identifies a node where its address cannot be written, such as
// in a label.
func addressDigest(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:20])
}

// ref is the release as messages name it.
func (n *node) ref() string { return n.namespace + "/" + n.release }
