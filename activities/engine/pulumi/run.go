// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optremove"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// export reads the checkpoint from a backend that only the program can read.
func (n *node) export(ctx context.Context) (deployment, error) {
	if err := n.ready(ctx); err != nil {
		return deployment{}, err
	}
	handle, err := n.handle(ctx, &command{}, n.backend.url)
	if err != nil {
		return deployment{}, failed("prepare stack export", err)
	}
	exported, err := handle.Export(ctx)
	if err != nil {
		err = n.result(ctx, phaseState, err, nil)
		if e, ok := engine.AsError(err); ok && e.Class != engine.Canceled && noStack.MatchString(e.Message) {
			return deployment{}, nil
		}
		return deployment{}, err
	}
	d, err := parseDeployment(exported.Version, exported.Deployment)
	if err != nil {
		return d, unreadable("the state of stack %s in %s %v", n.stack.ref(), redactURL(n.backend.url), err)
	}
	return d, nil
}

var noStack = regexp.MustCompile(`no stack named '[^']*' found`)

// importState writes a checkpoint, its secrets under the passphrase that s is
// the record of: what an export has in clear would be so in the backend, too.
func (n *node) importState(ctx context.Context, version int, raw map[string]any, s salt) error {
	key, err := n.engine.vault.key(ctx, n.passphrase, s)
	if err != nil {
		return unreadable("the state of stack %s: %v", n.stack.ref(), err)
	}
	sealed, err := seal(ctx, key, raw)
	if err != nil {
		return failed("encrypt the state", err)
	}
	whole, _ := sealed.(map[string]any)
	whole["secrets_providers"] = map[string]any{"type": passphraseProvider, "state": map[string]any{"salt": s}}
	text, err := json.Marshal(whole)
	if err != nil {
		return failed("write the state", err)
	}
	return n.changing(ctx, phaseState, nil, func(h auto.Stack) error {
		return h.Import(ctx, apitype.UntypedDeployment{Version: version, Deployment: text})
	})
}

// create makes an empty stack.
func (n *node) create(ctx context.Context, backendURL string) error {
	h, err := n.handle(ctx, &command{}, backendURL)
	if err != nil {
		return failed("prepare stack init", err)
	}
	err = h.Workspace().CreateStack(ctx, n.stack.qualified())
	if err != nil && auto.IsCreateStack409Error(err) {
		return nil // a run before made it and got no further
	}
	return n.result(ctx, phaseState, err, nil)
}

// runPreview computes the changes and saves the plan that Apply is held to.
// Previews take no lock.
func (n *node) runPreview(ctx context.Context, backendURL, plan string) (*record, error) {
	h, err := n.handle(ctx, &command{}, backendURL)
	if err != nil {
		return nil, failed("prepare preview", err)
	}
	seen := make(chan events.EngineEvent)
	over, done := make(chan struct{}), make(chan struct{})
	rec := newRecord()
	go func() {
		defer close(done)
		rec.follow(seen, over)
	}()
	out, errOut := n.pumps()
	_, err = h.Preview(ctx, optpreview.Refresh(), optpreview.Plan(plan), optpreview.EventStreams(seen),
		optpreview.ProgressStreams(out), optpreview.ErrorProgressStreams(errOut), optpreview.SuppressProgress(), optpreview.SuppressOutputs())
	out.flush()
	errOut.flush()
	close(over)
	<-done
	return rec, n.result(ctx, phasePreview, err, rec)
}

// runUp applies a plan.
func (n *node) runUp(ctx context.Context, plan string) error {
	out, errOut := n.pumps()
	defer out.flush()
	defer errOut.flush()
	return n.changing(ctx, phaseApply, nil, func(h auto.Stack) error {
		_, err := h.Up(ctx, optup.Refresh(), optup.Plan(plan), optup.SuppressProgress(), optup.SuppressOutputs(),
			optup.ProgressStreams(out), optup.ErrorProgressStreams(errOut))
		return err
	})
}

// runDestroy destroys what is in the stack, having looked what is still there,
// and removes the stack if asked to and nothing is left.
func (n *node) runDestroy(ctx context.Context, remove bool) error {
	out, errOut := n.pumps()
	defer out.flush()
	defer errOut.flush()
	var extra []string
	if remove {
		extra = append(extra, "--remove") // the Automation API's own option is another process
	}
	return n.changing(ctx, phaseApply, extra, func(h auto.Stack) error {
		_, err := h.Destroy(ctx, optdestroy.Refresh(), optdestroy.SuppressProgress(), optdestroy.SuppressOutputs(),
			optdestroy.ProgressStreams(out), optdestroy.ErrorProgressStreams(errOut))
		return err
	})
}

// runRefresh reads resources into the checkpoint.
func (n *node) runRefresh(ctx context.Context, urns []string) error {
	out, errOut := n.pumps()
	defer out.flush()
	defer errOut.flush()
	return n.changing(ctx, phaseApply, nil, func(h auto.Stack) error {
		_, err := h.Refresh(ctx, optrefresh.Target(urns), optrefresh.SuppressProgress(), optrefresh.SuppressOutputs(),
			optrefresh.ProgressStreams(out), optrefresh.ErrorProgressStreams(errOut))
		return err
	})
}

