// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"strings"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

func testFailedCreate(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	_, _, err := s.apply(t.Context(), s.request(t, map[string]any{"mode": "fail-create"}))
	e := wantClass(t, err, engine.Rejected)
	if e.Class.Retryable() || e.Resource == "" || !strings.Contains(e.Message, "quota exceeded") {
		t.Errorf("the error does not tell the resource and the reason: %v", err)
	}
	s.wantLedger(t)
	s.up(t, nil)
	s.wantLedger(t, "create alpha", "set alpha 3")
}

func testFailedUpdate(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	_, first := s.up(t, nil)
	_, _, err := s.apply(t.Context(), s.request(t, map[string]any{"size": int64(5), "mode": "fail-set"}))
	if e := wantClass(t, err, engine.Rejected); !strings.Contains(e.Message, "quota exceeded") {
		t.Errorf("the error does not tell the reason: %v", err)
	}
	seen, err := s.engine.Observe(t.Context(), s.request(t, nil))
	if err != nil || !seen.Exists {
		t.Fatalf("observed %+v, %v after a failed update", seen, err)
	}
	// Back to what was: the thing itself is still the first one.
	_, back := s.up(t, nil)
	if back.Outputs["id"] != first.Outputs["id"] || back.Outputs["size"] != int64(3) {
		t.Errorf("outputs %v after going back; want those of %v", back.Outputs, first.Outputs)
	}
	if n := s.count(t, "create"); n != 1 {
		t.Errorf("created %d times", n)
	}
}

func testDestroy(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	req := s.request(t, nil)
	if err := s.engine.Destroy(t.Context(), req); err != nil {
		t.Errorf("destroy what never was: %v", err)
	}
	look := req
	look.Destroy = true
	p, err := s.engine.Preview(t.Context(), look)
	if err != nil || !p.Empty() {
		t.Errorf("the preview of destroying what never was is %+v, %v", p, err)
	}
	seen, err := s.engine.Observe(t.Context(), req)
	if err != nil || seen.Exists {
		t.Errorf("observed %+v, %v after destroying what never was", seen, err)
	}
	s.wantLedger(t)
	s.up(t, nil)
	if p, err = s.engine.Preview(t.Context(), look); err != nil {
		t.Fatal(err)
	}
	if a := actions(p); len(a) != 1 || !a[orchestrator.ActionDelete] {
		t.Errorf("the preview of a destruction has %v", a)
	}
	for range 2 {
		if err := s.engine.Destroy(t.Context(), req); err != nil {
			t.Fatalf("destroy: %v", err)
		}
		seen, err := s.engine.Observe(t.Context(), req)
		if err != nil || seen.Exists {
			t.Errorf("observed %+v, %v after the destruction", seen, err)
		}
	}
	if p, err = s.engine.Preview(t.Context(), look); err != nil || !p.Empty() {
		t.Errorf("the preview of a second destruction is %+v, %v", p, err)
	}
	s.wantLedger(t, "create alpha", "set alpha 3", "destroy alpha")
	s.up(t, nil)
	if n := s.count(t, "create"); n != 2 {
		t.Errorf("created %d times; want once more after the destruction", n)
	}
}

func testUnreadable(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	p, _ := s.up(t, nil)
	req := s.request(t, map[string]any{"size": int64(5)})
	h.Corrupt(t, s.dir, req)
	_, err := s.engine.Observe(t.Context(), req)
	wantClass(t, err, engine.Unreadable)
	_, err = s.engine.Preview(t.Context(), req)
	wantClass(t, err, engine.Unreadable)
	_, err = s.engine.Apply(t.Context(), req, p)
	wantClass(t, err, engine.Unreadable)
	err = s.engine.Destroy(t.Context(), req)
	wantClass(t, err, engine.Unreadable)
	s.wantLedger(t, "create alpha", "set alpha 3")
}

func testDrift(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	_, first := s.up(t, nil)
	h.Drift(t, s.dir, s.request(t, nil))
	p, second := s.up(t, nil)
	if p.Empty() {
		t.Fatal("the drift was not seen")
	}
	said := false
	for _, c := range p.Changes {
		said = said || strings.Contains(c.Reason, "somebody else")
	}
	if !said {
		t.Errorf("no change says that somebody else was at it: %+v", p.Changes)
	}
	if first.Outputs["id"] != second.Outputs["id"] || s.count(t, "create") != 1 {
		t.Error("the thing was made again")
	}
	if p, _ := s.up(t, nil); !p.Empty() {
		t.Errorf("still drifting: %+v", p.Changes)
	}
}

func testMissingProgram(t *testing.T, h Harness) {
	t.Helper()
	wantUnavailable(t, h, h.Missing)
}

func testOldProgram(t *testing.T, h Harness) {
	t.Helper()
	if e := wantUnavailable(t, h, h.TooOld); !strings.Contains(e.Message, h.Found) {
		t.Errorf("the message does not name what was found (%s): %s", h.Found, e.Message)
	}
}

func wantUnavailable(t *testing.T, h Harness, open func(string) (engine.Engine, error)) engine.Error {
	t.Helper()
	s := begin(t, h)
	e, err := open(s.dir)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	_, err = e.Version(t.Context())
	said := wantClass(t, err, engine.Unavailable)
	if !strings.Contains(said.Message, "needed") || !strings.Contains(said.Message, "looked in") {
		t.Errorf("the message does not say what is needed and where it was looked for: %s", said.Message)
	}
	_, err = e.Preview(t.Context(), s.request(t, nil))
	wantClass(t, err, engine.Unavailable)
	s.wantLedger(t)
	return said
}
