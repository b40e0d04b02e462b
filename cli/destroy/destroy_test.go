// SPDX-License-Identifier: Apache-2.0

package destroy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/root"
)

// At a terminal, only the application's name starts a deletion.
func TestTheNameHasToBeTyped(t *testing.T) {
	t.Parallel()
	player, err := clitest.NewPlayer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		reason  string
		answer  string
		code    int
		deletes bool
	}{
		"name":  {"the application's name", "shop\n", cli.CodeOK, true},
		"yes":   {"y is not enough", "y\n", cli.CodeError, false},
		"other": {"another name is a mistake about where one is", "shop2\n", cli.CodeError, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := player.Start(filepath.Join("..", "..", "cmd", "nestor", "testdata", "api"))
			defer server.Close()
			c := clitest.NewCommand(t, server, t.TempDir(), true, tt.answer)
			args := []string{"destroy", "--env", "staging", "--app", "shop", "--team", "alpha", "--detach"}
			if code := root.Run(t.Context(), c.Factory, args); code != tt.code {
				t.Errorf("%s: exit %d, want %d: %s", tt.reason, code, tt.code, c.Err)
			}
			if deletes := strings.Contains(server.Log(), "POST /api/v1/deployments"); deletes != tt.deletes {
				t.Errorf("%s: a deletion was asked for: %t", tt.reason, deletes)
			}
			for _, violation := range server.Violations() {
				t.Error(violation)
			}
		})
	}
}
