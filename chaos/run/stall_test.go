// SPDX-License-Identifier: Apache-2.0

package run //nolint:testpackage // a stall is no part of the API

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
			"the next point does not cut the time of the first, and has what is left",
			[]point{p(1, 1), p(2, 2)},
			at(0.8, 0.9, 1, 4, 4.1),
			[]time.Duration{2900 * time.Millisecond, 1900 * time.Millisecond},
		},
		"progress": {
			"what comes after progress and the next point is the next point's",
			[]point{p(1, 1), p(2, 2)},
			at(0.8, 0.9, 1, 2.1, 6.1, 6.2, 6.3),
			[]time.Duration{1 * time.Second, 3900 * time.Millisecond},
		},
		"held": {
			"what the next point itself lasts is no stall of the first",
			[]point{p(1, 1), p(2, 4)},
			at(0.8, 0.9, 1, 5, 5.1),
			[]time.Duration{1900 * time.Millisecond, 900 * time.Millisecond},
		},
		"hidden": {
			"a long hold does not hide a shorter time that nothing explains",
			[]point{p(1, 1), p(4, 8)},
			at(0.8, 0.9, 1, 3.5, 8.1, 8.2, 8.3),
			[]time.Duration{2400 * time.Millisecond, 0},
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
			for _, s := range stalls(test.points, course{events: test.events}) {
				got = append(got, s.own().Round(time.Millisecond))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

// TestJudged: a stall during which Temporal is killed is not judged, and what it
// was cut by is told.
func TestJudged(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }
	events := []time.Time{at(0.8), at(0.9), at(1), at(9), at(9.1)}
	p := func(n int, kind site.Kind, from, to float64) point {
		return point{N: n, Disturbance: site.Disturbance{Kind: kind, Began: at(from), Over: at(to)}}
	}
	kill := p(1, site.KillWorker, 1, 1)
	for name, test := range map[string]struct {
		reason string
		later  point
		want   bool
	}{
		"temporal": {"Temporal is killed meanwhile", p(2, site.KillTemporal, 2, 3), false},
		"after":    {"Temporal is killed after progress", p(2, site.KillTemporal, 9.05, 9.08), true},
		"worker":   {"another worker is killed", p(2, site.KillWorker, 2, 2), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := stalls([]point{kill, test.later}, course{id: "d", events: events})
			if got := judged(all[0]); got != test.want || restarted(all[0]) == test.want {
				t.Errorf("%s: judged %t", test.reason, got)
			}
		})
	}
	r := Result{stalls: stalls([]point{kill, p(2, site.HoldWriter, 2, 4)}, course{id: "d", events: events})}
	var told strings.Builder
	if err := r.printLongest(&told); err != nil {
		t.Fatal(err)
	}
	if want := "5.90 s in d after 1 kill worker; meanwhile 2 hold store (2.00 s)\n"; !strings.HasPrefix(told.String(), want) {
		t.Errorf("it says %q, want %q", told.String(), want)
	}
}
