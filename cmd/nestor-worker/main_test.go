// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
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
