// SPDX-License-Identifier: Apache-2.0

package fake

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
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/internal/atomicfile"
	"github.com/HatiCode/nestor/orchestrator"
)

// resource is what exists in the world.
type resource struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Attributes map[string]any `json:"attributes"`
	Content    string         `json:"content,omitempty"`
}

// record is what the engine knows of a node: its state.
type record struct {
	Serial   int64          `json:"serial"`
	Lineage  string         `json:"lineage"`
	Identity string         `json:"identity"`
	Resource *resource      `json:"resource"`
	Outputs  map[string]any `json:"outputs"`
	// Adopted is the source that the resource was taken over from.
	Adopted string `json:"adopted,omitempty"`
}

// holder is who holds a node's lock.
type holder struct {
	orchestrator.Lease
	Since time.Time `json:"since"`
}

// dead says that the holder is provably dead. The caller has the kernel's lock,
// so a holder in this very process has given up.
func (h holder) dead() bool {
	alive, known := supervise.Alive(h.Lease)
	return known && (!alive || h.PID == os.Getpid())
}

// key makes a file's name of an address, one to one.
func key(address string) string {
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(address)
}

// identity of the resource that the inputs ask for.
func (n *node) identity(attributes map[string]any) (string, error) {
	fixed := map[string]any{}
	for _, name := range n.behaviour.Immutable {
		fixed[name] = attributes[name]
	}
	text, err := json.Marshal(fixed)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

func (n *node) stateFile() string { return filepath.Join(n.engine.dir, "state", n.key+".json") }

// name of the resource in the ledger.
func (n *node) name(attributes map[string]any) string {
	if name, ok := attributes["name"].(string); ok {
		return name
	}
	return n.req.Node
}

// make creates a resource: the side effect.
func (n *node) make(ctx context.Context, identity string, attributes map[string]any) (*resource, error) {
	r := resource{Name: n.name(attributes), Attributes: attributes}
	if name := n.behaviour.Content; name != "" {
		r.Content = "what {id} holds"
		if given, ok := n.req.Inputs[name].(string); ok && given != "" {
			r.Content = given
		}
	}
	line := "create " + r.Name
	made, err := n.engine.outside.create(ctx, n.key, identity, n.req.Node, r, line)
	if err == nil {
		n.say(line)
	}
	return made, err
}

// remove destroys a resource: the side effect.
func (n *node) remove(ctx context.Context, identity string) error {
	r, err := n.engine.outside.find(ctx, n.key, identity)
	if err != nil || r == nil {
		return err
	}
	line := "destroy " + r.Name
	if err := n.engine.outside.destroy(ctx, n.key, identity, line); err != nil {
		return err
	}
	n.say(line)
	return nil
}

// say logs a side effect.
func (n *node) say(line string) {
	_, _ = fmt.Fprintf(n.req.Log, "%s: %s\n", n.address(), line)
}

// count adds one to the number in a file and returns it.
func count(path string) (int, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the world
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil && len(text) > 0 {
		return 0, err
	}
	number++
	return number, atomicfile.Write(path, []byte(strconv.Itoa(number)))
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the world
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, text)
}
