// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
)

// BenchmarkNoChange compares a node step that changes nothing (observe,
// preview, apply) with the bare init, plan and apply of the same module, run in
// turn so that both meet the same machine.
func BenchmarkNoChange(b *testing.B) {
	for _, name := range []string{"tofu", "terraform"} {
		program := lookup(name)
		if program == "" {
			continue
		}
		b.Run(name, func(b *testing.B) { benchNoChange(b, program) })
	}
}

func benchNoChange(b *testing.B, program string) {
	b.Helper()
	dir := b.TempDir()
	e, err := open(dir, program)
	if err != nil {
		b.Fatal(err)
	}
	world := filepath.Join(dir, "world")
	if err := os.MkdirAll(world, 0o700); err != nil {
		b.Fatal(err)
	}
	req := engine.Request{
		Address: "t/a/e/n", Node: "n", Workspace: filepath.Join(dir, "work"), Log: io.Discard,
		Inputs: map[string]any{
			"world": world, "name": "alpha", "size": 3, "text": "x", "password": "secret", "ratio": 0.5, "enabled": true,
			"zones": []any{"a"}, "labels": map[string]any{"a": "b"}, "mode": "",
		},
		Outputs: []engine.OutputSpec{{Name: "id", Type: "string"}},
	}
	if err := prepare(dir, &req); err != nil {
		b.Fatal(err)
	}
	step := func() {
		if _, err := e.Observe(b.Context(), req); err != nil {
			b.Fatal(err)
		}
		p, err := e.Preview(b.Context(), req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.Apply(b.Context(), req, p); err != nil {
			b.Fatal(err)
		}
	}
	step()
	bare := func() {
		for _, args := range [][]string{
			{"init", "-input=false"},
			{"plan", "-input=false", "-var-file=" + filepath.Join(dir, "vars.tfvars.json"), "-out=" + filepath.Join(dir, "bare.tfplan")},
			{"apply", "-input=false", filepath.Join(dir, "bare.tfplan")},
		} {
			cmd := exec.CommandContext(b.Context(), program, args...)
			cmd.Dir = req.Workspace
			cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "data", "terraform", "cli.tfrc"), "CHECKPOINT_DISABLE=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v: %v\n%s", args, err, out)
			}
		}
	}
	vars := `{"world":"` + world + `","name":"alpha","size":3,"note":"x","password":"secret","ratio":0.5,"enabled":true,` +
		`"zones":["a"],"labels":{"a":"b"},"mode":""}`
	if err := os.WriteFile(filepath.Join(dir, "vars.tfvars.json"), []byte(vars), 0o600); err != nil {
		b.Fatal(err)
	}
	var ours, theirs []time.Duration
	for b.Loop() {
		start := time.Now()
		bare()
		middle := time.Now()
		step()
		theirs, ours = append(theirs, middle.Sub(start)), append(ours, time.Since(middle))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	mine, bareTime := ours[len(ours)/2], theirs[len(theirs)/2]
	b.ReportMetric(float64(mine)/float64(bareTime), "ratio")
	b.ReportMetric(float64(mine.Milliseconds()), "step-ms")
	b.ReportMetric(float64(bareTime.Milliseconds()), "bare-ms")
}
