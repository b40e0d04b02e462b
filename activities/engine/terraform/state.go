// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	tfjson "github.com/hashicorp/terraform-json"
	"golang.org/x/sys/unix"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/jsonvalue"
)

// state is a state in the format that both programs write (version 4), as far
// as this engine looks at it.
type state struct {
	Version   int                    `json:"version"`
	Serial    int64                  `json:"serial"`
	Lineage   string                 `json:"lineage"`
	Program   string                 `json:"terraform_version"` //nolint:tagliatelle // the program's format
	Outputs   map[string]stateOutput `json:"outputs"`
	Resources []stateResource        `json:"resources"`
	Encrypted json.RawMessage        `json:"encrypted_data"` //nolint:tagliatelle // the program's format
}

type stateOutput struct {
	Value json.RawMessage `json:"value"`
}

type stateResource struct {
	Module    string            `json:"module"`
	Mode      string            `json:"mode"`
	Type      string            `json:"type"`
	Name      string            `json:"name"`
	Instances []json.RawMessage `json:"instances"`
}

const stateVersion = 4

// parseState reads a state. Nothing at all is no state: the program writes at
// least an empty one.
func parseState(text []byte) (state, error) {
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("is no JSON: %w", err)
	}
	if s.Encrypted != nil {
		return s, nil
	}
	if s.Version == stateVersion && s.Lineage == "" && s.Serial == 0 && !s.exists() {
		return s, nil // how the program shows that there is none
	}
	if s.Version != stateVersion || s.Lineage == "" {
		return s, fmt.Errorf("is of version %d with lineage %q, where version %d is known", s.Version, s.Lineage, stateVersion)
	}
	return s, nil
}

// readState reads the state without changing anything. A state that was never
// written comes back empty; one that cannot be read is an error.
func (n *node) readState(ctx context.Context) (state, error) {
	if n.stateFile == "" {
		return n.pullState(ctx)
	}
	text, err := os.ReadFile(n.stateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, unreadable("the state cannot be read: %v", err)
	}
	s, err := parseState(text)
	if err != nil {
		// The program writes in place, and makes an empty file with the lock.
		if pid, ok := lockHolder(n.stateFile); ok {
			return state{}, &engine.Error{
				Class: engine.Transient, Engine: Name,
				Message: fmt.Sprintf("the state %s is locked by a living process (pid %d), which may be writing it", n.stateFile, pid),
			}
		}
		if len(bytes.TrimSpace(text)) == 0 {
			return n.emptyState()
		}
		return state{}, unreadable("the state %s %v; put the last good one back (%s.backup may be it) and try again",
			n.stateFile, err, n.stateFile)
	}
	if s.Encrypted != nil {
		return n.pullState(ctx) // only the program can decrypt it
	}
	return s, nil
}

// emptyState judges an empty state file. The program makes one when it takes
// the lock for the first time, so it is what a first apply leaves that was
// killed before it wrote anything. Everywhere else it is a state that was lost.
func (n *node) emptyState() (state, error) {
	j, err := n.readJournal()
	if err != nil {
		return state{}, failed("read journal", err)
	}
	if j != nil && !j.Existed {
		return state{}, nil
	}
	return state{}, unreadable("the state %s is empty; put the last good one back (%s.backup may be it), "+
		"or remove the file if the node never had a resource, and try again", n.stateFile, n.stateFile)
}

// lockHolder finds the process that holds the program's lock on a local state.
func lockHolder(path string) (pid int32, locked bool) {
	f, err := os.Open(path) //nolint:gosec // the node's state
	if err != nil {
		return 0, false
	}
	defer f.Close() //nolint:errcheck // opened to read
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: 0}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK {
		return 0, false
	}
	return lock.Pid, true
}

func (n *node) pullState(ctx context.Context) (state, error) {
	if err := n.ready(ctx); err != nil {
		return state{}, err
	}
	text, err := n.runPull(ctx)
	if err != nil {
		return state{}, err
	}
	if len(bytes.TrimSpace([]byte(text))) == 0 {
		return state{}, nil
	}
	s, err := parseState([]byte(text))
	if err != nil {
		return state{}, unreadable("the state in the backend %v", err)
	}
	return s, nil
}

