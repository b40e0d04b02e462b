// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// machineReadable is inserted by the supervisor. terraform-exec's JSON variants
// of plan, apply and show would each ask the program for its version first, at
// the price of another process a node.
const machineReadable = "-json"

// versionQuery is what terraform-exec asks first of a program in each workspace.
// The supervisor answers it: the version is known since the program was found.
const versionQuery = "version -json"

// terraform returns terraform-exec bound to the workspace, its program running
// under a supervisor.
func (n *node) terraform(spec supervise.Spec, l *listener) (*tfexec.Terraform, error) {
	spec.Program = n.program.Path
	spec.Workspace = n.req.Workspace
	spec.Grace = n.grace()
	version, err := json.Marshal(map[string]string{"terraform_version": n.program.Version})
	if err != nil {
		return nil, err
	}
	spec.Known = map[string]string{versionQuery: string(version)}
	name, value, err := spec.Environ()
	if err != nil {
		return nil, err
	}
	tf, err := tfexec.NewTerraform(n.req.Workspace, n.engine.config.SupervisorPath)
	if err != nil {
		return nil, err
	}
	env := n.engine.environment(n.req.Env)
	env[name] = value
	if err := tf.SetEnv(env); err != nil {
		return nil, err
	}
	if err := tf.SetWaitDelay(supervise.WaitDelay(spec.Grace)); err != nil {
		return nil, err
	}
	if l != nil {
		tf.SetStdout(l)
	}
	return tf, nil
}

func (n *node) listen() *listener { return &listener{log: n.req.Log, redact: n.redact} }

// runInit installs providers and modules and prepares the backend.
func (n *node) runInit(ctx context.Context) error {
	l := n.listen()
	tf, err := n.terraform(supervise.Spec{}, nil)
	if err != nil {
		return failed("prepare init", err)
	}
	// Init asks for the version first; asked here, it stays out of the log.
	if _, _, err := tf.Version(ctx, false); err != nil {
		return n.result(ctx, phaseInit, err, l)
	}
	tf.SetStdout(l)
	err = tf.Init(ctx, tfexec.Reconfigure(true))
	return n.result(ctx, phaseInit, err, l)
}

// runPlan writes a plan file and says whether there is anything to do. The plan
// reads the state without its lock: this workspace's turn keeps others of this
// host out, and the program refuses a plan whose state has moved. So a killed
// plan leaves no lock.
func (n *node) runPlan(ctx context.Context, variables, out string, destroy, refresh bool) (bool, error) {
	l := n.listen()
	tf, err := n.terraform(supervise.Spec{Insert: []string{machineReadable}}, l)
	if err != nil {
		return false, failed("prepare plan", err)
	}
	changed, err := tf.Plan(ctx, tfexec.VarFile(variables), tfexec.Out(out), tfexec.Destroy(destroy), tfexec.Refresh(refresh), tfexec.Lock(false))
	return changed, n.result(ctx, phasePlan, err, l)
}

// runShow reads a plan file.
func (n *node) runShow(ctx context.Context, plan string) (*tfjson.Plan, error) {
	tf, err := n.terraform(supervise.Spec{Insert: []string{machineReadable}}, nil)
	if err != nil {
		return nil, failed("prepare show", err)
	}
	text, err := tf.ShowPlanFileRaw(ctx, plan)
	if err := n.result(ctx, phasePlan, err, n.listen()); err != nil {
		return nil, err
	}
	var p tfjson.Plan
	p.UseJSONNumber(true)
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return nil, &engine.Error{
			Class: engine.Unavailable, Engine: Name, Message: "the plan of " + n.program.String() + " cannot be read: " + err.Error(),
			Err: err,
		}
	}
	return &p, nil
}

// runApply applies a saved plan. What the program says is kept in the journal's
// file, whoever is killed.
func (n *node) runApply(ctx context.Context, plan string, j journal) error {
	l := n.listen()
	tf, err := n.terraform(supervise.Spec{
		Insert: []string{machineReadable},
		Linger: max(n.engine.config.Linger, 0),
		Output: n.path(outputFile), Exit: n.path(exitFile),
	}, l)
	if err != nil {
		return failed("prepare apply", err)
	}
	if err := n.begin(j); err != nil {
		return failed("record intent", err)
	}
	err = tf.Apply(ctx, tfexec.DirOrPlan(plan))
	return n.result(ctx, phaseApply, err, l)
}

