// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

const (
	// maxPath is the widest column of attribute paths; longer ones stick out.
	maxPath         = 32
	attributeIndent = "      "
	blockIndent     = "          "
)

// attribute writes one attribute's change, on one line where it fits.
func (d *differ) attribute(action orchestrator.Action, a orchestrator.AttributeChange, widest int) {
	sign := d.sign(action, a)
	_, colour, _ := d.symbol(sign)
	mark := map[orchestrator.Action]string{
		orchestrator.ActionCreate: "+", orchestrator.ActionDelete: "-", orchestrator.ActionUpdate: "~",
	}[sign]
	path := text.CleanLine(a.Path)
	suffix := ""
	if a.Replaces {
		suffix = "  # forces replacement"
	}
	value := inline(sign, a)
	for _, name := range []string{text.Pad(path, widest), path} { // aligned, where that fits
		plain := attributeIndent + mark + " " + name + " = " + value + suffix
		if !multiline(a) && (d.canvas.Width == 0 || text.Width(plain) <= d.canvas.Width) {
			d.line(attributeIndent + colour(mark) + " " + name + " = " + d.tone(a, value) + d.canvas.Style.Red(suffix))
			return
		}
	}
	d.line(attributeIndent + colour(mark) + " " + path + d.canvas.Style.Red(suffix))
	d.block(sign, a)
}

// sign tells an attribute that appears or vanishes from one that changes.
func (d *differ) sign(action orchestrator.Action, a orchestrator.AttributeChange) orchestrator.Action {
	switch {
	case action == orchestrator.ActionCreate || action == orchestrator.ActionDelete:
		return action
	case a.Sensitive:
		return orchestrator.ActionUpdate
	case a.Before == nil && (a.After != nil || a.Unknown != ""):
		return orchestrator.ActionCreate
	case a.Before != nil && a.After == nil && a.Unknown == "":
		return orchestrator.ActionDelete
	default:
		return orchestrator.ActionUpdate
	}
}

func (d *differ) tone(a orchestrator.AttributeChange, value string) string {
	if a.Sensitive || a.Unknown != "" && a.Before == nil {
		return d.canvas.Style.Dim(value)
	}
	return value
}

// inline is the change in one line: "1 → 2", "(sensitive)".
func inline(sign orchestrator.Action, a orchestrator.AttributeChange) string {
	if a.Sensitive {
		return "(sensitive)"
	}
	switch sign {
	case orchestrator.ActionCreate:
		return after(a)
	case orchestrator.ActionDelete:
		return compact(a.Before)
	default:
		return compact(a.Before) + " → " + after(a)
	}
}

func after(a orchestrator.AttributeChange) string {
	if a.Unknown != "" {
		return "(" + text.CleanLine(a.Unknown) + ")"
	}
	return compact(a.After)
}

// multiline says that a text of several lines is easier to read as a block.
func multiline(a orchestrator.AttributeChange) bool {
	has := func(v any) bool {
		s, ok := v.(string)
		return ok && strings.Contains(strings.TrimRight(s, "\n"), "\n")
	}
	return !a.Sensitive && (has(a.Before) || has(a.After) && a.Unknown == "")
}

// block writes what does not fit into one line: a line diff of texts, and both
// values otherwise.
func (d *differ) block(sign orchestrator.Action, a orchestrator.AttributeChange) {
	style := d.canvas.Style
	write := func(mark string, colour func(string) string, value string) {
		for _, l := range d.wrap(text.Clean(value), len(blockIndent)+2) {
			d.line(strings.TrimRight(blockIndent+colour(mark+" "+l), " "))
		}
	}
	if before, after, ok := texts(a); ok && sign == orchestrator.ActionUpdate && a.Unknown == "" {
		for _, l := range lineDiff(before, after) {
			switch l[0] {
			case '+':
				write("+", style.Green, l[1:])
			case '-':
				write("-", style.Red, l[1:])
			default:
				write(" ", style.Dim, l[1:])
			}
		}
		return
	}
	if sign != orchestrator.ActionCreate {
		write("-", style.Red, block(a.Before))
	}
	switch {
	case sign == orchestrator.ActionDelete:
	case a.Unknown != "":
		write("+", style.Green, "("+a.Unknown+")")
	default:
		write("+", style.Green, block(a.After))
	}
}

// texts returns both values when both are texts and one has several lines.
func texts(a orchestrator.AttributeChange) (before, after string, ok bool) {
	before, ok1 := a.Before.(string)
	after, ok2 := a.After.(string)
	return before, after, ok1 && ok2 && multiline(a)
}

// lineDiff is the body of a unified diff; each line begins with its sign.
func lineDiff(before, after string) []string {
	end := func(s string) []byte {
		if s != "" && !strings.HasSuffix(s, "\n") {
			s += "\n"
		}
		return []byte(s)
	}
	var lines []string
	for l := range strings.Lines(string(diff.Diff("a", end(before), "b", end(after)))) {
		l = strings.TrimSuffix(l, "\n")
		switch {
		case strings.HasPrefix(l, "@@"):
			if len(lines) > 0 {
				lines = append(lines, " …")
			}
		case strings.HasPrefix(l, "diff a b"), l == "--- a", l == "+++ b", l == "":
		default:
			lines = append(lines, l)
		}
	}
	switch {
	case len(lines) > 0:
	case strings.HasSuffix(after, "\n"):
		return []string{"+(a line break at the end)"}
	default:
		return []string{"-(a line break at the end)"}
	}
	return lines
}

// compact is a value as JSON on one line; "null" for what is not there.
func compact(v any) string { return text.Clean(encode(v, "")) }

// block is a value as text of several lines: a string as it is, others as
// indented JSON.
func block(v any) string {
	if s, ok := v.(string); ok && strings.Contains(strings.TrimRight(s, "\n"), "\n") {
		return strings.TrimRight(s, "\n")
	}
	return encode(v, "  ")
}

func encode(v any, indent string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(v); err != nil {
		return fmt.Sprintf("(a value that cannot be shown: %v)", err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
