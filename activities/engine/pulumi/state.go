// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/jsonvalue"
)

// deployment is a stack's checkpoint as far as this engine looks at it, and the
// whole of it for what is to be written back.
type deployment struct {
	Manifest struct {
		Time time.Time `json:"time"`
	} `json:"manifest"`
	Secrets struct {
		Type  string `json:"type"`
		State struct {
			Salt salt `json:"salt"`
		} `json:"state"`
	} `json:"secrets_providers"` //nolint:tagliatelle // Pulumi's format
	Resources []resource  `json:"resources"`
	Pending   []operation `json:"pending_operations"` //nolint:tagliatelle // Pulumi's format

	version int
	raw     map[string]any
	exists  bool // there is a stack
}

type resource struct {
	URN     string         `json:"urn"`
	Custom  bool           `json:"custom"`
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	Delete  bool           `json:"delete"`
	Created string         `json:"created"`
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs"`
}

type operation struct {
	Resource resource `json:"resource"`
	Type     string   `json:"type"`
}

// creating is the type of a pending operation that may have made something of
// which nothing is known. Of others the resource itself is in the checkpoint,
// and Pulumi looks at it again by itself.
const creating = "creating"

// checkpointVersion is what Pulumi 3 writes; 4 is 3 with features.
const (
	checkpointVersion = 3
	featureVersion    = 4
)

// parseDeployment reads a deployment: what an export holds under "deployment"
// and a checkpoint file under "checkpoint.latest".
func parseDeployment(version int, text []byte) (deployment, error) {
	d := deployment{version: version, exists: true}
	if version != checkpointVersion && version != featureVersion {
		return d, fmt.Errorf("is of version %d, where %d is known", version, checkpointVersion)
	}
	if len(bytes.TrimSpace(text)) == 0 || string(bytes.TrimSpace(text)) == "null" {
		return d, nil // a stack in which nothing has happened yet
	}
	if err := decode(text, &d); err != nil {
		return d, fmt.Errorf("cannot be read: %w", err)
	}
	if err := decode(text, &d.raw); err != nil {
		return d, fmt.Errorf("cannot be read: %w", err)
	}
	return d, nil
}

// decode keeps numbers as they are written.
func decode(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return dec.Decode(into)
}

// readState reads the stack's checkpoint without changing anything. A stack
// that was never made comes back as not existing; one that cannot be read is an
// error.
func (n *node) readState(ctx context.Context) (deployment, error) {
	if n.plainFiles() {
		d, err := n.readFile()
		if err != nil || d.exists {
			return d, err
		}
		held, err := n.backend.elsewhere(n.stack)
		if err != nil {
			return d, unreadable("the state directory %s: %v", n.backend.dir, err)
		}
		if len(held) > 0 {
			return d, renamed(held[0], n.stack.project)
		}
		return d, nil
	}
	return n.export(ctx)
}

// plainFiles says whether the backend's files can be read without the program:
// a directory in today's layout, or none yet, without compression.
func (n *node) plainFiles() bool {
	if n.backend.dir == "" {
		return false
	}
	for _, suffix := range []string{".gz", ".zst"} {
		if _, err := os.Stat(n.backend.file(n.stack) + suffix); err == nil {
			return false
		}
	}
	root := filepath.Join(n.backend.dir, ".pulumi")
	if _, err := os.Stat(filepath.Join(root, "meta.yaml")); err == nil {
		return true
	}
	entries, err := os.ReadDir(filepath.Join(root, "stacks"))
	return errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0)
}

func (n *node) readFile() (deployment, error) {
	path := n.backend.file(n.stack)
	text, err := os.ReadFile(path) //nolint:gosec // the node's checkpoint
	if errors.Is(err, fs.ErrNotExist) {
		return deployment{}, nil
	}
	if err != nil {
		return deployment{}, unreadable("the state cannot be read: %v", err)
	}
	var file struct {
		Version    int `json:"version"`
		Checkpoint struct {
			Latest json.RawMessage `json:"latest"`
		} `json:"checkpoint"`
	}
	var d deployment
	if err = decode(text, &file); err == nil {
		d, err = parseDeployment(file.Version, file.Checkpoint.Latest)
	}
	if err != nil {
		return d, unreadable("the state %s %v; put the last good one back (%s.bak may be it) and try again", path, err, path)
	}
	return d, nil
}

