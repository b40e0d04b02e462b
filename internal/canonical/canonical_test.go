// SPDX-License-Identifier: Apache-2.0

package canonical_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/internal/canonical"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		value  any
		want   string
	}{
		"key order":  {"members are ordered by UTF-16 code units, not by insertion", map[string]any{"b": 1, "a": 2, "é": 3, "\U0001F600": 4, "\uFB33": 5}, "{\"a\":2,\"b\":1,\"é\":3,\"\U0001F600\":4,\"\uFB33\":5}"},
		"numbers":    {"numbers take the ECMAScript form", []any{1.0, 1e21, 1e-7, 0.1, math.Copysign(0, -1), int64(1) << 53}, `[1,1e+21,1e-7,0.1,0,9007199254740992]`},
		"html":       {"what encoding/json escapes for HTML is written as itself", "a<b>&c", `"a<b>&c"`},
		"escapes":    {"only what must be escaped is", "\u2028\n\"\\", "\"\u2028\\n\\\"\\\\\""},
		"real fffd":  {"a replacement character that was there is no loss", "\uFFFD", "\"\uFFFD\""},
		"text fffd":  {"a backslash before ufffd is a string like any other", `\ufffd`, `"\\ufffd"`},
		"nil map":    {"a nil map is null", map[string]any(nil), `null`},
		"empty list": {"an empty list stays", []any{}, `[]`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := canonical.JSON(tc.value)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestJSONRefusesLoss(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		value  any
	}{
		"above":        {"2^53+1 would be read as 2^53", map[string]any{"n": int64(1)<<53 + 1}},
		"below":        {"the same on the negative side", []any{-(int64(1)<<53 + 1)}},
		"large uint":   {"an unsigned integer is no exception", uint64(math.MaxUint64)},
		"invalid utf8": {"encoding/json would replace the byte", "a\xffb"},
		"invalid key":  {"in a key too", map[string]any{"\xff": 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := canonical.Digest(tc.value); !errors.Is(err, canonical.ErrInexact) {
				t.Errorf("%s: got error %v, want ErrInexact", tc.reason, err)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	got, err := canonical.Digest(map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	if got != want {
		t.Errorf("digest of {} = %s, want %s", got, want)
	}
	if _, err := canonical.Digest(math.NaN()); err == nil {
		t.Error("digest of NaN succeeded")
	}
}
