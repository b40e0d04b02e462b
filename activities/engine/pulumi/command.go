// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// command is what the Automation API runs instead of its own: the same program
// under a supervisor, in an environment of its own.
type command struct {
	node    *node
	version semver.Version
	// journalled runs take the stack's lock: how they end is recorded, and they
	// may finish what they are at when the worker dies.
	journalled bool
	events     string   // file for the events of such a run
	extra      []string // arguments that the Automation API has no option for
}

var _ auto.PulumiCommand = (*command)(nil)

// Version implements auto.PulumiCommand.
func (c *command) Version() semver.Version { return c.version }

// Run implements auto.PulumiCommand.
func (c *command) Run(
	ctx context.Context, workdir string, stdin io.Reader, stdout, stderr []io.Writer, extra []string, args ...string,
) (out, errOut string, code int, err error) {
	if answer, is := needless(args); is {
		return answer, "", 0, nil
	}
	n := c.node
	args = append(slices.Clone(args), c.extra...)
	spec := supervise.Spec{Program: n.program.Path, Workspace: n.req.Workspace, Grace: n.grace()}
	if c.journalled {
		spec.Linger = max(n.engine.config.Linger, 0)
		spec.Exit = n.path(exitFile)
		if c.events != "" {
			args = append(args, "--event-log", c.events)
		}
	}
	env := make([]string, 0, len(extra)+24)
	for name, value := range n.environment() {
		env = append(env, name+"="+value)
	}
	env = append(env, extra...)
	cmd, err := supervise.Command(ctx, n.engine.config.SupervisorPath, env, spec, append(args, "--non-interactive")...)
	if err != nil {
		return "", "", -1, err
	}
	cmd.Dir = workdir
	cmd.Stdin = stdin
	var kept, keptErr bytes.Buffer
	cmd.Stdout = io.MultiWriter(append(stdout, &kept)...)
	cmd.Stderr = io.MultiWriter(append(stderr, &keptErr)...)
	err = cmd.Run()
	code = -1
	var exit *exec.ExitError
	switch {
	case err == nil:
		code = 0
	case errors.As(err, &exit):
		code = exit.ExitCode()
	}
	return kept.String(), keptErr.String(), code, err
}

// needless are questions that the Automation API asks around its verbs and
// whose answers this engine reads from the checkpoint, or does not need: every
// command names its stack, so selecting one is for people. Each would be
// another process, for each node.
func needless(args []string) (answer string, is bool) {
	if len(args) < 2 || args[0] != "stack" {
		return "", false
	}
	switch args[1] {
	case "select":
		return "", true
	case "output":
		return "{}", true
	case "history":
		return "[]", true
	default:
		return "", false
	}
}

// handle is the Automation API's stack, whose commands run as c says.
func (n *node) handle(ctx context.Context, c *command, backendURL string) (auto.Stack, error) {
	version, err := semver.ParseTolerant(n.program.Version)
	if err != nil {
		return auto.Stack{}, err
	}
	c.node, c.version = n, version
	workspace, err := auto.NewLocalWorkspace(ctx,
		auto.Pulumi(c), auto.WorkDir(n.path(programDir)), auto.PulumiHome(n.engine.home()),
		auto.EnvVars(map[string]string{"PULUMI_BACKEND_URL": backendURL}))
	if err != nil {
		return auto.Stack{}, err
	}
	return auto.SelectStack(ctx, n.stack.qualified(), workspace)
}

// pump writes a program's lines to the log as they appear, without secrets.
type pump struct {
	node *node
	rest []byte
}

// pumps for a program's two streams, which are written at the same time.
func (n *node) pumps() (out, errOut *pump) { return &pump{node: n}, &pump{node: n} }

// Write implements io.Writer. It never fails: a log that cannot be written must
// not stop the program.
func (p *pump) Write(text []byte) (int, error) {
	p.rest = append(p.rest, text...)
	for {
		line, rest, found := bytes.Cut(p.rest, []byte{'\n'})
		if !found {
			return len(text), nil
		}
		p.line(line)
		p.rest = rest
	}
}

// flush writes a last line without an end.
func (p *pump) flush() {
	if len(p.rest) > 0 {
		p.line(p.rest)
		p.rest = nil
	}
}

// Lines that tell nobody anything: ambient plugins are what the engine's search
// path is for, and its plans are not for people to apply.
var noise = [][]byte{ //nolint:gochecknoglobals // immutable
	[]byte("from $PATH at "), []byte("Update plan written to "), []byte("Run `pulumi up --plan="),
}

func (p *pump) line(line []byte) {
	if len(bytes.TrimSpace(line)) == 0 || slices.ContainsFunc(noise, func(n []byte) bool { return bytes.Contains(line, n) }) {
		return
	}
	p.node.say("%s", p.node.redact.Text(string(bytes.TrimRight(line, " \r"))))
}

// eventsFile of a journalled run.
func (n *node) eventsFile() string { return filepath.Join(n.req.Workspace, "events.jsonl") }
