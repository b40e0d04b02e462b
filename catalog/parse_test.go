// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
)

var update = flag.Bool("update", false, "write the golden files")

// parse reads a file of testdata that holds one valid definition.
func parse(t *testing.T, file string) catalog.Definition {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := catalog.ParseDefinitions(file, data)
	if err != nil {
		t.Fatalf("parse %s:\n%v", file, err)
	}
	if len(definitions) != 1 {
		t.Fatalf("%s holds %d definitions", file, len(definitions))
	}
	return definitions[0]
}

func TestParseProductExample(t *testing.T) {
	t.Parallel()
	want := catalog.Definition{
		APIVersion: catalog.APIVersion, Kind: catalog.Kind,
		Metadata: catalog.Metadata{Name: "aws-rds-mysql", Version: "1.0.0"},
		Spec: catalog.Spec{
			Provider: "aws", Category: "database", ResourceType: "mysql",
			Engines: []string{"crossplane", "pulumi"},
			Inputs: []catalog.Field{
				{Name: "instanceClass", Type: catalog.TypeString, Required: true},
				{Name: "allocatedStorage", Type: catalog.TypeInteger, Default: int64(20)},
			},
			Rollback: catalog.Revertible, DeletionPolicy: catalog.DeletePolicy,
		},
	}
	if diff := cmp.Diff(want, parse(t, "aws-rds-mysql.yaml")); diff != "" {
		t.Errorf("PRODUCT.md's example (-want +got):\n%s", diff)
	}
}

func TestParseFull(t *testing.T) {
	t.Parallel()
	d := parse(t, "full.yaml")
	if d.Spec.Rollback != catalog.ForwardOnly || d.Spec.DeletionPolicy != catalog.RetainPolicy {
		t.Errorf("rollback %s, deletion policy %s", d.Spec.Rollback, d.Spec.DeletionPolicy)
	}
	want := catalog.Timeouts{Apply: catalog.Duration(30 * time.Minute), Destroy: catalog.Duration(90 * time.Second)}
	if d.Spec.Timeouts != want {
		t.Errorf("timeouts %v, want %v", d.Spec.Timeouts, want)
	}
	if got := d.Spec.Inputs[2].Default; got != 1.0 {
		t.Errorf("the default 1 of a number is %T %v, want the float64 1", got, got)
	}
	if diff := cmp.Diff(map[string]any{"a": []any{int64(1), 2.5}}, d.Spec.Inputs[5].Default); diff != "" {
		t.Errorf("default of a map (-want +got):\n%s", diff)
	}
}

func TestParseGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = catalog.ParseDefinitions(filepath.Base(file), data)
			var problems manifest.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			for _, p := range problems {
				if p.File == "" || p.Line == 0 || p.Column == 0 {
					t.Errorf("no place: %+v", p)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a sensitive default is in the message")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseSeveral(t *testing.T) {
	t.Parallel()
	one, err := os.ReadFile("testdata/aws-rds-mysql.yaml")
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := catalog.ParseDefinitions("x.yaml", []byte("---\n"+string(one)+"---\n"+string(two)+"---\n"))
	if err != nil || len(definitions) != 2 || definitions[1].Metadata.Name != "local-mysql" {
		t.Errorf("got %d definitions and %v", len(definitions), err)
	}
}

func TestNormalizeAfterJSON(t *testing.T) {
	t.Parallel()
	want := parse(t, "full.yaml")
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got catalog.Definition
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Normalize()); diff != "" {
		t.Errorf("a definition that went through JSON (-want +got):\n%s", diff)
	}
	if err := catalog.Validate(got); err != nil {
		t.Errorf("it is not valid any more: %v", err)
	}
	parsed, err := catalog.ParseDefinitions("x.json", text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, parsed[0]); diff != "" {
		t.Errorf("parsed from JSON (-want +got):\n%s", diff)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	d := parse(t, "aws-rds-mysql.yaml")
	const want = "sha256:bd1f9adbfc149d59e2f63a1d75eb2777092e80b7f5b3f380a4b89e2e46d44241"
	got, err := catalog.Digest(d, "")
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the digest of PRODUCT.md's example is %s, was %s: every published version would change its digest", got, want)
	}
	if !catalog.IsDigest(got) || catalog.IsDigest(got+"0") {
		t.Error("IsDigest is wrong")
	}
	withFiles, err := catalog.Digest(d, got)
	if err != nil || withFiles == got {
		t.Errorf("the bundle does not count: %s, %v", withFiles, err)
	}
	d.Spec.Rollback = ""
	if again, err := catalog.Digest(d, ""); err != nil || again != got {
		t.Errorf("a default written or not makes a difference: %s, %v", again, err)
	}
}

func TestValidateWithoutPlaces(t *testing.T) {
	t.Parallel()
	d := parse(t, "aws-rds-mysql.yaml")
	d.Spec.Timeouts.Apply = -1
	d.Spec.Engines = nil
	err := catalog.Validate(d)
	const want = `spec.engines: missing, expected at least one engine (known: crossplane, fake, helm, pulumi, terraform)
spec.timeouts.apply: timeout -1ns is not between 0s and 24h (write one such as "30m")`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	d = parse(t, "aws-rds-mysql.yaml")
	d.Spec.Description = strings.Repeat("x", 300<<10)
	if err := catalog.Validate(d); err == nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("a definition too large for the store: %v", err)
	}
}

func FuzzParseDefinitions(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/full.yaml", "testdata/aws-rds-mysql.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		definitions, err := catalog.ParseDefinitions("f.yaml", data)
		var problems manifest.Problems
		if err != nil {
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("error is %T: %v", err, err)
			}
			return
		}
		for _, d := range definitions {
			before, err := catalog.Digest(d, "")
			if err != nil {
				t.Fatalf("valid, but without a digest: %v", err)
			}
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			again, err := catalog.ParseDefinitions("f.json", text)
			if err != nil || len(again) != 1 {
				t.Fatalf("valid as YAML, not as JSON: %v", err)
			}
			if after, err := catalog.Digest(again[0], ""); err != nil || after != before {
				t.Fatalf("digest %s became %s (%v)", before, after, err)
			}
		}
	})
}
