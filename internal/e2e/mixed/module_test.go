// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/HatiCode/nestor/internal/e2e/mixed"
)

// module is the world of OpenTofu's nodes: their states, and the directory whose
// files testdata/module looks for.
type module struct{ refusals string }

// resource of a state.
type resource struct {
	Type      string `json:"type"`
	Name      string `json:"name"`
	Instances []struct {
		Status     string `json:"status"` // "tainted" after a creation that failed
		Attributes struct {
			ID    string `json:"id"`
			Input any    `json:"input"`
		} `json:"attributes"`
	} `json:"instances"`
}

func (m *module) look(a *application, n mixed.Node) any {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.Config.DataDir, "state", filepath.FromSlash(a.address(n))+".tfstate"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	a.must(err)
	var state struct {
		Resources []resource `json:"resources"`
	}
	a.must(json.Unmarshal(text, &state))
	if len(state.Resources) == 0 {
		return nil
	}
	return state.Resources
}

func (m *module) dir(a *application, n mixed.Node) string {
	return filepath.Join(m.refusals, a.name, n.Name)
}

func (m *module) refuse(a *application, n mixed.Node, what refusal) {
	a.t.Helper()
	file := what.part + "-" + what.key
	switch what.key {
	case deletion:
		file = "destroy"
	case planning:
		file = planning
	}
	a.must(os.MkdirAll(m.dir(a, n), 0o700))
	a.must(os.WriteFile(filepath.Join(m.dir(a, n), file), nil, 0o600))
}

func (m *module) heal(a *application, n mixed.Node) {
	a.t.Helper()
	a.must(os.RemoveAll(m.dir(a, n)))
}
