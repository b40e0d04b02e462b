// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/program"
	"github.com/HatiCode/nestor/activities/engine/redact"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
)

// node is one request at work in its workspace, for one verb.
type node struct {
	engine     *Engine
	req        engine.Request
	own        catalog.PulumiSettings
	project    project
	settings   []setting
	identity   map[string]string // import ID by address
	backend    backend
	stack      stack
	passphrase string
	redact     *redact.Redactor
	turn       *supervise.Turn
	program    program.Program // set by ready
	journal    *journal        // of the last run that took the stack's lock
	ended      bool            // that run ended by itself
	locked     bool            // a lock stopped the last run
	locks      []lock          // the locks that did, where they could be told
	saying     sync.Mutex
}

// open checks the request and waits for the node's turn: nobody else is at work
// in the workspace, and no program of an earlier attempt is alive.
func (e *Engine) open(ctx context.Context, req engine.Request) (*node, error) {
	if err := checkRequest(req); err != nil {
		return nil, err
	}
	n := &node{engine: e, req: req}
	var err error
	if n.own, err = catalog.Settings[catalog.PulumiSettings](req.Implementation); err != nil {
		return nil, invalid("the definition's %v", err)
	}
	if n.project, err = readProject(req); err != nil {
		return nil, err
	}
	if n.stack, err = stackOf(req, n.project.name); err != nil {
		return nil, err
	}
	if n.backend, err = e.backendOf(req); err != nil {
		return nil, err
	}
	if n.passphrase, err = e.vault.passphrase(req, n.backend); err != nil {
		return nil, err
	}
	n.redact = redact.New(req, n.passphrase)
	if n.settings, err = settingsOf(req, n.own, n.project.name); err != nil {
		return nil, err
	}
	if n.identity, err = identities(req); err != nil {
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
	if err := n.recall(); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *node) close() {
	if err := n.turn.Release(); err != nil {
		n.say("release workspace: %v", err)
	}
}

// say writes a line of the engine's own to the log, whose failures are nobody's
// business here.
func (n *node) say(format string, args ...any) {
	n.saying.Lock()
	defer n.saying.Unlock()
	_, _ = fmt.Fprintf(n.req.Log, format+"\n", args...)
}

func (n *node) path(name string) string { return filepath.Join(n.req.Workspace, name) }

// ready makes the workspace fit to run commands on the stack in: the program of
// the definition as it is. The plugins that it names are fetched.
func (n *node) ready(ctx context.Context) error {
	return n.readyAs(ctx, n.project.text, nil)
}

func (n *node) readyAs(ctx context.Context, projectText, mainText []byte) error {
	var err error
	if n.program, err = n.engine.programs.Find(ctx); err != nil {
		return err
	}
	if mainText == nil && n.project.mainFile() != "" && n.project.wraps() {
		// A preview with unknown inputs may have left another one.
		path := filepath.Join(n.project.dir, filepath.FromSlash(n.project.mainFile()))
		if mainText, err = os.ReadFile(path); err != nil { //nolint:gosec // the bundle's own file
			return failed("read the definition's program", err)
		}
	}
	if err := n.place(ctx, projectText, mainText); err != nil {
		return err
	}
	if n.backend.dir != "" {
		if err := os.MkdirAll(n.backend.dir, 0o700); err != nil {
			return failed("create state directory", err)
		}
	}
	return n.plugins(ctx)
}

// readyUnknown makes the workspace fit for a preview with unknown inputs.
func (n *node) readyUnknown(ctx context.Context) error {
	if !n.project.wraps() {
		return n.ready(ctx)
	}
	main := n.project.mainFile()
	if main == "" {
		text, err := n.project.plannable(n.project.text, unknowns(n.settings))
		if err != nil {
			return err
		}
		return n.readyAs(ctx, text, nil)
	}
	program, err := os.ReadFile(filepath.Join(n.project.dir, filepath.FromSlash(main)))
	if err != nil {
		return failed("read the definition's program", err)
	}
	if program, err = n.project.plannable(program, unknowns(n.settings)); err != nil {
		return err
	}
	text, err := n.project.undeclared(unknowns(n.settings))
	if err != nil {
		return err
	}
	return n.readyAs(ctx, text, program)
}

// salt of the passphrase that the stack's secrets are under: what the checkpoint
// or this workspace's last run says, or a new one.
func (n *node) salt(ctx context.Context, d deployment) (salt, error) {
	if s := d.Secrets.State.Salt; s != "" {
		return s, nil
	}
	if d.Secrets.Type != "" && d.Secrets.Type != passphraseProvider {
		return "", unreadable("the state of stack %s: its secrets are encrypted by %q, where %q is known",
			n.stack.ref(), d.Secrets.Type, passphraseProvider)
	}
	if text, err := os.ReadFile(n.settingsFile()); err == nil {
		var have struct {
			Salt salt `json:"encryptionsalt"`
		}
		if decode(text, &have) == nil {
			if _, err := n.engine.vault.key(ctx, n.passphrase, have.Salt); err == nil {
				return have.Salt, nil
			}
		}
	}
	s, err := n.engine.vault.newSalt(ctx, n.passphrase)
	if err != nil {
		return "", failed("prepare the encryption of secrets", err)
	}
	return s, nil
}
