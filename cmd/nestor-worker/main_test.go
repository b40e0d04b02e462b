// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		args   []string
		want   string // in what is printed
		fails  string
	}{
		"help":         {"a flag, as everywhere", []string{"--help"}, "NESTOR_QUEUES", ""},
		"short":        {"its short form", []string{"-h"}, "NESTOR_DATA", ""},
		"help command": {"a word", []string{"help"}, "NESTOR_TEMPORAL_ADDRESS", ""},
		"version":      {"the version alone", []string{"version"}, "nestor-worker dev", ""},
		"version flag": {"as a flag", []string{"--version"}, "nestor-worker dev", ""},
		"unknown":      {"nothing is started by mistake", []string{"--verbose"}, "", `unknown argument "--verbose"; see nestor-worker --help`},
		"nothing":      {"without arguments it serves, and says what it misses", nil, "", "NESTOR_DATA is not set; it names the data directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, log bytes.Buffer
			err := run(t.Context(), test.args, func(string) string { return "" }, &out, &log)
			fails := ""
			if err != nil {
				fails = err.Error()
			}
			if fails != test.fails || !strings.Contains(out.String(), test.want) {
				t.Errorf("%s: printed %q, error %q; want %q, error %q", test.reason, out.String(), fails, test.want, test.fails)
			}
		})
	}
}

// TestMoveNeedsTheKeys: histories are encrypted, so without the workers' keys
// nobody can say what replays; and keys that the command made would open nothing.
func TestMoveNeedsTheKeys(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	tests := map[string]struct {
		reason string
		env    map[string]string
		fails  string
	}{
		"not named": {"nobody said where they are", nil, "NESTOR_KEYSET names the file"},
		"missing":   {"another data directory", map[string]string{"NESTOR_DATA": data}, "no such file"},
		"neither":   {"a typing error", map[string]string{"NESTOR_PAYLOAD_ENCRYPTION": "yes"}, "neither on nor off"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"NESTOR_WORKER_DEPLOYMENT": "nestor", "NESTOR_BUILD_ID": "b"}
			maps.Copy(env, test.env)
			var out, log bytes.Buffer
			err := run(t.Context(), []string{"move", "alpha/shop/staging/1"}, func(name string) string { return env[name] }, &out, &log)
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: answered %v, want %q", test.reason, err, test.fails)
			}
			if made, err := filepath.Glob(filepath.Join(data, "*")); err != nil || len(made) > 0 {
				t.Errorf("%s: made %v (%v)", test.reason, made, err)
			}
		})
	}
}
