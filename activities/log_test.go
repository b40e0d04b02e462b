// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

func TestCut(t *testing.T) {
	t.Parallel()
	const most = registry.MaxLogChunk
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, tc := range map[string]struct {
		text   string
		all    bool
		want   int
		reason string
	}{
		"nothing":            {text: "", want: 0, reason: "nothing to store"},
		"half a line":        {text: "begin", want: 0, reason: "its end is to come"},
		"last half":          {text: "begin", all: true, want: 5, reason: "nothing is to come"},
		"lines":              {text: "one\ntwo\nthr", want: 8, reason: "whole lines"},
		"lines at the end":   {text: "one\ntwo\nthr", all: true, want: 8, reason: "the rest is the next chunk"},
		"more than a chunk":  {text: long(most-2) + "\n" + long(10) + "\n", want: most - 1, reason: "as many lines as fit"},
		"long line":          {text: long(most + 10), want: most, reason: "a line longer than a chunk is cut"},
		"long line at end":   {text: long(most + 10), all: true, want: most, reason: "a line longer than a chunk is cut"},
		"exactly a chunk":    {text: long(most), want: most, reason: "it is full"},
		"character over":     {text: long(most-1) + "é" + long(5), want: most - 1, reason: "the character goes into the next chunk"},
		"wide over":          {text: long(most-3) + "😀" + long(5), want: most - 3, reason: "a character of four bytes"},
		"wide fits":          {text: long(most-4) + "😀" + long(5), want: most, reason: "a character of four bytes that fits"},
		"half a character":   {text: long(most-1) + "é"[:1], want: most - 1, reason: "its other half is to come"},
		"whole character":    {text: long(most-2) + "é", want: most, reason: "it is whole"},
		"half at the end":    {text: long(most-1) + "é"[:1], all: true, want: most, reason: "no other half comes"},
		"no characters":      {text: strings.Repeat("\x80", most+5), want: most, reason: "what is no UTF-8 can be cut anywhere"},
		"newline behind cut": {text: long(most) + "\n", want: most, reason: "the line does not fit with its end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := activities.Cut([]byte(tc.text), tc.all); got != tc.want {
				t.Errorf("%s: cut at %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

func TestLogKeepsEveryCharacter(t *testing.T) {
	t.Parallel()
	f := setup(t)
	line := rapid.StringOfN(rapid.RuneFrom([]rune("aé€😀\n")), 0, 50, -1)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		var text strings.Builder
		for range rapid.IntRange(0, 20).Draw(t, "parts") {
			text.WriteString(strings.Repeat(line.Draw(t, "line"), rapid.IntRange(1, 300).Draw(t, "times")))
		}
		deployment := fmt.Sprintf("alpha/shop/staging/%d", n)
		log := activities.NewLog(f.t.Context(), f.Registry, deployment, "web.n")
		for rest := text.String(); rest != ""; {
			size := min(len(rest), rapid.IntRange(1, 40_000).Draw(t, "write"))
			if _, err := log.Write([]byte(rest[:size])); err != nil {
				t.Fatal(err)
			}
			rest = rest[size:]
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		chunks := f.chunks(deployment)
		var got strings.Builder
		for i, c := range chunks {
			if len(c) > registry.MaxLogChunk || !utf8.ValidString(c) {
				t.Fatalf("chunk %d of %d bytes", i, len(c))
			}
			if last := i == len(chunks)-1; !last && !strings.HasSuffix(c, "\n") && len(c) < registry.MaxLogChunk-utf8.UTFMax {
				t.Fatalf("chunk %d of %d bytes ends inside a line", i, len(c))
			}
			got.WriteString(c)
		}
		if got.String() != text.String() {
			t.Fatalf("%d bytes came back, want %d", got.Len(), text.Len())
		}
	})
}

func TestLogIsStoredWhileTheEngineWorks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const deployment = "alpha/shop/staging/1"
	log := activities.NewLog(t.Context(), f.Registry, deployment, "web.n")
	if _, err := log.Write([]byte("creating\nstill cre")); err != nil {
		t.Fatal(err)
	}
	testplatform.Eventually(t, waiting, "the first line to be stored", func() error {
		return wantText(strings.Join(f.chunks(deployment), "|"), "creating\n")
	})
	f.must(log.Close())
	f.must(wantText(strings.Join(f.chunks(deployment), "|"), "creating\n|still cre"))
}

// TestLogNeverCutsASecret: its halves would be shown, since neither is one.
func TestLogNeverCutsASecret(t *testing.T) {
	t.Parallel()
	const most = registry.MaxLogChunk
	lines := "first\nof its\nlines\nis short\n"
	for name, tc := range map[string]struct {
		secret string
		writes []string
		want   string
		reason string
	}{
		"long line": {
			secret: canary, writes: []string{strings.Repeat("x", most-6) + canary + "yz\n"},
			want: strings.Repeat("x", most-6) + "(sensitive)yz\n", reason: "a line longer than a chunk is cut",
		},
		"long line in two": {
			secret: canary, writes: []string{strings.Repeat("x", most-6) + canary[:9], canary[9:] + "yz\n"},
			want: strings.Repeat("x", most-6) + "(sensitive)yz\n", reason: "the chunk is full before the secret is whole",
		},
		"short lines": {
			secret: lines, writes: []string{"a\n" + lines[:6], lines[6:13], lines[13:] + "b\n"},
			want: "a\n(sensitive)b\n", reason: "its lines come one after the other, each too short to be hidden alone",
		},
		"longer than a chunk": {
			secret: strings.Repeat("ab\n", most), writes: []string{"a\n" + strings.Repeat("ab\n", most), "b\n"},
			want: "a\n(sensitive)b\n", reason: "it does not fit into one",
		},
		"only its beginning": {
			secret: lines, writes: []string{"a\n" + lines[:6], "of another\n"},
			want: "a\nfirst\nof another\n", reason: "it was none",
		},
		"only its beginning, at the end": {
			secret: lines, writes: []string{"a\n" + lines[:6]}, want: "a\nfirst\n", reason: "nothing follows",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			const deployment = "alpha/shop/staging/1"
			log := activities.NewLog(t.Context(), f.Registry, deployment, "web.n")
			log.Learn(tc.secret)
			for _, text := range tc.writes {
				if _, err := log.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
				log.Flush()
			}
			f.must(log.Close())
			if diff := cmp.Diff(tc.want, strings.Join(f.chunks(deployment), "")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
