// SPDX-License-Identifier: Apache-2.0

package supervise_test

import (
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine/supervise"
)

func TestGrace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		configured time.Duration
		plan       bool
		want       time.Duration
		reason     string
	}{
		"default":    {0, false, supervise.DefaultGrace, "a provider may have a call under way"},
		"configured": {time.Minute, false, time.Minute, "the operator knows better"},
		"plan":       {0, true, supervise.PlanGrace, "nothing is lost with it"},
		"long":       {time.Minute, true, supervise.PlanGrace, "and others wait"},
		"short":      {time.Second, true, time.Second, "who gives less gives plans no more"},
	} {
		if got := supervise.Grace(tc.configured, tc.plan); got != tc.want {
			t.Errorf("%s: %s: %s, want %s", name, tc.reason, got, tc.want)
		}
	}
}
