// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/redact"
)

func TestText(t *testing.T) {
	t.Parallel()
	r := redact.New(engine.Request{
		Inputs:    map[string]any{"password": "hunter2", "nested": map[string]any{"key": []any{"line one of a key\nline two of a key"}}, "size": "shown"},
		Sensitive: map[string]bool{"password": true, "nested": true},
		Env:       map[string]string{"TOKEN": "a-long-credential", "REGION": "eu-west-1"},
	}, "passphrase")
	r.Learn([]any{"learned", "no"})
	for name, c := range map[string]struct{ text, want, reason string }{
		"input":      {"x hunter2 y", "x (sensitive) y", "a sensitive input is hidden"},
		"line":       {"said: line two of a key", "said: (sensitive)", "a line of a secret of several is hidden, too"},
		"credential": {"a-long-credential", "(sensitive)", "a credential is hidden"},
		"setting":    {"eu-west-1 shown", "eu-west-1 shown", "what is short or not sensitive stays"},
		"more":       {"passphrase", "(sensitive)", "so is what the caller adds"},
		"learned":    {"learned no", "(sensitive) no", "so is what is learned, unless it is too short"},
	} {
		if got := r.Text(c.text); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", name, c.reason, got, c.want)
		}
		if got := r.Holds(map[string]any{"a": []any{c.text}}); got != (c.text != c.want) {
			t.Errorf("%s: Holds says %t", name, got)
		}
	}
}
