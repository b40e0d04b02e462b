// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/program"
	"github.com/HatiCode/nestor/activities/engine/redact"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/atomicfile"
)

// Files of a workspace, beside those of package supervise.
const (
	rootFile        = "main.tf.json"
	fingerprintFile = "initialised"
	erroredState    = "errored.tfstate" // the program's own name
	programData     = ".terraform"
	lockFile        = ".terraform.lock.hcl"
)

// node is one request at work in its workspace, for one verb.
type node struct {
	engine    *Engine
	req       engine.Request
	impl      catalog.Implementation
	args      []argument
	backend   object
	stateFile string // of the local backend; empty for others
	redact    *redact.Redactor
	turn      *supervise.Turn
	program   program.Program // set by ready
	inTheWay  *lockInfo       // the lock that stopped the last run
	looked    error           // why what is in doubt could not be looked up
	succeeded []string        // what is in doubt and has an older one in the state, which it was to follow
}

// open checks the request and waits for the node's turn: nobody else is at work
// in the workspace, and no program of an earlier attempt is alive.
func (e *Engine) open(ctx context.Context, req engine.Request) (*node, error) {
	impl := req.Implementation
	if err := checkRequest(req, impl); err != nil {
		return nil, err
	}
	n := &node{engine: e, req: req, impl: impl, redact: redact.New(req)}
	var err error
	if n.args, err = arguments(req, impl); err != nil {
		return nil, err
	}
	if n.backend, n.stateFile, err = e.backendBlock(req); err != nil {
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
	if err := n.saveErrored(ctx); err != nil {
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

func (n *node) waiting(h supervise.Holder) {
	n.say("waiting for %s to end", h)
	n.req.WaitsFor(h.Occupant())
}

// say writes a line of the engine's own to the log, whose failures are nobody's
// business here.
func (n *node) say(format string, args ...any) {
	_, _ = fmt.Fprintf(n.req.Log, format+"\n", args...)
}

func (n *node) path(name string) string { return filepath.Join(n.req.Workspace, name) }

// saveErrored brings to the backend the state that the program once could not
// write to it and left here: the backend's is not the truth until then. The
// program itself refuses one that is older than the backend's, or another one.
func (n *node) saveErrored(ctx context.Context) error {
	path := n.path(erroredState)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failed("look for an unsaved state", err)
	}
	if n.req.Settled {
		return n.forget(erroredState)
	}
	if err = n.ready(ctx); err == nil {
		err = n.unlocked(ctx, func() error { return n.runPush(ctx, path, false) })
	}
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	if err != nil {
		return unreadable("the last state could not be written to %s, and cannot now: %s. It is kept on worker %s and is written by the next try there; "+
			"mend the backend and try again. If what the backend holds is the truth, %s", n.where(), said(err), host(), engine.HowToForget(n.req))
	}
	n.say("the state that could not be written by the last run is in %s now", n.where())
	return n.forget(erroredState)
}

// said is what an error says, without its address.
func said(err error) string {
	if e := (*engine.Error)(nil); errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// host names this worker's machine for a person.
func host() string {
	name, err := os.Hostname()
	if err != nil {
		return "this host"
	}
	return name
}

// ready makes the workspace fit to run the program in: root module, bundle,
// providers and backend.
func (n *node) ready(ctx context.Context) error {
	var err error
	if n.program, err = n.engine.programs.Find(ctx); err != nil {
		return err
	}
	root, err := rootModule(n.req, n.impl, n.args, n.backend)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(n.path(rootFile), root); err != nil {
		return failed("write root module", err)
	}
	if err := linkBundle(n.req.Bundle, n.path(bundleLink)); err != nil {
		return failed("link bundle", err)
	}
	if n.stateFile != "" {
		if err := os.MkdirAll(filepath.Dir(n.stateFile), 0o700); err != nil {
			return failed("create state directory", err)
		}
	}
	return n.initialise(ctx)
}

// initialise runs init unless the workspace was initialised with the same
// program, backend, bundle and configuration. The root module's arguments do
// not matter to init.
func (n *node) initialise(ctx context.Context) error {
	want, err := n.fingerprint()
	if err != nil {
		return failed("read bundle", err)
	}
	if have, err := os.ReadFile(n.path(fingerprintFile)); err == nil && string(have) == want {
		return nil
	}
	for _, name := range []string{fingerprintFile, programData, lockFile} {
		if err := os.RemoveAll(n.path(name)); err != nil {
			return failed("clear workspace", err)
		}
	}
	// A definition may pin its providers; only the root's lock file counts.
	pinned, err := os.ReadFile(filepath.Join(modulePath(n.req, n.impl), lockFile))
	if err == nil {
		err = atomicfile.Write(n.path(lockFile), pinned)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("copy provider lock file", err)
	}
	if err := n.runInit(ctx); err != nil {
		return err
	}
	if err := atomicfile.Write(n.path(fingerprintFile), []byte(want)); err != nil {
		return failed("record initialisation", err)
	}
	return nil
}

func (n *node) fingerprint() (string, error) {
	h := sha256.New()
	backend, err := json.Marshal(n.backend)
	if err != nil {
		return "", err
	}
	rc, err := os.ReadFile(n.engine.rcFile)
	if err != nil {
		return "", err
	}
	_, _ = fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%s\n", n.program.Path, n.program, backend, n.impl.Module, rc)
	err = filepath.WalkDir(n.req.Bundle, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // the bundle's own files
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(h, "%s %d %x\n", path, len(text), sha256.Sum256(text))
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// linkBundle points link at the bundle.
func linkBundle(bundle, link string) error {
	target, err := filepath.Abs(bundle)
	if err != nil {
		return err
	}
	if have, err := os.Readlink(link); err == nil && have == target {
		return nil
	}
	if err := os.RemoveAll(link); err != nil {
		return err
	}
	return os.Symlink(target, link)
}
