// SPDX-License-Identifier: Apache-2.0

package run //nolint:testpackage // a stall is no part of the API

import (
	"testing"
	"time"

	"github.com/HatiCode/nestor/chaos/site"
)

func TestStalls(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds ...float64) []time.Time {
		var times []time.Time
		for _, s := range seconds {
			times = append(times, began.Add(time.Duration(s*float64(time.Second))))
		}
		return times
	}
	p := func(from, to float64) point {
		return point{Disturbance: site.Disturbance{Kind: site.KillWorker, Began: at(from)[0], Over: at(to)[0]}}
	}
	tests := map[string]struct {
		reason string
		points []point
		events []time.Time
		want   []time.Duration
	}{
		"kill": {
			"the time from the kill on, less the usual tenth of a second",
			[]point{p(1.05, 1.05)},
			at(0.8, 0.9, 1, 3.55, 3.65),
			[]time.Duration{2400 * time.Millisecond},
		},
		"later": {
			"what another worker ends at once does not hide what stands still",
			[]point{p(1, 1)},
			at(0.9, 1.1, 3.1, 3.2, 3.3, 3.4),
			[]time.Duration{1900 * time.Millisecond},
		},
		"pause": {
			"a pause counts from its end",
			[]point{p(1, 3)},
			at(0.8, 0.9, 1, 3.5, 3.6),
			[]time.Duration{400 * time.Millisecond},
		},
		"next": {
			"a time into which the next point falls is that one's",
			[]point{p(1, 1), p(2, 2)},
			at(0.8, 0.9, 1, 4, 4.1),
			[]time.Duration{1900 * time.Millisecond},
		},
		"elsewhere": {
			"a point before or after the deployment is not its own",
			[]point{p(0, 0), p(9, 9)},
			at(1, 2, 3), nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []time.Duration
			for _, s := range stalls(test.points, test.events, false) {
				got = append(got, s.time.Round(time.Millisecond))
			}
			if len(got) != len(test.want) || len(got) == 1 && got[0] != test.want[0] {
				t.Errorf("%s: got %v, want %v", test.reason, got, test.want)
			}
		})
	}
}