// errNothingThere says that what was to be imported provably does not exist.
var errNothingThere = errors.New("it does not exist")

// nothingThere are the words for that: the program's own, and those of the
// library that most providers use. Anything else, such as "not found" of some
// host or profile, proves nothing.
var nothingThere = regexp.MustCompile(`(?i)cannot import non-existent remote object|couldn't find resource`)

// runImport takes what has the ID into the state, at an address of the root
// module.
func (n *node) runImport(ctx context.Context, address, id string) error {
	l := n.listen()
	tf, err := n.terraform(supervise.Spec{}, l)
	if err != nil {
		return failed("prepare import", err)
	}
	return n.withInputs(func(variables string) error {
		err := tf.Import(ctx, address, id, tfexec.VarFile(variables))
		if err != nil && ctx.Err() == nil {
			if said := err.Error(); strings.Count(said, "Error: ") == 1 && nothingThere.MatchString(said) {
				l.flush()
				return errNothingThere
			}
		}
		return n.result(ctx, phaseState, err, l)
	})
}

// runPull reads the state from its backend.
func (n *node) runPull(ctx context.Context) (string, error) {
	tf, err := n.terraform(supervise.Spec{}, nil)
	if err != nil {
		return "", failed("prepare state pull", err)
	}
	text, err := tf.StatePull(ctx)
	return text, n.result(ctx, phaseState, err, n.listen())
}

// runPush makes a file the state in the backend. With force it takes the place
// of a state of another origin.
func (n *node) runPush(ctx context.Context, file string, force bool) error {
	tf, err := n.terraform(supervise.Spec{}, nil)
	if err != nil {
		return failed("prepare state push", err)
	}
	return n.result(ctx, phaseState, tf.StatePush(ctx, file, tfexec.Force(force)), n.listen())
}

// runUnlock removes the state's lock.
func (n *node) runUnlock(ctx context.Context, id string) error {
	tf, err := n.terraform(supervise.Spec{}, nil)
	if err != nil {
		return failed("prepare unlock", err)
	}
	return n.result(ctx, phaseState, tf.ForceUnlock(ctx, id), n.listen())
}

// result turns a failed run into an *engine.Error.
func (n *node) result(ctx context.Context, at phase, err error, l *listener) error {
	l.flush()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	if how, killed := killedBy(err); killed && len(l.errors) == 0 {
		return &engine.Error{
			Class: engine.Transient, Engine: Name, Message: fmt.Sprintf("%s was killed (%s)", n.program.Command(), how), Err: err,
		}
	}
	d := n.diagnose(err, l)
	text := d.Summary + " " + d.Detail
	e := &engine.Error{Engine: Name, Resource: d.Address, Err: errors.New("exit status of " + n.program.Command())}
	refused := refusesCredentials(text)
	if lock, ok := parseLock(d); ok && (lock.id != "" || !refused) {
		n.inTheWay = &lock
		e.Class, e.Message = n.lockError(lock)
		return e
	}
	e.Class = classify(at, text)
	e.Message = n.redact.Text(shorten(n.explain(d)))
	if refused && (e.Class == engine.Rejected || e.Class == engine.Unreadable) {
		e.Message += renew
	}
	return e
}

// killedBy says whether the program, or its supervisor, was killed, and how.
func killedBy(err error) (string, bool) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || (exit.Exited() && exit.ExitCode() < supervise.CodeSignal) {
		return "", false
	}
	if exit.Exited() {
		return syscall.Signal(exit.ExitCode() - supervise.CodeSignal).String(), true
	}
	return "its supervisor ended: " + exit.String(), true
}

