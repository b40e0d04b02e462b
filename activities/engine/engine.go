// SPDX-License-Identifier: Apache-2.0

// Package engine is the contract between Nestor and the programs that change
// infrastructure. An engine observes, previews, applies and destroys one node
// at a time. Every verb is idempotent, stops cleanly when its context is
// canceled, and reports progress through Request.Log.
//
// The rules an engine keeps (package enginetest proves them):
//
//   - Unknown is never absent. A state that cannot be read is an error of
//     class Unreadable; it never leads to a create.
//   - Observe never changes anything.
//   - Apply does exactly what the Preview it is handed showed.
//   - A canceled context lets the program stop cleanly, so that state is
//     written; only after the grace period it is killed.
//   - Errors are *Error: which resource, what the program said, and whether
//     another try can help.
//
// What this package is not for: choosing what to do with a node. That is the
// walk's (orchestrator/walk) and the node step's (activities).
package engine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
)

// Engine drives one kind of infrastructure program.
type Engine interface {
	// Name is what definitions list under engines, such as "terraform".
	Name() string
	// Version names the program and its version, such as "opentofu 1.10.6".
	// It fails with class Unavailable when the program is missing or too old,
	// naming what was found, what is needed and where it was looked for.
	Version(ctx context.Context) (string, error)
	// Observe reads what is there now, without changing anything.
	Observe(ctx context.Context, req Request) (Observation, error)
	// Preview computes what Apply (or, with Request.Destroy, Destroy) would
	// change. Inputs may be unknown; the preview then says which values are
	// known only later.
	Preview(ctx context.Context, req Request) (Preview, error)
	// Apply carries out exactly the preview made by this engine for the same
	// request, and returns the outputs. All inputs are known. It is called for
	// an empty preview too: that costs next to nothing, changes no resource,
	// and records outputs that differ although no resource does.
	Apply(ctx context.Context, req Request, p Preview) (Result, error)
	// Destroy removes everything of the node and proves it by reading back.
	// Destroying what is not there succeeds.
	Destroy(ctx context.Context, req Request) error
}

// Request is one node as an engine sees it.
type Request struct {
	// Address identifies the node's state and never changes for a node:
	// "<team>/<application>/<environment>/<node>".
	Address string
	Node    string
	// Workspace is a directory of the worker for this node alone. Its content
	// may be lost at any time; state is not kept there.
	Workspace string
	// Bundle is a read-only directory with the definition's files.
	Bundle string
	// StateRef is where the node's state is when Address does not say it: the
	// Observation.StateRef of an adoption. Empty for what Nestor made itself.
	StateRef string
	// Implementation is the definition's block for this engine.
	Implementation catalog.Implementation
	// Inputs by name, already of their declared types. Those listed in
	// Unknown are absent here.
	Inputs map[string]any
	// Unknown maps an input to the reason it is not known yet, such as
	// "known after web-app.database". Only Preview sees a non-empty map.
	Unknown map[string]string
	// Sensitive names the inputs that must not appear in a log or a preview;
	// its values are all true.
	Sensitive map[string]bool
	// Secrets are what the inputs were made of and must not appear either, such
	// as the password in an address.
	Secrets []any
	// Outputs the definition declares; the engine maps the program's onto them.
	Outputs []OutputSpec
	// Backend is where state is kept, from the environment.
	Backend orchestrator.Backend
	// Cluster names the one of Clusters that is used where the definition names
	// none; Clusters are the environment's, their credentials resolved.
	Cluster  string
	Clusters map[string]Cluster
	// Env is added to the (otherwise minimal) environment of the program:
	// credentials and settings, already resolved.
	Env map[string]string
	// Settings names those variables of Env that are no secrets. The others are
	// hidden from what is said and shown.
	Settings map[string]bool
	// Destroy asks Preview for a destruction.
	Destroy bool
	// Plan asks Preview for information alone, beside whatever else is at work
	// on the node: it may not settle what an earlier attempt left.
	Plan bool
	// Attempt numbers the attempts at the node's state; 0 where nobody counts.
	Attempt int64
	// CutOff is the attempt that announced creations and of which nobody knows what
	// came of them, 0 for none. Where Workspace does not hold what is known of that
	// attempt, since it worked on another host or the workspace is gone, whatever is
	// to be created may exist already.
	CutOff int64
	// Announced is what the attempt of CutOff was asked for; another release
	// may be asked for now. What it made is looked for by that. Nil
	// where it is this very request, or where nobody has recorded it.
	Announced *Announced
	// Settled says that a person has looked for what was cut off before this
	// request, and stated that nothing of it counts: what is in doubt is absent.
	// Of what the request itself leaves it says nothing.
	Settled bool
	// Dead are the attempts at the node that were cut off and are provably dead: a
	// lock that one of them left may be broken, and no other (see LeftByDead).
	Dead []DeadHolder
	// Waiting, where it is set, is told what the engine waits for before it does
	// anything: a program of an earlier attempt that is not dead. Nil ends it.
	Waiting func(*orchestrator.Occupant)
	// Log takes the program's output as it appears. It is never nil.
	Log io.Writer
}

