// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/expand"
)

// identities are the import IDs that the definition's templates make of the
// inputs. One whose input is not given or not known is left out.
func identities(req engine.Request) (map[string]string, error) {
	out := map[string]string{}
	for _, address := range slices.Sorted(maps.Keys(req.Implementation.Identity)) {
		template := req.Implementation.Identity[address]
		references, err := expand.References(template)
		if err != nil {
			return nil, invalid("the identity of %q: %v", address, err)
		}
		for _, reference := range references {
			if name := strings.TrimPrefix(reference, "inputs."); req.Sensitive[name] {
				return nil, invalid("the identity of %q holds the sensitive input %q; an ID is written to logs and files", address, name)
			}
		}
		id, err := expand.String(template, lookup(req.Inputs))
		if errors.Is(err, expand.ErrAbsent) {
			continue
		}
		if err != nil {
			return nil, invalid("the identity of %q: %v", address, err)
		}
		if id != "" {
			out[address] = id
		}
	}
	return out, nil
}

// answer is what is known of a creation that was cut off.
type answer struct {
	id     string // by which to look; empty with absent
	absent bool
}

// answers to what is in doubt: by identity, or a person's, who has looked.
func (n *node) answers(d deployment) map[string]answer {
	out := map[string]answer{}
	for _, op := range d.Pending {
		if op.Type != creating {
			continue
		}
		address := addressOf(op.Resource.URN)
		if id, identified := n.importID(op); identified {
			out[address] = answer{id: id}
		} else if n.req.Settled {
			out[address] = answer{absent: true}
		}
	}
	return out
}

// importID of a creation that was cut off. The inputs of the run that was cut
// off count, which its journal has; where the journal is lost, those of now do
// if the resource shows that they were the same.
func (n *node) importID(op operation) (string, bool) {
	address := addressOf(op.Resource.URN)
	if n.cutOff() {
		id, ok := n.journal.Identity[address]
		return id, ok
	}
	id, ok := n.identity[address]
	if !ok {
		return "", false
	}
	references, err := expand.References(n.req.Implementation.Identity[address])
	if err != nil {
		return "", false
	}
	for _, reference := range references {
		value := n.req.Inputs[strings.TrimPrefix(reference, "inputs.")]
		if !slices.ContainsFunc(slices.Collect(maps.Values(op.Resource.Inputs)), func(v any) bool { return fmt.Sprint(v) == fmt.Sprint(value) }) {
			return "", false
		}
	}
	return id, true
}

// cutOff says that the last run of this workspace was one of the stack and did
// not end by itself. This turn proves that it is dead.
func (n *node) cutOff() bool {
	return n.journal != nil && n.journal.Stack == n.stack.ref() && !n.ended
}

// identified says whether everything in doubt can be looked up.
func (n *node) identified(d deployment) bool {
	found := n.answers(d)
	return !slices.ContainsFunc(d.uncertain(), func(a string) bool { _, ok := found[a]; return !ok })
}

// known reads the state and settles what was cut off, as far as that can be
// done. It returns what stays in doubt.
//
// A resource that has an ID is put into the checkpoint in place of the pending
// operation, and looked up: Pulumi drops it when it is not there. What is
// absent is dropped at once. Either way no resource is touched.
func (n *node) known(ctx context.Context) (deployment, []string, error) {
	locks, err := n.fileLocks()
	if err != nil {
		return deployment{}, nil, unreadable("the locks of stack %s: %v", n.stack.ref(), err)
	}
	d, err := n.readState(ctx)
	if err != nil {
		return d, nil, err
	}
	uncertain := d.uncertain()
	if len(uncertain) == 0 {
		return d, nil, nil
	}
	if n.req.Plan {
		if n.identified(d) {
			return d, nil, nil // the next apply looks it up
		}
		return d, uncertain, nil
	}
	for _, l := range locks {
		if !n.dead(l) { // somebody may be at work on it now
			return d, nil, n.lockError(locks)
		}
	}
	found := n.answers(d)
	if !n.backend.tellsLocks() && !n.cutOff() && !n.req.Settled {
		return d, nil, &engine.Error{
			Class: engine.Locked, Engine: Name, Resource: uncertain[0],
			Message: fmt.Sprintf("the stack %s has operations that did not end, by another worker that is not provably dead. "+
				"If nobody is at work on it, %s is in doubt. %s", n.stack.ref(), strings.Join(uncertain, ", "), engine.HowToSettle(n.req)),
		}
	}
	if slices.ContainsFunc(uncertain, func(a string) bool { _, ok := found[a]; return !ok }) {
		return d, uncertain, nil
	}
	if err := n.settle(ctx, d, found); err != nil {
		return d, nil, err
	}
	if d, err = n.readState(ctx); err != nil {
		return d, nil, err
	}
	return d, d.uncertain(), nil
}