// uncertain lists the resources whose creation was cut off, by address.
func (d deployment) uncertain() []string {
	var out []string
	for _, op := range d.Pending {
		if address := addressOf(op.Resource.URN); op.Type == creating && !slices.Contains(out, address) {
			out = append(out, address)
		}
	}
	slices.Sort(out)
	return out
}

// held lists the resources in the world that the stack has, by address.
func (d deployment) held() []string {
	var out []string
	for _, r := range d.Resources {
		if r.Custom && !own(r.Type) {
			out = append(out, addressOf(r.URN))
		}
	}
	slices.Sort(out)
	return out
}

// root is the stack's own resource, which holds its outputs.
func (d deployment) root() (resource, bool) {
	for _, r := range d.Resources {
		if r.Type == stackType {
			return r, true
		}
	}
	return resource{}, false
}

// occupied says whether the stack holds anything.
func (d deployment) occupied() bool { return len(d.Resources) > 0 || len(d.uncertain()) > 0 }

// state identifies what was read.
func (d deployment) state() engine.State {
	return engine.State{Lineage: d.lineage(), Serial: d.serial(), ByClock: true}
}

// serial tells one checkpoint of a stack from another. Pulumi counts none, but
// notes the time at which it writes.
func (d deployment) serial() int64 {
	if d.Manifest.Time.IsZero() {
		return 0
	}
	return d.Manifest.Time.UnixNano()
}

// lineage tells a stack from one that was made anew under its name.
func (d deployment) lineage() string {
	root, _ := d.root()
	return root.Created
}

// outputName is what the program calls a declared output.
func (n *node) outputName(declared string) string {
	if mapped, ok := n.req.Implementation.Outputs[declared]; ok && mapped != "" {
		return mapped
	}
	return declared
}

// outputs picks the declared ones. With all set, one that is missing is an
// error.
func (n *node) outputs(ctx context.Context, d deployment, all bool) (map[string]any, error) {
	root, _ := d.root()
	out := make(map[string]any, len(n.req.Outputs))
	for _, spec := range n.req.Outputs {
		held, given := root.Outputs[n.outputName(spec.Name)]
		if !given || held == nil {
			if all {
				return nil, n.missingOutput(spec)
			}
			continue
		}
		value, err := n.clear(ctx, d, held)
		if err != nil {
			return nil, unreadable("the state of stack %s: %v", n.stack.ref(), err)
		}
		typedValue, err := typedOutput(spec, value)
		if err != nil {
			return nil, err
		}
		out[spec.Name] = typedValue
	}
	return out, nil
}

func (n *node) missingOutput(spec engine.OutputSpec) error {
	return invalid("program %q gives no output %q, which the definition declares as output %q",
		n.req.Implementation.Module, n.outputName(spec.Name), spec.Name)
}

// typedOutput reads a value as its declared type. The message names types and
// no value, which may be a secret.
func typedOutput(spec engine.OutputSpec, value any) (any, error) {
	out, fits := jsonvalue.Typed(spec.Type, value)
	if !fits {
		return nil, invalid("output %q is declared as %s, and the program gives a %s", spec.Name, spec.Type, jsonvalue.Kind(value))
	}
	return out, nil
}

// clear is a value of the checkpoint with its secrets in clear.
func (n *node) clear(ctx context.Context, d deployment, value any) (any, error) {
	if !holdsSecret(value) {
		return value, nil
	}
	if d.Secrets.Type != "" && d.Secrets.Type != passphraseProvider {
		return nil, fmt.Errorf("its secrets are encrypted by %q, where %q is known", d.Secrets.Type, passphraseProvider)
	}
	if d.Secrets.State.Salt == "" {
		return reveal(ctx, nil, value)
	}
	key, err := n.engine.vault.key(ctx, n.passphrase, d.Secrets.State.Salt)
	if err != nil {
		return nil, err
	}
	return reveal(ctx, key, value)
}

func holdsSecret(value any) bool {
	if _, ok := isSecret(value); ok {
		return true
	}
	switch v := value.(type) {
	case map[string]any:
		for _, e := range v {
			if holdsSecret(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsSecret)
	}
	return false
}
