// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestResidue: an error is in it once, and on a terminal lines end at words.
func TestResidue(t *testing.T) {
	t.Parallel()
	long := "the provider refused it: " + strings.Repeat("quota exceeded in this region ", 4) + "(request 7)"
	left := []orchestrator.Residue{
		{
			Node: "web.store", Engine: "terraform", Address: "alpha/shop/staging/web.store", Resource: "aws_s3_bucket.this",
			Reason: "restoring it failed: " + long, Action: "mend the cause, then apply the previous release again",
		},
		{Node: "web.cache", Engine: "fake", Address: "a", Reason: "its removal failed: denied", Action: "remove it", Since: "alpha/shop/staging/2"},
	}
	tests := map[string]struct {
		width  int
		want   string
		reason string
	}{
		"lines": {0, `Left behind:
  web.store  terraform alpha/shop/staging/web.store, aws_s3_bucket.this
      why: restoring it failed (see above)
      do:  mend the cause, then apply the previous release again
  web.cache  fake a, since deployment alpha/shop/staging/2
      why: its removal failed: denied
      do:  remove it
`, "elsewhere no line is broken"},
		"terminal": {40, `Left behind:
  web.store  terraform alpha/shop/staging/web.store, aws_s3_bucket.this
      why: restoring it failed (see
           above)
      do:  mend the cause, then apply
           the previous release again
  web.cache  fake a, since deployment alpha/shop/staging/2
      why: its removal failed: denied
      do:  remove it
`, "a terminal's lines are broken at words, below where they began"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trouble := &render.Trouble{}
			if !trouble.Say(long) || trouble.Say(long) {
				t.Error("it is new once")
			}
			var b strings.Builder
			if err := (render.Canvas{Width: test.width}).Residue(&b, left, trouble); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, b.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

// TestBrief: what was said is referred to, also where a record has cut its end.
func TestBrief(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("no room for it ", 20)
	tests := map[string]struct{ said, sentence, want, reason string }{
		"whole":          {"denied", "apply of a.b: denied; 2 more", "apply of a.b (see above); 2 more", "what follows stays"},
		"cut":            {long, "apply of a.b: " + long[:100] + "…", "apply of a.b (see above)", "a record is bounded"},
		"alike":          {long + "in zone a", "apply of a.b: " + long + "in zone b", "apply of a.b: " + long + "in zone b", "one provider's errors begin alike"},
		"alike, and cut": {long + "in zone a", "apply of a.b: " + long + "in zone b …", "apply of a.b: " + long + "in zone b …", "what is left differs"},
		"other":          {"denied", "apply of a.b: refused", "apply of a.b: refused", "another error is another one"},
		"inside":         {"canceled", "it was canceled", "it was canceled", "a word is no error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trouble := &render.Trouble{}
			trouble.Say(test.said)
			if got := trouble.Brief(test.sentence); got != test.want {
				t.Errorf("%s: %q", test.reason, got)
			}
		})
	}
}
