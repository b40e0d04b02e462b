// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/HatiCode/nestor/cli/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nestor": main})
}

// TestScripts runs testdata/script/*.txtar with the real command against an API
// that serves recorded answers: those of the script's own api directory first,
// then those of testdata/api. All of them, and all requests, are held to
// openapi.yaml. The command "requests FILE" writes down what was asked.
func TestScripts(t *testing.T) {
	t.Parallel()
	player, err := clitest.NewPlayer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shared, err := filepath.Abs(filepath.Join("testdata", "api"))
	if err != nil {
		t.Fatal(err)
	}
	type key struct{}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       clitest.Updating(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			server := player.Start(filepath.Join(env.WorkDir, "api"), shared)
			env.Values[key{}] = server
			env.Defer(func() {
				server.Close()
				for _, violation := range server.Violations() {
					t.Errorf("%s: %v", filepath.Base(env.WorkDir), violation)
				}
			})
			env.Setenv("NESTOR_SERVER", server.URL)
			env.Setenv("NESTOR_CONFIG", filepath.Join(env.WorkDir, "config.yaml"))
			env.Setenv("TZ", "UTC")
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"requests": func(ts *testscript.TestScript, _ bool, args []string) {
				server, ok := ts.Value(key{}).(*clitest.Server)
				if !ok || len(args) != 1 {
					ts.Fatalf("usage: requests FILE")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(server.Log()), 0o600))
			},
		},
	})
}
