// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// Ledger reads every side effect in a world, in order.
func Ledger(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "ledger")) //nolint:gosec // a test's world
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n"), nil
}

// Resources counts what exists in a world.
func Resources(dir string) (int, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "resources", "*", "*.json"))
	return len(paths), err
}

// Tamper changes an attribute of each resource of a node behind the engine's
// back.
func Tamper(dir, address, attribute string, value any) error {
	paths, err := filepath.Glob(filepath.Join(dir, "resources", key(address), "*.json"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("node %s has no resource in the world", address)
	}
	for _, path := range paths {
		var r resource
		if err := readJSON(path, &r); err != nil {
			return err
		}
		r.Attributes[attribute] = value
		if err := writeJSON(path, r); err != nil {
			return err
		}
	}
	return nil
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

func (n *node) resourceDir() string { return filepath.Join(n.engine.dir, "resources", n.key) }

func (n *node) resourceFile(identity string) string {
	return filepath.Join(n.resourceDir(), identity+".json")
}

func (n *node) stateFile() string { return filepath.Join(n.engine.dir, "state", n.key+".json") }

// find looks a resource up by its identity; nil means that there is none.
func (n *node) find(identity string) (*resource, error) {
	var r resource
	err := readJSON(n.resourceFile(identity), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	return &r, err
}

// make creates a resource: the side effect.
func (n *node) make(identity string, attributes map[string]any) (*resource, error) {
	if err := os.MkdirAll(n.resourceDir(), 0o700); err != nil {
		return nil, err
	}
	number, err := count(filepath.Join(n.engine.dir, "locks", n.key, "creations"))
	if err != nil {
		return nil, err
	}
	r := &resource{ID: fmt.Sprintf("%s-%d", n.req.Node, number), Name: n.name(attributes), Attributes: attributes}
	if name := n.behaviour.Content; name != "" {
		r.Content = "what " + r.ID + " holds"
		if given, ok := n.req.Inputs[name].(string); ok && given != "" {
			r.Content = given
		}
	}
	if err := writeJSON(n.resourceFile(identity), r); err != nil {
		return nil, err
	}
	return r, n.effect("create %s", r.Name)
}

// name of the resource in the ledger.
func (n *node) name(attributes map[string]any) string {
	if name, ok := attributes["name"].(string); ok {
		return name
	}
	return n.req.Node
}

// remove destroys a resource: the side effect.
func (n *node) remove(identity string) error {
	r, err := n.find(identity)
	if err != nil || r == nil {
		return err
	}
	if err := os.Remove(n.resourceFile(identity)); err != nil {
		return err
	}
	return n.effect("destroy %s", r.Name)
}

// identities of everything that the node has in the world.
func (n *node) identities() ([]string, error) {
	entries, err := os.ReadDir(n.resourceDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, err
}

// effect appends a line to the ledger, in one write.
func (n *node) effect(format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	_, _ = fmt.Fprintf(n.req.Log, "%s: %s\n", n.address(), line)
	f, err := os.OpenFile(filepath.Join(n.engine.dir, "ledger"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
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
