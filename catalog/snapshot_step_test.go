// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
)

// savable is the guide's definition with a snapshot, to be broken by the tests.
func savable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "snapshot-first.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSnapshotStep(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		old, new string
		want     string // part of the error; empty: none
		reason   string
	}{
		"whole":          {reason: "the example"},
		"missing":        {old: "      snapshot:\n        module: modules/database-snapshot\n        inputs: {of: \"${outputs.id}\", name: \"${inputs.name}-${deployment}\"}\n        outputs: [{name: snapshotId, type: string}]\n        restore: {restoreFrom: snapshotId}\n", want: "expected how a snapshot is taken", reason: "the class needs one for each engine"},
		"another class":  {old: "rollback: snapshot-first", new: "rollback: revertible", want: "a snapshot is never taken", reason: "nobody would use it"},
		"unknown output": {old: "${outputs.id}", new: "${outputs.ids}", want: `did you mean "${outputs.id}"?`, reason: "a slip is named"},
		"unknown input":  {old: "${inputs.name}", new: "${inputs.nam}", want: `did you mean "${inputs.name}"?`, reason: "a slip is named"},
		"always one":     {old: "${inputs.name}-${deployment}", new: "${inputs.name}", want: `"${inputs.name}-${deployment}"`, reason: "the second would be the first"},
		"elsewhere":      {old: "{of: \"${outputs.id}\"", new: "{of: \"${deployment}-${outputs.id}\"", reason: "one input is enough"},
		"restore into":   {old: "restore: {restoreFrom: snapshotId}", new: "restore: {restoreForm: snapshotId}", want: `did you mean "restoreFrom"?`, reason: "a slip is named"},
		"restore of":     {old: "restore: {restoreFrom: snapshotId}", new: "restore: {restoreFrom: snapshotID}", want: `did you mean "snapshotId"?`, reason: "a slip is named"},
		"required":       {old: "restore: {restoreFrom: snapshotId}", new: "restore: {name: snapshotId}", want: "is required", reason: "claims set it"},
		"type":           {old: "{name: snapshotId, type: string}", new: "{name: snapshotId, type: integer}", want: "declare both with one type", reason: "it could not be given"},
		"secret":         {old: "{name: snapshotId, type: string}", new: "{name: snapshotId, type: string, sensitive: true}", want: "would show it", reason: "a secret would come out"},
		"no restore":     {old: "        restore: {restoreFrom: snapshotId}\n", want: "expected which input takes what", reason: "a snapshot that nothing uses"},
		"no module":      {old: "        module: modules/database-snapshot\n", want: "expected the directory of a Terraform module", reason: "the engine needs one"},
		"outside":        {old: "modules/database-snapshot", new: "../copy", want: "leaves the definition's directory", reason: "it would not be in the bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.old != "" && !strings.Contains(savable(t), tc.old) {
				t.Fatalf("the example has no %q", tc.old)
			}
			_, err := catalog.ParseDefinitions("db.yaml", []byte(strings.Replace(savable(t), tc.old, tc.new, 1)))
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("%s: %v", tc.reason, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}

// TestSnapshotModuleTravels: its files are in the bundle, and must be.
func TestSnapshotModuleTravels(t *testing.T) {
	t.Parallel()
	definitions, err := catalog.ParseDefinitions("db.yaml", []byte(savable(t)))
	if err != nil {
		t.Fatal(err)
	}
	if got := definitions[0].Spec.Implementations["terraform"].Modules(); len(got) != 2 || got[1] != "modules/database-snapshot" {
		t.Errorf("modules: %v", got)
	}
	service := newService(t)
	file := func(path string) bundle.File { return bundle.File{Path: path, Data: []byte("{}")} }
	half, err := bundle.New([]bundle.File{file("modules/database/main.tf")})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := service.Publish(t.Context(), "user:platform", definitions[0], half); err == nil || !strings.Contains(err.Error(), "snapshot.module") {
		t.Errorf("without the snapshot's files: %v", err)
	}
	whole, err := bundle.New([]bundle.File{file("modules/database/main.tf"), file("modules/database-snapshot/main.tf")})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := service.Publish(t.Context(), "user:platform", definitions[0], whole); err != nil {
		t.Error(err)
	}
}