// Announced is what of a Request can differ from one attempt to the next: the
// definition and its inputs, as in Request.
type Announced struct {
	Bundle         string
	Implementation catalog.Implementation
	Inputs         map[string]any
	Sensitive      map[string]bool
	Outputs        []OutputSpec
}

// AsAnnounced is the request as the attempt of CutOff had it. What is secret of
// this one stays hidden in it.
func (r Request) AsAnnounced() Request {
	if r.Announced == nil {
		return r
	}
	was := r
	was.Announced, was.Unknown = nil, nil
	was.Secrets = slices.Clone(r.Secrets)
	for name := range r.Sensitive {
		was.Secrets = append(was.Secrets, r.Inputs[name])
	}
	was.Bundle, was.Implementation, was.Outputs = r.Announced.Bundle, r.Announced.Implementation, r.Announced.Outputs
	was.Inputs, was.Sensitive = r.Announced.Inputs, r.Announced.Sensitive
	return was
}

// DeadHolder is a process that worked on the node and is dead.
type DeadHolder struct {
	Host string
	// From and Until bound the time in which it can have taken a lock, by its
	// own host's clock.
	From, Until time.Time
}

// LeftByDead says that one of the dead left a lock which was taken on a host at a
// time.
func (r Request) LeftByDead(host string, at time.Time) bool {
	return host != "" && slices.ContainsFunc(r.Dead, func(d DeadHolder) bool {
		return host == d.Host && !at.Before(d.From) && !at.After(d.Until)
	})
}

// WaitsFor tells Waiting, if anybody wants to know.
func (r Request) WaitsFor(o *orchestrator.Occupant) {
	if r.Waiting != nil {
		r.Waiting(o)
	}
}

// Cluster is a Kubernetes cluster as an environment gives access to it.
type Cluster struct {
	// Kubeconfig is the content of a kubeconfig file; empty with InCluster.
	Kubeconfig []byte
	// Context of the kubeconfig; empty means its current one.
	Context string
	// InCluster uses the worker's own service account.
	InCluster bool
	// Namespace for what names none.
	Namespace string
}

// OutputSpec is a declared output.
type OutputSpec struct {
	Name      string
	Type      string
	Sensitive bool
}

// Observation is what is there now.
type Observation struct {
	// Exists is false only when the state was read and holds nothing.
	Exists bool
	// Outputs as last recorded by the engine, when it exists.
	Outputs map[string]any
	// State identifies what was read, where the engine has such a thing.
	State
	// Uncertain lists resources whose creation was cut off before the engine
	// could record it: each may or may not be there. Exists is true then, since
	// unknown is never absent.
	Uncertain []string
	// Instances tells apart the resources that exist: see Preview.Instances.
	Instances map[string]string
	// StateRef of the state that was read; see Request.StateRef.
	StateRef string
}

// Preview is what would change. Changes are ordered by address.
type Preview struct {
	Changes []orchestrator.Change
	// OutputsKept lists the declared outputs that keep their present value
	// whatever this preview changes. Nil claims nothing: every output may
	// change. A dependent's preview takes the kept ones as known.
	OutputsKept []string
	// Token is the engine's own handle to the prepared change (such as a plan
	// file's path). It is valid only in the same workspace and attempt.
	Token string
	// State is what the preview was made on; the zero State is that of a node
	// that has none.
	State State
	// Instances has, for what exists, a text by the address of Changes that is the
	// same for as long as the resource was not replaced. It may change without. What
	// the engine cannot tell of is left out: the replacement of that has happened as
	// soon as it was asked for.
	Instances map[string]string
}

