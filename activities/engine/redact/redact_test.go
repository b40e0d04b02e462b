// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/redact"
)

func TestText(t *testing.T) {
	t.Parallel()
	r := redact.New(engine.Request{
		Inputs:    map[string]any{"password": "hunter2", "nested": map[string]any{"key": []any{"line one of a key\nline two of a key"}}, "size": "shown"},
		Sensitive: map[string]bool{"password": true, "nested": true},
		Secrets:   []any{map[string]any{"part": "of-an-address"}},
		Env:       map[string]string{"TOKEN": "a-long-credential", "REGION": "eu-west-1"},
	}, "passphrase")
	r.Learn([]any{"learned", "no"})
	for name, c := range map[string]struct{ text, want, reason string }{
		"input":      {"x hunter2 y", "x (sensitive) y", "a sensitive input is hidden"},
		"line":       {"said: line two of a key", "said: (sensitive)", "a line of a secret of several is hidden, too"},
		"credential": {"a-long-credential", "(sensitive)", "a credential is hidden"},
		"setting":    {"eu-west-1 shown", "eu-west-1 shown", "what is short or not sensitive stays"},
		"part":       {"of-an-address", "(sensitive)", "so is what an input was made of"},
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

// TestForms: a secret is found in the forms that programs give it.
func TestForms(t *testing.T) {
	t.Parallel()
	const secret = "p&ss/w\"rd?\nline two of it+\n"
	r := redact.New(engine.Request{
		Inputs: map[string]any{"key": secret}, Sensitive: map[string]bool{"key": true},
		Env:      map[string]string{"ENDPOINT": "http://127.0.0.1:9000", "TOKEN": "a-long-credential"},
		Settings: map[string]bool{"ENDPOINT": true},
	})
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]string{
		"plain": secret, "trimmed": strings.TrimSpace(secret), "JSON": string(quoted[1 : len(quoted)-1]), "Go": strings.Trim(strconv.Quote(secret), `"`),
		"query": url.QueryEscape(secret), "path": url.PathEscape(secret), "hex": hex.EncodeToString([]byte(secret)),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "raw URL base64": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"other line ends": strings.ReplaceAll(secret, "\n", "\r\n"), "one line": "line two of it+", "credential": "YS1sb25nLWNyZWRlbnRpYWw=",
	} {
		if got := r.Text("before " + form + " after"); got != "before (sensitive) after" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := r.Text("dial http://127.0.0.1:9000: refused"); got != "dial http://127.0.0.1:9000: refused" {
		t.Errorf("a plain setting is hidden: %q", got)
	}
}

// TestCut: no part of a text holds a part of a secret.
func TestCut(t *testing.T) {
	t.Parallel()
	r := redact.New(engine.Request{}, "secret", "one\ntwo\n", "abab", "abababab")
	for name, c := range map[string]struct {
		text   string
		n      int
		more   bool
		want   int
		reason string
	}{
		"beside":          {"a secret b", 8, true, 8, "the secret is before it"},
		"inside":          {"a secret b", 5, true, 2, "the secret is the next part's"},
		"at its end":      {"a secret", 8, true, 8, "it is whole"},
		"begins with one": {"secret b", 3, false, 6, "nothing is before it"},
		"open":            {"a sec", 5, true, 2, "the rest may come"},
		"open from 0":     {"sec", 3, true, 0, "all of it may be one"},
		"not any more":    {"a sec", 5, false, 5, "nothing comes"},
		"none after all":  {"a secure", 8, true, 8, "it is another word"},
		"lines":           {"x\none\n", 6, true, 2, "the second line may come"},
		"behind":          {"x\none\n", 2, true, 2, "it is the next part's business"},
		"longer may come": {"x abab", 6, true, 2, "one begins as another does"},
		"repeats itself":  {"abababababab", 6, false, 8, "it is hidden from the left"},
		"nothing":         {"", 0, true, 0, "there is nothing"},
	} {
		if got := r.Cut(c.text, c.n, c.more); got != c.want {
			t.Errorf("%s: %s: cut at %d, want %d", name, c.reason, got, c.want)
		}
	}
}