// current digests each managed instance by address, without the deposed ones
// that a replacement is about to destroy: they say nothing of whether its
// creation was recorded.
func (s state) current() map[string]string {
	out := map[string]string{}
	for _, r := range s.Resources {
		if r.Mode != "managed" {
			continue
		}
		for _, raw := range r.Instances {
			var i struct {
				Deposed string `json:"deposed"`
			}
			if json.Unmarshal(raw, &i) == nil && i.Deposed != "" {
				continue
			}
			sum := sha256.Sum256(raw)
			out[r.address(raw)] = hex.EncodeToString(sum[:])
		}
	}
	return out
}

func (r stateResource) address(instance json.RawMessage) string {
	address := r.Type + "." + r.Name
	if r.Module != "" {
		address = r.Module + "." + address
	}
	var i struct {
		Key any `json:"index_key"` //nolint:tagliatelle // the program's format
	}
	if json.Unmarshal(instance, &i) != nil || i.Key == nil {
		return address
	}
	if s, ok := i.Key.(string); ok {
		return fmt.Sprintf("%s[%q]", address, s)
	}
	return fmt.Sprintf("%s[%v]", address, i.Key)
}

// addresses of the managed instances, deposed ones among them, in order.
func (s state) addresses() []string {
	var out []string
	for _, r := range s.Resources {
		if r.Mode != "managed" {
			continue
		}
		for _, raw := range r.Instances {
			out = append(out, r.address(raw))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ids of the managed instances by address.
func (s state) ids() map[string]string {
	out := map[string]string{}
	for _, r := range s.Resources {
		for _, raw := range r.Instances {
			var i struct {
				Attributes json.RawMessage `json:"attributes"`
			}
			if r.Mode == "managed" && json.Unmarshal(raw, &i) == nil {
				out[r.address(raw)] = idOf(i.Attributes)
			}
		}
	}
	return out
}

// exists says whether the state holds anything.
func (s state) exists() bool { return len(s.Outputs) > 0 || len(s.addresses()) > 0 }

// outputs picks the declared ones. The root module names them as the definition
// does. With all set, one that is missing is an error.
func (n *node) outputs(s state, all bool) (map[string]any, error) {
	out := make(map[string]any, len(n.req.Outputs))
	for _, spec := range n.req.Outputs {
		held, ok := s.Outputs[spec.Name]
		if !ok || string(held.Value) == "null" {
			if all {
				return nil, invalid("module %q gives no value for %q, which the definition declares as output %q",
					n.impl.Module, moduleOutput(n.impl, spec.Name), spec.Name)
			}
			continue
		}
		value, err := decodeOutput(spec, held.Value)
		if err != nil && !all {
			continue // what does not fit is no reason not to look, or to destroy
		}
		if err != nil {
			return nil, err
		}
		out[spec.Name] = value
	}
	return out, nil
}

// checkOutputs refuses an output that the module calls sensitive and the
// definition does not: it would be shown to everybody. One of the two programs
// says so itself.
func (n *node) checkOutputs(plan *tfjson.Plan) error {
	if plan.Config == nil || plan.Config.RootModule == nil {
		return nil
	}
	call := plan.Config.RootModule.ModuleCalls[moduleName]
	if call == nil || call.Module == nil {
		return nil
	}
	for _, spec := range n.req.Outputs {
		o := call.Module.Outputs[moduleOutput(n.impl, spec.Name)]
		if o != nil && o.Sensitive && !spec.Sensitive {
			return invalid("output %q of module %q is sensitive, and the definition does not say so", spec.Name, n.impl.Module)
		}
	}
	return nil
}

// decodeOutput reads a value as its declared type. The message names types and
// no value, which may be a secret.
func decodeOutput(spec engine.OutputSpec, raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, unreadable("output %q in the state is no JSON", spec.Name)
	}
	value, ok := jsonvalue.Typed(spec.Type, v)
	if !ok {
		return nil, invalid("output %q is declared as %s, and the module gives a %s", spec.Name, spec.Type, jsonvalue.Kind(v))
	}
	return value, nil
}