func (n *node) settle(ctx context.Context, d deployment, found map[string]answer) error {
	s, err := n.salt(ctx, d)
	if err != nil {
		return err
	}
	if err := n.ready(ctx); err != nil {
		return err
	}
	if err := n.configure(ctx, s, slices.DeleteFunc(slices.Clone(n.settings), func(s setting) bool { return s.unknown != "" })); err != nil {
		return err
	}
	urns, err := d.resolve(found)
	if err != nil {
		return unreadable("the state of stack %s: %v", n.stack.ref(), err)
	}
	// The next run's journal must tell the same of what is looked up, should
	// this one be cut off.
	n.identity = maps.Clone(n.identity)
	for address, a := range found {
		if a.absent {
			n.say("%s does not exist, as a person says", address)
			continue
		}
		n.say("looking up %s by its ID %q, since its creation was cut off", address, a.id)
		n.identity[address] = a.id
	}
	if err := n.importState(ctx, d.version, d.raw, s); err != nil {
		return err
	}
	if len(urns) > 0 {
		if err := n.runRefresh(ctx, urns); err != nil {
			return err
		}
	}
	return nil
}

// tellsLocks says that what is not locked is nobody's at work, and that this can
// be seen: in a directory of files.
func (b backend) tellsLocks() bool { return b.dir != "" }

// resolve edits the raw checkpoint: each creation that was cut off goes, and a
// resource with its ID comes in its place. It returns the URNs to look up.
func (d deployment) resolve(found map[string]answer) ([]string, error) {
	pending, _ := d.raw["pending_operations"].([]any)
	resources, _ := d.raw["resources"].([]any)
	var left []any
	var urns []string
	for _, entry := range pending {
		op, _ := entry.(map[string]any)
		r, _ := op["resource"].(map[string]any)
		urn, _ := r["urn"].(string)
		if r == nil || urn == "" {
			return nil, errors.New("a pending operation in it has no resource")
		}
		if op["type"] != creating {
			left = append(left, entry)
			continue
		}
		a := found[addressOf(urn)]
		if a.absent {
			continue
		}
		r = maps.Clone(r)
		r["id"] = a.id
		// Without them the provider reads it as one that it never saw.
		delete(r, "outputs")
		resources = insert(resources, r, urn)
		urns = append(urns, urn)
	}
	d.raw["resources"] = resources
	if d.raw["pending_operations"] = left; len(left) == 0 {
		delete(d.raw, "pending_operations")
	}
	return urns, nil
}

// insert puts a resource behind all that it can depend on. One of the same name
// is what it replaces: it is still to be deleted, or was deleted already.
func insert(resources []any, r map[string]any, urn string) []any {
	out := make([]any, 0, len(resources)+1)
	var replaced []any
	for _, entry := range resources {
		have, _ := entry.(map[string]any)
		if have["urn"] != urn || have["delete"] == true {
			out = append(out, entry)
			continue
		}
		if have["pendingReplacement"] == true {
			continue
		}
		have = maps.Clone(have)
		have["delete"] = true
		replaced = append(replaced, have)
	}
	return append(append(out, r), replaced...)
}

// uncertainError says what is in doubt and how to settle it.
func (n *node) uncertainError(addresses []string) error {
	return engine.InDoubt(n.req, Name, addresses, nil)
}
