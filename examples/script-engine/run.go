// SPDX-License-Identifier: Apache-2.0

package script

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// verb is the name of a script.
type verb string

const (
	create verb = "create"
	read   verb = "read"
	update verb = "update"
	remove verb = "delete"
)

// Files of a workspace.
const (
	journalFile = "journal.json" // what is about to be run
	outputFile  = "output"       // what it wrote, whoever is killed
	exitFile    = "exit.json"    // how it ended, by its supervisor
	readFile    = "read"         // what the read script wrote
)

// Exit statuses of scripts beyond 0 and 1, as in sysexits.h.
const statusTemporary = 75

// result is what a script wrote.
type result struct {
	id      string
	absent  bool
	outputs map[string]any
	inputs  map[string]string
}

func parse(text []byte) result {
	r := result{outputs: map[string]any{}, inputs: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		line, whole := strings.CutSuffix(line, "\n")
		key, value, assigned := strings.Cut(line, "=")
		switch {
		case !whole: // cut off
		case line == "absent":
			r.absent = true
		case assigned && key == "id":
			r.id = value
		case assigned && strings.HasPrefix(key, "output."):
			r.outputs[key[len("output."):]] = value
		case assigned && strings.HasPrefix(key, "input."):
			r.inputs[key[len("input."):]] = value
		}
	}
	return r
}

// run a script to its end under a supervisor. Its result counts also when it
// failed.
func (n *node) run(ctx context.Context, v verb, id string, inputs map[string]any) (result, error) {
	shell, err := n.engine.shell()
	if err != nil {
		return result{}, err
	}
	spec := supervise.Spec{
		Program: shell, Workspace: n.req.Workspace, Grace: n.engine.config.Grace, Linger: n.engine.config.Linger,
		Output: n.file(outputFile), Exit: n.file(exitFile),
	}
	if v == read { // it changes nothing, and must not cover what a change has left
		spec.Output, spec.Exit, spec.Linger = n.file(readFile), "", 0
	}
	for _, path := range []string{spec.Output, spec.Exit} {
		if err := os.RemoveAll(path); err != nil {
			return result{}, fail(engine.Transient, "clear workspace: %v", err)
		}
	}
	cmd, err := supervise.Command(ctx, n.engine.self, n.environ(id, inputs), spec, n.script(v))
	if err != nil {
		return result{}, fail(engine.Invalid, "%v", err)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	runErr := cmd.Run()
	lines := strings.Split(strings.TrimSpace(n.secrets.Replace(said.String())), "\n")
	for _, line := range lines {
		if line != "" {
			n.say("%s", line)
		}
	}
	// A supervisor that was killed leaves its script at work.
	if err := n.turn.Await(context.WithoutCancel(ctx), func(h supervise.Holder) { n.say("waiting for %s to end", h) }); err != nil {
		return result{}, fail(engine.Transient, "wait for the script's end: %v", err)
	}
	text, err := os.ReadFile(spec.Output)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return result{}, fail(engine.Transient, "read what the script wrote: %v", err)
	}
	return parse(text), n.ended(ctx, v, runErr, lines[len(lines)-1])
}

// ended turns the end of a script into an error.
func (n *node) ended(ctx context.Context, v verb, err error, last string) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fail(engine.Canceled, "canceled")
	case !errors.As(err, &exit):
		return fail(engine.Transient, "run script %s: %v", v, err)
	case !exit.Exited() || exit.ExitCode() >= supervise.CodeSignal:
		return fail(engine.Transient, "script %s was killed", v)
	case last == "":
		last = exit.String()
	}
	class := engine.Rejected
	if exit.ExitCode() == statusTemporary {
		class = engine.Transient
	}
	return fail(class, "script %s: %s", v, last)
}

// environ of a script: nothing of the worker's but PATH.
func (n *node) environ(id string, inputs map[string]any) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "ID=" + id, "NODE=" + n.req.Node}
	for name, value := range inputs {
		env = append(env, "INPUT_"+name+"="+written(value))
	}
	for name, value := range n.req.Env {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}
