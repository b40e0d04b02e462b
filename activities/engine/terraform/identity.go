// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/atomicfile"
	"github.com/HatiCode/nestor/internal/expand"
)

// importedFile lists what was found and taken over since the last apply that
// succeeded: addresses with their IDs.
const importedFile = "imported.json"

// input is the value of a reference such as "inputs.bucket".
func input(req engine.Request) expand.Lookup {
	return func(reference string) (any, error) {
		name, ok := strings.CutPrefix(reference, "inputs.")
		if !ok {
			return nil, errors.New("is no input; an identity is made of \"inputs.<name>\"")
		}
		value, given := req.Inputs[name]
		if !given || value == nil {
			return nil, expand.ErrAbsent
		}
		return value, nil
	}
}

// identities are the IDs of what the inputs ask for, by the address inside the
// module. One that needs an input which was not given, or is not known yet, is
// left out: what it stands for cannot be looked up.
func identities(req engine.Request, impl catalog.Implementation) (map[string]string, error) {
	ids := map[string]string{}
	for _, address := range slices.Sorted(maps.Keys(impl.Identity)) {
		template := impl.Identity[address]
		references, err := expand.References(template)
		if err != nil {
			return nil, invalid("the identity of %q: %v", address, err)
		}
		for _, r := range references {
			if name, _ := strings.CutPrefix(r, "inputs."); req.Sensitive[name] {
				return nil, invalid("the identity of %q holds the sensitive input %q; an ID is written to logs and files", address, name)
			}
		}
		id, err := expand.String(template, input(req))
		if errors.Is(err, expand.ErrAbsent) {
			continue
		}
		if err != nil {
			return nil, invalid("the identity of %q: %v", address, err)
		}
		if id == "" {
			continue
		}
		ids[address] = id
	}
	return ids, nil
}

// recover looks up what is in doubt, by the identities that the apply which was
// cut off had. What is found is imported into the state; what is provably
// absent is in doubt no more. A request of the dead program that is still on its
// way does no harm: a second creation with the same ID is refused.
func (n *node) recover(ctx context.Context, s state, uncertain []string) (state, []string, error) {
	j, err := n.readJournal()
	if err != nil {
		return s, uncertain, failed("read the journal of the last apply", err)
	}
	if j == nil {
		return s, uncertain, nil
	}
	was, err := n.announced()
	if err != nil {
		return s, uncertain, err
	}
	settled := false
	var unseen []error
	for _, address := range uncertain {
		id, ok := j.Identities[strings.TrimPrefix(address, moduleAddress+".")]
		if !ok {
			continue
		}
		err := was.takeOver(ctx, j, address, id)
		if ctx.Err() != nil {
			return s, uncertain, canceled(ctx)
		}
		if err != nil {
			unseen = append(unseen, fmt.Errorf("%s as %q: %w", address, id, err))
			continue
		}
		settled = true
	}
	n.looked = errors.Join(unseen...)
	if !settled {
		return s, uncertain, nil
	}
	return n.known(ctx)
}

// takeOver looks one resource up.
func (n *node) takeOver(ctx context.Context, j *journal, address, id string) error {
	n.say("looking up %s, whose creation was cut off, as %q", address, id)
	if err := n.ready(ctx); err != nil {
		return err
	}
	err := n.unlocked(ctx, func() error { return n.runImport(ctx, address, id) })
	switch {
	case errors.Is(err, errNothingThere):
		n.say("%s does not exist; it is created as if it had not been begun", address)
		j.Absent = append(j.Absent, address)
		return n.writeJournal(journalFile, *j)
	case err != nil:
		return err
	}
	n.say("%s exists and is taken over", address)
	return n.noteImported(address, id)
}

func (n *node) noteImported(address, id string) error {
	found, err := n.imported()
	if err != nil {
		return err
	}
	found[address] = id
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return atomicfile.Write(n.path(importedFile), text)
}

func (n *node) imported() (map[string]string, error) {
	found := map[string]string{}
	text, err := os.ReadFile(n.path(importedFile))
	if errors.Is(err, os.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	return found, json.Unmarshal(text, &found)
}

// takenOver are the IDs by which resources were found, and those that are asked for
// now.
func (n *node) takenOver() (found, asked map[string]string, err error) {
	if found, err = n.imported(); err != nil {
		return nil, nil, failed("read what was taken over", err)
	}
	asked, err = identities(n.req, n.impl)
	return found, asked, err
}

// checkTakenOver refuses to replace what was found by the very ID that is asked
// for: it is then not what this node creates, and may be somebody else's.
func (n *node) checkTakenOver(plan *tfjson.Plan) error {
	found, asked, err := n.takenOver()
	if err != nil {
		return err
	}
	for _, r := range plan.ResourceChanges {
		id, ok := found[r.Address]
		if !ok || r.Change == nil || id != asked[strings.TrimPrefix(r.Address, moduleAddress+".")] {
			continue
		}
		if a := r.Change.Actions; a.Replace() || a.Delete() {
			return &engine.Error{
				Class: engine.Rejected, Engine: Name, Resource: r.Address,
				Message: fmt.Sprintf("its creation was cut off, and what is found as %q would have to be replaced to become what is asked for, "+
					"so it may be somebody else's. If it is, run \"%s state rm %s\" in a directory with %s; if not, destroy this node. Then try again",
					id, n.program.Command(), r.Address, n.where()),
			}
		}
	}
	return nil
}

// checkAnnounced does the same for what was found by the ID that only the attempt
// which was cut off asked for. By what is asked for now it may well be replaced.
func (n *node) checkAnnounced(ctx context.Context) error {
	if n.req.Announced == nil {
		return nil
	}
	found, asked, err := n.takenOver()
	if err != nil {
		return err
	}
	for address, id := range found {
		if asked[strings.TrimPrefix(address, moduleAddress+".")] == id {
			delete(found, address) // checkTakenOver looks at it
		}
	}
	if len(found) == 0 {
		return nil
	}
	was, err := n.announced()
	if err != nil {
		return err
	}
	shown, err := was.planned(ctx)
	if err != nil || shown == nil {
		return n.unplanned(err)
	}
	return was.checkTakenOver(shown)
}
