// SPDX-License-Identifier: Apache-2.0

package approve_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/root"
)

const paused = `{"id": "alpha/shop/staging/3", "n": 3, "team": "alpha", "application": "shop", "environment": "staging", "kind": "apply",
 "basis": 0, "requestId": "R1", "principal": "user:ada", "onFailure": "rollback", "status": "paused",
 "workflowId": "alpha/shop/staging/3", "planId": "P1", "queuedAt": "2026-01-02T15:04:05Z",
 "paused": [{"node": "web-app.database", "changeDigest": "sha256:dddd", "message": "size would become another value"}]}`

// At a terminal, what was shown has to be answered.
func TestApproveAsks(t *testing.T) {
	t.Parallel()
	player, err := clitest.NewPlayer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	recorded := t.TempDir()
	at := filepath.Join(recorded, "GET", "api", "v1", "deployments", "alpha", "shop", "staging")
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "3.json"), []byte(paused), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		reason   string
		verb     string
		answer   string
		flags    []string
		code     int
		decision string
	}{
		"yes":      {"it was looked at", "approve", "y\n", nil, cli.CodeOK, "/3/approve"},
		"no":       {"it was looked at, and is wrong", "approve", "n\n", nil, cli.CodeError, ""},
		"nothing":  {"silence is no consent", "approve", "", nil, cli.CodeError, ""},
		"flag":     {"the flag answers", "approve", "", []string{"--yes"}, cli.CodeOK, "/3/approve"},
		"reject":   {"a rejection rolls back, so it is asked for too", "reject", "y\n", nil, cli.CodeOK, "/3/reject"},
		"no, stay": {"it waits on", "reject", "n\n", nil, cli.CodeError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := player.Start(recorded, filepath.Join("..", "..", "cmd", "nestor", "testdata", "api"))
			defer server.Close()
			c := clitest.NewCommand(t, server, t.TempDir(), true, tt.answer)
			args := append([]string{tt.verb, "3", "--env", "staging", "--app", "shop", "--team", "alpha"}, tt.flags...)
			if code := root.Run(t.Context(), c.Factory, args); code != tt.code {
				t.Errorf("%s: exit %d, want %d: %s", tt.reason, code, tt.code, c.Err)
			}
			if !strings.Contains(c.Err.String(), "size would become another value") {
				t.Errorf("%s: what waits was not shown: %s", tt.reason, c.Err)
			}
			decided := strings.Contains(server.Log(), "POST ")
			if decided != (tt.decision != "") || !strings.Contains(server.Log(), tt.decision) {
				t.Errorf("%s: asked the API %s", tt.reason, server.Log())
			}
			for _, violation := range server.Violations() {
				t.Error(violation)
			}
		})
	}
}