// State identifies a state that was read, where the engine has such a thing.
// A zero Lineage says that there was none to read, or that it bears no name.
type State struct {
	// Lineage names the state as long as it is the same one: it is never given
	// to a second.
	Lineage string
	// Serial grows with each write of the state.
	Serial int64
	// ByClock says that Serial is the time of a write by the clock of the host that
	// wrote. After an attempt of another host that was cut off, a lower one is then
	// no proof of an older state.
	ByClock bool
	// Live says that no state is kept beside the resources themselves: what was read
	// is what exists. Nothing to read is then no lost state, and a replacement that
	// was cut off may have left another Lineage.
	Live bool
}

// Empty says that nothing would change.
func (p Preview) Empty() bool { return len(p.Changes) == 0 }

// Result is what Apply made.
type Result struct {
	Outputs map[string]any
	Serial  int64
	Lineage string
}

// Adopter is an engine that can take over what already exists.
type Adopter interface {
	// Adopt makes what source describes the node's state, without changing a
	// resource. It fails with class Rejected when the node has a state already
	// and with Invalid when the source is none of this engine or does not fit
	// the definition. Adopting the same source again succeeds, also when an
	// attempt before was cut off anywhere.
	Adopt(ctx context.Context, req Request, source Source) (Observation, error)
	// Forget drops the node's state, and what Adopt took over with it, without
	// changing a resource. Forgetting what is not there succeeds.
	Forget(ctx context.Context, req Request) error
}

// Claimer is an engine that can name what a node owns alone.
type Claimer interface {
	// Claims names what the request's identities stand for and, with a source,
	// what is adopted. Equal names of one engine are one thing. It asks nobody.
	Claims(req Request, source *Source) ([]ClaimName, error)
}

// ClaimName is a thing that one node alone can own.
type ClaimName struct {
	Name string
	// Everywhere says that the name is unique on earth, such as a lineage; any
	// other counts where the environment's credentials and region lead.
	Everywhere bool
}

// Source is what Adopt takes over.
type Source struct {
	// State is the content of an existing state: a Terraform state (version 4)
	// or an exported Pulumi stack. Nil for engines that keep none in a file.
	State []byte
	// Ref names what exists otherwise: "<namespace>/<release>" for Helm.
	Ref string
	// Moves map an address in State to the one in the definition's
	// implementation, where they differ.
	Moves map[string]string
}

// Class sorts errors by what can be done about them.
type Class string

// The classes of errors.
const (
	// Transient: another try can help (network, throttling, a lock that a live
	// holder will release).
	Transient Class = "transient"
	// Invalid: the input, the definition or the program's configuration is
	// wrong; no try can help until somebody changes it.
	Invalid Class = "invalid"
	// Rejected: the target refused (quota, permission, conflict, failed
	// provisioning).
	Rejected Class = "rejected"
	// Unavailable: the program is missing or of the wrong version.
	Unavailable Class = "unavailable"
	// Unreadable: the state cannot be read. The node stops.
	Unreadable Class = "unreadable"
	// Locked: the state is locked and the holder is not provably dead.
	Locked Class = "locked"
	// Canceled: the engine stopped because it was asked to.
	Canceled Class = "canceled"
	// Uncertain: the creation of a resource was cut off before it was recorded,
	// and the engine cannot tell whether the resource exists. It is never
	// created again blindly; the message says how to settle it.
	Uncertain Class = "uncertain"
)

// Retryable says whether the class as such is worth another try.
func (c Class) Retryable() bool { return c == Transient }

// Error is every failure of an engine.
type Error struct {
	Class    Class
	Engine   string
	Resource string // the program's own address, where one is to blame
	Message  string // what the program said, shortened, without secrets
	Err      error
}

func (e *Error) Error() string {
	if e.Resource == "" {
		return fmt.Sprintf("%s: %s", e.Engine, e.Message)
	}
	return fmt.Sprintf("%s: %s: %s", e.Engine, e.Resource, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