// diagnose picks the first error that the program told, from its machine
// readable output or, where it has none, from its words.
func (n *node) diagnose(err error, l *listener) diagnostic {
	if len(l.errors) > 0 {
		first := l.errors[0]
		if more := len(l.errors) - 1; more > 0 {
			first.Detail += fmt.Sprintf(" (and %d more errors)", more)
		}
		return first
	}
	return n.inWords(err, l)
}

// inWords reads the words of the few commands that have nothing else.
func (n *node) inWords(err error, l *listener) diagnostic {
	text := colours.ReplaceAllString(err.Error(), "")
	if _, said, ok := strings.Cut(text, "Error: "); ok {
		first, more, _ := strings.Cut(said, "Error: ")
		summary, detail, _ := strings.Cut(first, "\n")
		d := diagnostic{Summary: strings.TrimSpace(summary), Detail: strings.Trim(strings.ReplaceAll(detail, "│", " "), "╵╷ \n")}
		if at := located.FindStringSubmatch(d.Detail); at != nil {
			d.Range = &sourceRange{Filename: at[1]}
			d.Range.Start.Line, _ = strconv.Atoi(at[2]) // digits, and few
			d.Detail = strings.TrimSpace(excerpt.ReplaceAllString(strings.Replace(d.Detail, at[0], "", 1), ""))
		}
		if more != "" {
			d.Detail += fmt.Sprintf(" (and %d more errors)", 1+strings.Count(more, "Error: "))
		}
		return d
	}
	if said := strings.TrimSpace(exitStatus.ReplaceAllString(text, "")); said != "" {
		return diagnostic{Summary: said}
	}
	return diagnostic{Summary: n.program.Command() + " failed", Detail: strings.Join(append(l.plain, text), "\n")}
}

var (
	// colours are written by the few commands that cannot be told not to.
	colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
	// located is where an error lies, and excerpt the line quoted from there.
	located    = regexp.MustCompile(`on (\S[^\n]*) line (\d+)[^\n]*\n`)
	excerpt    = regexp.MustCompile(`(?m)^\s*\d+: .*$`)
	exitStatus = regexp.MustCompile(`exit status \d+`)
)

// named finds the name in the program's words about the generated root module.
var named = regexp.MustCompile(`named "([^"]+)"|argument "([^"]+)"`)

// provisioned is what a local-exec provisioner has come to. What its command said
// matters, not the command, which may be long and is in the definition.
var provisioned = regexp.MustCompile(`(?s)^Error running command '.*?': (exit status \d+)\. Output:\s*(.*?)\s*$`)

// explain says in the definition's terms what the program says of the root
// module, which nobody wrote.
func (n *node) explain(d diagnostic) string {
	detail := d.Detail
	if ended := provisioned.FindStringSubmatch(detail); ended != nil {
		detail = fmt.Sprintf("%s (%s)", cmp.Or(ended[2], "the command failed and said nothing"), ended[1])
	}
	said := strings.Trim(d.Summary+": "+detail, ": ")
	if d.Range == nil {
		return said
	}
	if filepath.Clean(d.Range.Filename) != rootFile {
		// The file as the definition's author knows it, not where it was unpacked.
		file := strings.TrimPrefix(d.Range.Filename, n.req.Bundle+string(filepath.Separator))
		file = strings.TrimPrefix(file, bundleLink+string(filepath.Separator))
		return fmt.Sprintf("%s (%s:%d)", said, filepath.ToSlash(file), d.Range.Start.Line)
	}
	name := ""
	if m := named.FindStringSubmatch(d.Detail); m != nil {
		name = m[1] + m[2]
	}
	module := n.impl.Module
	switch d.Summary {
	case "Unsupported attribute":
		return fmt.Sprintf("the definition declares an output that its module %q does not give: %q", module, name)
	case "Unsupported argument", "Extraneous JSON object property":
		return fmt.Sprintf("the definition has an input that its module %q does not take: %q", module, name)
	case "Missing required argument":
		return fmt.Sprintf("module %q needs %q, and the definition has no value for it", module, name)
	case "Output refers to sensitive values":
		return fmt.Sprintf("an output of module %q is sensitive, and the definition does not say so", module)
	}
	return said
}
