// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
)

// adopter is the engine, which must be one when its harness has Adopt.
func (s *subject) adopter(t *testing.T) engine.Adopter {
	t.Helper()
	a, ok := s.engine.(engine.Adopter)
	if !ok {
		t.Fatalf("engine %s adopts nothing", s.engine.Name())
	}
	return a
}

// testAdopt takes over a thing that was made outside.
func testAdopt(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	req := s.request(t, nil)
	source := h.Adopt(t, s.dir, req)
	s.wantLedger(t, "create alpha", "set alpha 3")
	adopted, err := s.adopter(t).Adopt(t.Context(), req, source)
	if err != nil {
		t.Fatalf("adopt: %v", err)
	}
	if !adopted.Exists || len(adopted.Uncertain) > 0 {
		t.Errorf("adopted %+v", adopted)
	}
	req.StateRef = adopted.StateRef
	seen, err := s.engine.Observe(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(adopted, seen); diff != "" {
		t.Errorf("observed (-adopted +observed):\n%s", diff)
	}
	p, r, err := s.apply(t.Context(), req)
	if err != nil || !p.Empty() {
		t.Fatalf("the preview after the adoption has %+v, %v; want no change", p.Changes, err)
	}
	if diff := cmp.Diff(adopted.Outputs, r.Outputs); diff != "" || len(r.Outputs) != len(req.Outputs) {
		t.Errorf("outputs (-adopted +applied):\n%s\nof %d", diff, len(req.Outputs))
	}
	again, err := s.adopter(t).Adopt(t.Context(), req, source)
	if err != nil {
		t.Fatalf("adopt again: %v", err)
	}
	if diff := cmp.Diff(adopted.Outputs, again.Outputs); diff != "" || !again.Exists {
		t.Errorf("adopted again (-first +second):\n%s", diff)
	}
	s.wantLedger(t, "create alpha", "set alpha 3")

	// It is a thing like any other now.
	larger := s.request(t, map[string]any{"size": int64(5)})
	larger.StateRef = req.StateRef
	if _, _, err := s.apply(t.Context(), larger); err != nil {
		t.Fatalf("update: %v", err)
	}
	if err := s.engine.Destroy(t.Context(), larger); err != nil {
		t.Fatalf("destroy: %v", err)
	}
	s.wantLedger(t, "create alpha", "set alpha 3", "set alpha 5", "destroy alpha")
}

// testAdoptOver keeps a state that is there.
func testAdoptOver(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	_, first := s.up(t, nil)
	source := h.Adopt(t, s.dir, s.request(t, map[string]any{"name": "beta"}))
	_, err := s.adopter(t).Adopt(t.Context(), s.request(t, nil), source)
	wantClass(t, err, engine.Rejected)
	p, second := s.up(t, nil)
	if !p.Empty() {
		t.Errorf("the state was touched: %+v", p.Changes)
	}
	if diff := cmp.Diff(first.Outputs, second.Outputs); diff != "" {
		t.Errorf("outputs (-before +after):\n%s", diff)
	}
	s.wantLedger(t, "create alpha", "set alpha 3", "create beta", "set beta 3")
}

// testAdoptNonsense refuses what is none of the engine's.
func testAdoptNonsense(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	req := s.request(t, nil)
	for reason, source := range map[string]engine.Source{
		"a source that says nothing":        {},
		"a state of no engine":              {State: []byte(`{"kind": "of no engine", "version": 4711}`)},
		"a state that is no JSON":           {State: []byte("not a state")},
		"a name that cannot be one":         {Ref: "../no such/\x00 thing"},
		"a state and a name, which is both": {State: []byte(`{"version": 4}`), Ref: "some/thing"},
	} {
		_, err := s.adopter(t).Adopt(t.Context(), req, source)
		if got := engine.ClassOf(err); got != engine.Invalid {
			t.Errorf("%s: got %v; want class invalid", reason, err)
		}
	}
	seen, err := s.engine.Observe(t.Context(), req)
	if err != nil || seen.Exists {
		t.Errorf("observed %+v, %v; want nothing", seen, err)
	}
	s.wantLedger(t)
}

// testForget drops what is known and changes nothing in the world.
func testForget(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	req := s.request(t, nil)
	if err := s.adopter(t).Forget(t.Context(), req); err != nil {
		t.Errorf("forget what never was: %v", err)
	}
	source := h.Adopt(t, s.dir, req)
	adopted, err := s.adopter(t).Adopt(t.Context(), req, source)
	if err != nil {
		t.Fatalf("adopt: %v", err)
	}
	req.StateRef = adopted.StateRef
	for range 2 {
		if err := s.adopter(t).Forget(t.Context(), req); err != nil {
			t.Fatalf("forget: %v", err)
		}
		seen, err := s.engine.Observe(t.Context(), req)
		if err != nil || seen.Exists {
			t.Errorf("observed %+v, %v after it was forgotten", seen, err)
		}
	}
	if err := s.engine.Destroy(t.Context(), req); err != nil {
		t.Errorf("destroy what was forgotten: %v", err)
	}
	s.wantLedger(t, "create alpha", "set alpha 3")
}
