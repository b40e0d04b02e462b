// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
)

func TestClassOf(t *testing.T) {
	t.Parallel()
	locked := &engine.Error{Class: engine.Locked, Engine: "terraform", Resource: "a.b", Message: "the state is locked"}
	cases := map[string]struct {
		reason string
		err    error
		want   engine.Class
	}{
		"none":     {"no error has no class", nil, ""},
		"wrapped":  {"the class is found through wrapping", fmt.Errorf("step: %w", locked), engine.Locked},
		"joined":   {"and through joining", errors.Join(errors.New("x"), locked), engine.Locked},
		"context":  {"a context that ended is a cancellation", fmt.Errorf("wait: %w", context.Canceled), engine.Canceled},
		"deadline": {"a deadline is one, too", context.DeadlineExceeded, engine.Canceled},
		"other":    {"any other error has none", errors.New("x"), ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := engine.ClassOf(c.err); got != c.want {
				t.Errorf("%s: got %q, want %q", c.reason, got, c.want)
			}
		})
	}
	if e, ok := engine.AsError(fmt.Errorf("step: %w", locked)); !ok || e != locked {
		t.Errorf("AsError gives %v, %t", e, ok)
	}
	if got, want := locked.Error(), "terraform: a.b: the state is locked"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}
