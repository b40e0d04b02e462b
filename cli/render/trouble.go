// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// Trouble is what went wrong, with each error said once: where an error that was
// shown in full comes again inside another sentence, that one refers to it.
type Trouble struct{ said []string }

// Say notes an error that was shown in full. It is new unless it was said before.
func (t *Trouble) Say(message string) (isNew bool) {
	if message == "" || slices.Contains(t.said, message) {
		return false
	}
	t.said = append(t.said, message)
	return true
}

// cut ends a sentence that a record has shortened. told is how much of an error
// has to come again in such a one to be that error: errors of one provider begin
// alike.
const (
	cut  = "…"
	told = 80
)

// Brief is a sentence without the errors that were said.
func (t *Trouble) Brief(sentence string) string {
	for _, message := range t.said {
		if before, after, whole := strings.Cut(sentence, ": "+message); whole {
			return before + " (see above)" + after
		}
		if short, is := strings.CutSuffix(sentence, cut); is {
			at := strings.Index(short, ": "+message[:min(len(message), told)])
			if at >= 0 && strings.HasPrefix(message, strings.TrimRight(short[at+len(": "):], " ")) {
				return sentence[:at] + " (see above)"
			}
		}
	}
	return sentence
}

// Residue lists what a deployment left behind, and what to do about it.
func (c Canvas) Residue(w io.Writer, left []orchestrator.Residue, t *Trouble) error {
	if len(left) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString(c.Style.Bold("Left behind:") + "\n")
	for _, r := range left {
		where := text.CleanLine(strings.TrimSpace(r.Engine + " " + r.Address))
		if r.Resource != "" {
			where += ", " + text.CleanLine(r.Resource)
		}
		if r.Since != "" {
			where += ", since deployment " + text.CleanLine(r.Since)
		}
		fmt.Fprintf(&b, "  %s\n", strings.TrimRight(text.CleanLine(r.Node)+"  "+where, " "))
		b.WriteString(c.Hanging("      why: ", t.Brief(text.CleanLine(r.Reason)), plain))
		b.WriteString(c.Hanging("      do:  ", text.CleanLine(r.Action), plain))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func plain(s string) string { return s }

// Hanging is text behind a head, with a line break at its end. On a canvas that
// has one, it is broken at words to the width, below where it began.
func (c Canvas) Hanging(head, s string, colour func(string) string) string {
	lines := strings.Split(s, "\n")
	indent := text.Width(head)
	if c.Width > 0 {
		lines = text.Wrap(s, max(c.Width-indent, 1))
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		b.WriteString(head + colour(line) + "\n")
	}
	return b.String()
}
