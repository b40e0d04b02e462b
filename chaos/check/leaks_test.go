// SPDX-License-Identifier: Apache-2.0

package check //nolint:testpackage // it shares the scenes of the other checks

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/devserver"
	"github.com/HatiCode/nestor/internal/temporalclient"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/store/seal"
)

// TestPlanted: a secret that somebody puts into a payload is found in its
// history, and a history that is encrypted does not pass for a clean one.
func TestPlanted(t *testing.T) {
	t.Parallel()
	server := testplatform.StartTemporal(t)
	canary := NewCanary(token)
	keys, err := seal.LoadOrCreateKeyset(filepath.Join(t.TempDir(), "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		reason    string
		encrypt   bool
		input     string
		leaks     int
		illegible bool
	}{
		"clean":     {"there is none", false, "nothing", 0, false},
		"planted":   {"it is in an input", false, "password=" + token, 1, false},
		"encrypted": {"nobody can say", true, "password=" + token, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporal, err := temporalclient.Dial(t.Context(), temporalclient.Options{
				Address: server.Address, Namespace: devserver.Namespace, Codec: codec.New(keys, test.encrypt),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(temporal.Close)
			id := "planted-" + name
			options := client.StartWorkflowOptions{ID: id, TaskQueue: "nobody"}
			if _, err := temporal.ExecuteWorkflow(t.Context(), options, "any", test.input); err != nil {
				t.Fatal(err)
			}
			var found Findings
			var illegible *IllegibleError
			testplatform.Eventually(t, time.Minute, "the workflow to be listed", func() error {
				var err error
				found, err = Histories(t.Context(), &site.Site{Temporal: temporal}, canary, id)
				if errors.As(err, &illegible) {
					return nil
				}
				return err
			})
			if len(found.Leaks) != test.leaks || (illegible != nil) != test.illegible {
				t.Errorf("%s: it finds %v, and cannot look: %v", test.reason, found.All(), illegible)
			}
		})
	}
}

// TestPlantedInFiles: the same for what lies in files.
func TestPlantedInFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file, text string
		leaks      int
		illegible  bool
	}{
		"clean":     {"temporal.db", "nothing", 0, false},
		"temporal":  {"temporal.db-wal", "password=" + token, 1, false},
		"log":       {"logs/worker-1.log", "password=" + token, 1, false},
		"blob":      {"data/blobs/ab/cd", "password=" + token, 1, false},
		"encrypted": {"temporal.db", codec.Encoding, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &site.Site{Options: site.Options{Dir: t.TempDir()}}
			path := filepath.Join(s.Dir, test.file)
			for _, dir := range []string{filepath.Join(s.Data(), "blobs"), filepath.Dir(path)} {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := Files(s, NewCanary(token))
			var illegible *IllegibleError
			if errors.As(err, &illegible) != test.illegible || err != nil && !test.illegible || len(found.Leaks) != test.leaks {
				t.Errorf("it finds %v, %v", found.All(), err)
			}
		})
	}
}