// runCancel removes the stack's locks.
func (n *node) runCancel(ctx context.Context) error {
	h, err := n.handle(ctx, &command{}, n.backend.url)
	if err != nil {
		return failed("prepare cancel", err)
	}
	return n.result(ctx, phaseState, h.Cancel(ctx), nil)
}

// removeStack removes a stack. One that holds resources is removed only with
// force, and they stay.
func (n *node) removeStack(ctx context.Context, options ...optremove.Option) error {
	return n.changing(ctx, phaseState, nil, func(h auto.Stack) error {
		return h.Workspace().RemoveStack(ctx, n.stack.qualified(), options...)
	})
}

// changing runs a command that takes the stack's lock, recorded in the journal.
func (n *node) changing(ctx context.Context, at phase, extra []string, run func(auto.Stack) error) error {
	return n.unlocked(ctx, func() error {
		if err := n.begin(); err != nil {
			return err
		}
		if err := os.RemoveAll(n.eventsFile()); err != nil {
			return failed("remove old events", err)
		}
		c := &command{journalled: true, extra: extra}
		if at == phaseApply {
			c.events = n.eventsFile()
		}
		h, err := n.handle(ctx, c, n.backend.url)
		if err != nil {
			return failed("prepare the run", err)
		}
		err = run(h)
		rec, readErr := readRecord(n.eventsFile())
		if readErr != nil {
			n.say("the events of the run cannot be read: %v", readErr)
		}
		if err == nil {
			return n.end()
		}
		return n.result(ctx, at, err, rec)
	})
}

// result turns a failed run into an *engine.Error.
func (n *node) result(ctx context.Context, at phase, err error, rec *record) error {
	n.locked, n.locks = false, nil
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	if _, isEngine := engine.AsError(err); isEngine {
		return err
	}
	text := err.Error()
	if locks, locked := parseLocks(text); locked {
		n.locked, n.locks = true, locks
		return n.lockError(locks)
	}
	d := rec.failure()
	if how, killed := killedBy(text); killed && d.message == "" {
		return &engine.Error{
			Class: engine.Transient, Engine: Name, Message: fmt.Sprintf("pulumi was killed (%s)", how), Err: errRun,
		}
	}
	if d.message == "" {
		d.message = saidError(text)
	}
	d.message = plainly(d.message)
	e := &engine.Error{Engine: Name, Resource: d.resource, Err: errRun}
	e.Class = classify(at, d.message)
	message := d.message
	if e.Class == engine.Transient && violation.MatchString(message) {
		message = "what the preview showed is no longer what would be done; preview again (" + message + ")"
	}
	e.Message = n.redact.Text(shorten(n.trimmed(message)))
	return e
}

var errRun = errors.New("exit status of pulumi")

// violation is how Pulumi refuses a step that is not in its plan.
var violation = regexp.MustCompile(`violates plan|not allowed by the plan|operations? .*plan`)

var exitCode = regexp.MustCompile(`(?m)^code: (-?\d+)$`)

// killedBy says whether the program, or its supervisor, was killed, and how,
// from what the Automation API says of the run.
func killedBy(text string) (string, bool) {
	m := exitCode.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	var code int
	if _, err := fmt.Sscan(m[1], &code); err != nil {
		return "", false
	}
	switch {
	case code < 0:
		return "its supervisor was killed", true
	case code > supervise.CodeSignal:
		return syscall.Signal(code - supervise.CodeSignal).String(), true
	default:
		return "", false
	}
}

// saidError picks the program's own words of what failed.
func saidError(text string) string {
	var said []string
	for line := range strings.SplitSeq(text, "\n") {
		_, message, found := strings.Cut(line, "error: ")
		if message = strings.TrimSpace(message); found && message != "" && !generic(message) {
			said = append(said, message)
		}
	}
	if len(said) > 0 {
		return strings.Join(said, "; ")
	}
	if _, errOut, found := strings.Cut(text, "stderr: "); found && strings.TrimSpace(errOut) != "" {
		return strings.TrimSpace(errOut)
	}
	return text
}

// preamble is what Pulumi puts before each error of a program, however many.
var preamble = regexp.MustCompile(`^\s*(an unhandled error occurred:|program failed:|[0-9]+ errors? occurred:|\* |-?error:)\s*`)

// plainly is a message without its preambles.
func plainly(message string) string {
	var out []string
	for line := range strings.Lines(message) {
		for rest := preamble.ReplaceAllString(line, ""); rest != line; rest = preamble.ReplaceAllString(line, "") {
			line = rest
		}
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		return message
	}
	return strings.Join(out, "\n")
}

// generic says whether a message only repeats that something failed.
func generic(message string) bool {
	switch strings.TrimSpace(message) {
	case "", "preview failed", "update failed", "destroy failed", "refresh failed", "resource creation failed":
		return true
	}
	return false
}
