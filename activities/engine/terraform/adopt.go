// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/atomicfile"
	"github.com/HatiCode/nestor/orchestrator"
)

// scratchDir is a workspace inside the workspace, where a state is tried before
// it becomes the node's.
const scratchDir = "adopt"

// Adopt implements engine.Adopter. The source is a state of version 4. What its
// root module holds becomes the definition's module; Source.Moves name what
// lies elsewhere: an instance, a resource or a whole module ("module.bucket" to
// "." makes that module the definition's). Data sources are read again, outputs
// computed again.
func (e *Engine) Adopt(ctx context.Context, req engine.Request, source engine.Source) (engine.Observation, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Observation{}, err
	}
	defer n.close()
	if len(req.Unknown) > 0 {
		return engine.Observation{}, invalid("what is adopted has to be compared with all inputs, and some are not known")
	}
	d, err := parseSource(source)
	if err != nil {
		return engine.Observation{}, err
	}
	if err := d.remap(source.Moves); err != nil {
		return engine.Observation{}, err
	}
	if err := n.adopt(ctx, d); err != nil {
		return engine.Observation{}, err
	}
	return n.observe(ctx)
}

func (n *node) adopt(ctx context.Context, d *document) error {
	s, uncertain, err := n.settled(ctx)
	if err != nil {
		return err
	}
	if len(uncertain) > 0 {
		return n.uncertainError(uncertain)
	}
	if have := s.addresses(); len(have) > 0 {
		goneOn := s.Lineage == d.Lineage && d.Serial >= s.Serial
		if !goneOn && maps.Equal(s.ids(), d.ids()) {
			return nil // it was adopted before
		}
		return &engine.Error{
			Class: engine.Rejected, Engine: Name, Resource: have[0],
			Message: "the node has a state already, which is not of what is offered; it holds " + strings.Join(have, ", "),
		}
	}
	if err := n.try(ctx, d); err != nil {
		return err
	}
	if err := n.unwritten(ctx, s); err != nil {
		return err
	}
	// A remote backend that has no state yet gives it a lineage of its own.
	d.Serial = max(d.Serial, s.Serial) + 1
	return n.push(ctx, d, s.Lineage != "" && s.Lineage != d.Lineage)
}

// unwritten refuses to go on when somebody wrote the state after it was read as
// one that holds nothing: what takes the place of a state of another lineage
// takes it whatever that holds.
func (n *node) unwritten(ctx context.Context, before state) error {
	if err := n.ready(ctx); err != nil { // which may take a while
		return err
	}
	now, err := n.readState(ctx)
	if err != nil {
		return err
	}
	if now.Lineage == before.Lineage && now.Serial == before.Serial && len(now.addresses()) == 0 {
		return nil
	}
	return &engine.Error{
		Class: engine.Transient, Engine: Name,
		Message: "somebody wrote the node's state while the adoption was tried; it is left as it is, and looked at again",
	}
}

// try makes a plan for the document, in a workspace and a state of its own, and
// fills in its outputs.
func (n *node) try(ctx context.Context, d *document) error {
	req := n.req
	req.Workspace = n.path(scratchDir)
	req.Backend = orchestrator.Backend{Type: localBackend, Config: map[string]any{"path": filepath.Join(req.Workspace, "state")}}
	scratch, err := n.engine.open(ctx, req)
	if err != nil {
		return err
	}
	defer func() {
		scratch.close()
		if err := os.RemoveAll(req.Workspace); err != nil {
			n.say("clear workspace: %v", err)
		}
	}()
	if err := scratch.ready(ctx); err != nil {
		return err
	}
	providers, err := lockedProviders(scratch.path(lockFile))
	if err != nil {
		return failed("read the module's providers", err)
	}
	if err := d.adoptProviders(providers); err != nil {
		return err
	}
	d.Outputs = map[string]json.RawMessage{}
	text, err := json.Marshal(d)
	if err != nil {
		return failed("write state", err)
	}
	if err := atomicfile.Write(scratch.stateFile, text); err != nil {
		return failed("write state", err)
	}
	plan, _, err := scratch.plan(ctx, false)
	if err != nil {
		return err
	}
	shown, err := scratch.runShow(ctx, plan)
	if err != nil {
		return err
	}
	if err := scratch.checkOutputs(shown); err != nil {
		return err
	}
	if err := fits(shown, n.impl.Module); err != nil {
		return err
	}
	return d.fill(shown)
}

// fits refuses a state that holds what the module knows nothing of: the next
// apply would destroy it.
func fits(plan *tfjson.Plan, module string) error {
	var foreign []string
	for _, r := range plan.ResourceChanges {
		if r.Change != nil && r.Mode == tfjson.ManagedResourceMode && r.Change.Actions.Delete() {
			foreign = append(foreign, strings.TrimPrefix(r.Address, moduleAddress+"."))
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	return invalid("the definition's module %q has no %s, which the state holds and the next apply would destroy; "+
		"say with a move what it is there, or remove it from the state (\"state rm\") first", module, strings.Join(foreign, ", "))
}

// fill sets the outputs that the plan knows.
func (d *document) fill(plan *tfjson.Plan) error {
	if plan.PlannedValues == nil {
		return nil
	}
	for name, o := range plan.PlannedValues.Outputs {
		if o == nil || o.Value == nil {
			continue // known after the next apply
		}
		held := map[string]any{"value": o.Value, "type": o.Type}
		if o.Sensitive {
			held["sensitive"] = true
		}
		text, err := json.Marshal(held)
		if err != nil {
			return failed("write output", err)
		}
		d.Outputs[name] = text
	}
	return nil
}

// lockedProvider is a provider's entry in the lock file that init writes.
var lockedProvider = regexp.MustCompile(`(?m)^provider "([^"]+)"`)

// lockedProviders lists the providers that a module needs.
func lockedProviders(path string) ([]string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a fixed name inside the workspace
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it needs none
	}
	var names []string
	for _, m := range lockedProvider.FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	return names, err
}

// push makes the document the node's state.
func (n *node) push(ctx context.Context, d *document, force bool) error {
	if err := n.ready(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return failed("write state", err)
	}
	file, err := private(n.req.Workspace, pushPattern, text)
	if err != nil {
		return failed("write state", err)
	}
	err = n.runPush(ctx, file, force)
	if removeErr := os.Remove(file); removeErr != nil && err == nil {
		err = failed("remove state", removeErr)
	}
	return err
}
