// SPDX-License-Identifier: Apache-2.0

package chaos_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/HatiCode/nestor/chaos/part"
	"github.com/HatiCode/nestor/chaos/run"
	"github.com/HatiCode/nestor/internal/parts"
)

// disturbed is how long there are disturbances; starting, finishing what is
// under way and the last checks take the rest of a minute.
const disturbed = 40 * time.Second

func TestMain(m *testing.M) {
	if part.Main() {
		return
	}
	os.Exit(m.Run())
}

// TestShort is the short run of the harness. The stall is printed and not
// judged here: other packages' tests take the cores meanwhile. `make chaos`
// judges it.
func TestShort(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"temporal", "tofu", "nestor", "nestor-api", "nestor-worker"} {
		parts.Program(t, name)
	}
	seed := uint64(rand.Uint32())
	t.Logf("seed %d; the same stories and points for longer: make chaos SEED=%d", seed, seed)
	dir := t.TempDir()
	result, err := run.Run(t.Context(), run.Options{
		Seed: seed, For: disturbed, Bin: parts.Bin(t), Dir: dir, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var figures strings.Builder
	if err := result.Print(&figures); err != nil {
		t.Fatal(err)
	}
	t.Log(figures.String())
	if !result.Findings.None() {
		t.Error("not everything is as it should be")
	}
	if result.Points == 0 || result.Deployments() == 0 {
		t.Errorf("%d points and %d deployments prove nothing", result.Points, result.Deployments())
	}
}
