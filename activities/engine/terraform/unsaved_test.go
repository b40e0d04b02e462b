// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
)

// TestUnsavedState brings a state to the backend that the program could not
// write there, unless it is none that can follow the backend's: then a person
// decides, and is sent to no file of the worker.
func TestUnsavedState(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		member  string
		value   any
		refused bool
		reason  string
	}{
		"the next one": {
			member: "serial", value: 40, reason: "it is what the backend should hold",
		},
		"of another origin": {
			member: "lineage", value: "6b1f3c52-0000-4000-8000-000000000000", refused: true,
			reason: "the backend's may be the truth",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, program string) {
				t.Helper()
				s := newSmall(t, program, "resource \"terraform_data\" \"one\" {}\n", nil)
				if _, _, err := s.apply(t); err != nil {
					t.Fatal(err)
				}
				unsaved := filepath.Join(s.req.Workspace, "errored.tfstate")
				leave(t, s, unsaved, test.member, test.value)
				seen, err := s.engine.Observe(t.Context(), s.req)
				if !test.refused {
					if err != nil || seen.Serial != 40 || exists(unsaved) {
						t.Errorf("observed %+v, %v; want the state that was left (%s)", seen, err, test.reason)
					}
					return
				}
				e, ok := engine.AsError(err)
				if !ok || e.Class != engine.Unreadable || !strings.Contains(e.Message, "`nestor forget ") || strings.Contains(e.Message, s.req.Workspace) {
					t.Fatalf("got %v; want class unreadable and the way out (%s)", err, test.reason)
				}
				s.req.Settled = true
				if _, err := s.engine.Observe(t.Context(), s.req); err != nil || exists(unsaved) {
					t.Errorf("after a person's word: %v; the file is there: %t", err, exists(unsaved))
				}
			})
		})
	}
}

// leave writes the state beside the backend, with one member changed.
func leave(t *testing.T, s *small, path, member string, value any) {
	t.Helper()
	text, err := os.ReadFile(stateFile(s.dir, s.req))
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&state); err != nil {
		t.Fatal(err)
	}
	state[member] = value
	if text, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
