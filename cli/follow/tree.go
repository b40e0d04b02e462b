// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearLine  = "\x1b[2K"
	clearBelow = "\x1b[J"
)

const (
	// many nodes make drawing dear: then not every event is drawn at once.
	many     = 500
	interval = 100 * time.Millisecond
	// longest is how many lines of a tree stay on the screen at the end; of a
	// longer one, what failed comes first and the rest is counted.
	longest = 200
)

// tree redraws a deployment in place on a terminal.
type tree struct {
	w       io.Writer
	streams *iostreams.IO
	style   iostreams.Style
	now     func() time.Time
	drawn   int // lines on the screen that belong to the tree
	frame   int // turns the spinner
	message string
	last    time.Time // when it was drawn
}

func (t *tree) event(s *state, _ orchestrator.Event, _ details) error {
	t.message = "" // what comes from the server proves the connection
	if len(s.nodes) > many && t.now().Sub(t.last) < interval {
		return nil // the next tick shows it
	}
	return t.draw(s, false)
}

func (t *tree) note(message string) error {
	t.message = message
	return nil
}

func (t *tree) tick(s *state) error {
	t.frame++
	return t.draw(s, false)
}

// close leaves the whole tree on the screen, if it is not very long, and gives
// the cursor back.
func (t *tree) close(s *state) error {
	t.message = ""
	err := t.draw(s, true)
	if _, again := io.WriteString(t.w, showCursor); err == nil {
		err = again
	}
	return err
}

// draw replaces what was drawn before. All but the last drawing stay within
// the screen, since what has scrolled away cannot be redrawn.
func (t *tree) draw(s *state, whole bool) error {
	t.last = t.now()
	height := t.streams.Height() - 1
	if whole {
		height = max(height, longest)
	}
	p := picture{style: t.style, width: t.streams.Width(), height: height, now: t.last, frame: t.frame, brief: whole && s.deployment.Status.Final()}
	drawing := p.lines(s, t.message, !whole)
	var b strings.Builder
	if t.drawn == 0 {
		b.WriteString(hideCursor)
	} else {
		b.WriteString("\x1b[" + strconv.Itoa(t.drawn) + "A")
	}
	for _, line := range drawing {
		b.WriteString("\r" + clearLine + line + "\n")
	}
	b.WriteString(clearBelow)
	t.drawn = len(drawing)
	_, err := io.WriteString(t.w, b.String())
	return err
}

// picture is one drawing of a state.
type picture struct {
	style         iostreams.Style
	width, height int // a height of 0 is without end
	now           time.Time
	frame         int
	brief         bool // what failed is told in full elsewhere
}

// lines draws the state. Each line fits into the width.
func (p picture) lines(s *state, message string, live bool) []string {
	out := []string{p.title(s)}
	var tail []string
	if s.deployment.Reason != "" && !s.deployment.Status.Final() {
		tail = append(tail, p.fit("  "+text.CleanLine(s.deployment.Reason), p.style.Yellow))
	}
	if cure := decide(s); cure != "" {
		tail = append(tail, p.fit("  "+cure, p.style.Yellow))
	}
	if message != "" {
		tail = append(tail, p.fit("  "+text.CleanLine(message), p.style.Yellow))
	}
	if live {
		tail = append(tail, p.fit("  Ctrl-C detaches; the deployment goes on.", p.style.Dim))
	}
	nodes := s.ordered()
	shown := nodes
	if room := p.height - len(out) - len(tail); p.height > 0 && len(nodes)+groups(nodes) > room {
		shown = important(nodes, room-1)
	}
	names := 0
	for _, n := range shown {
		names = max(names, min(text.Width(n.resource()), p.width/3))
	}
	instance := ""
	for _, n := range shown {
		if n.instance() != instance {
			instance = n.instance()
			out = append(out, p.fit("  "+text.CleanLine(instance), p.style.Bold))
		}
		out = append(out, p.node(s, n, names))
	}
	if hidden := len(nodes) - len(shown); hidden > 0 {
		out = append(out, p.fit("  … and "+rest(nodes, shown), p.style.Dim))
	}
	return append(out, tail...)
}

func (p picture) title(s *state) string {
	d := s.deployment
	elapsed := p.now.Sub(s.began)
	if !s.ended.IsZero() {
		elapsed = s.ended.Sub(s.began)
	}
	status := render.Words(string(d.Status))
	right := "  " + status + "  " + render.Elapsed(elapsed)
	left := text.Truncate(fmt.Sprintf("%s/%s in %s, deployment %d", d.Team, d.Application, d.Environment, d.N), p.width-text.Width(right))
	return p.style.Bold(left) + "  " + render.Status(p.style, d.Status)(status) + "  " + render.Elapsed(elapsed)
}

func (p picture) fit(line string, colour func(string) string) string {
	return colour(text.Truncate(line, p.width))
}

// spinner turns while a node is at work.
const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

func (p picture) mark(n *node) string {
	switch n.status {
	case orchestrator.NodeRunning:
		if n.paused != "" {
			return "‖"
		}
		frames := []rune(spinner)
		return string(frames[p.frame%len(frames)])
	case orchestrator.NodeReady, orchestrator.NodeDestroyed:
		return "✓"
	case orchestrator.NodeFailed:
		return "✗"
	case orchestrator.NodeUncertain:
		return "?"
	case orchestrator.NodeReverted:
		return "↶"
	case orchestrator.NodeSkipped:
		return "-"
	default:
		return "·"
	}
}

func (p picture) node(s *state, n *node, names int) string {
	colour := render.NodeStatus(p.style, n.status)
	name := text.Pad(text.Truncate(text.CleanLine(n.resource()), names), names)
	head := "    " + p.mark(n) + " " + name + "  "
	story := text.Truncate(text.CleanLine(p.story(s, n)), max(p.width-text.Width(head), 0))
	return "    " + colour(p.mark(n)) + " " + name + "  " + colour(story)
}

// story is what there is to say of a node, most important first, since its end
// may be cut off.
func (p picture) story(s *state, n *node) string {
	if n.locked != "" {
		return "waits: " + n.locked
	}
	parts := []string{string(n.status)}
	switch n.status {
	case orchestrator.NodePending, "":
		if waits := s.waits(n); len(waits) > 0 {
			return "waits for " + strings.Join(waits, ", ")
		}
		return "waits"
	case orchestrator.NodeRunning:
		parts[0] = doing(n.action)
		if n.attempt > 1 {
			parts[0] += fmt.Sprintf(" (attempt %d)", n.attempt)
		}
	default:
		if done := n.done(); done != "" {
			parts = append(parts, done)
		} else if n.status == orchestrator.NodeReady && !n.changed {
			parts = append(parts, "unchanged")
		}
	}
	if elapsed := n.elapsed(p.now); elapsed > 0 {
		parts = append(parts, render.Elapsed(elapsed))
	}
	if n.paused != "" {
		parts = append(parts, "paused: "+n.paused)
	}
	if n.moved {
		parts = append(parts, "somebody wrote its state since the last step")
	}
	story := strings.Join(parts, ", ")
	if n.err != nil && !p.brief {
		story += ": " + message(n.err)
	}
	return story
}

// groups counts the instances.
func groups(nodes []*node) int {
	count := 0
	for i, n := range nodes {
		if i == 0 || nodes[i-1].instance() != n.instance() {
			count++
		}
	}
	return count
}

// important picks as many nodes as there is room for, in their order: what
// failed or is at work before what is waiting before what is done.
func important(nodes []*node, room int) []*node {
	rank := func(n *node) int {
		switch n.status {
		case orchestrator.NodeFailed, orchestrator.NodeUncertain:
			return 0
		case orchestrator.NodeRunning:
			return 1
		case orchestrator.NodePending, "":
			return 2
		default:
			return 3
		}
	}
	candidates := slices.Clone(nodes)
	slices.SortStableFunc(candidates, func(a, b *node) int { return rank(a) - rank(b) })
	chosen := map[*node]bool{}
	instances := map[string]bool{}
	for _, n := range candidates {
		cost := 1
		if !instances[n.instance()] {
			cost = 2
		}
		if cost > room {
			continue
		}
		room -= cost
		chosen[n], instances[n.instance()] = true, true
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return !chosen[n] })
}

// rest describes the nodes that are not shown.
func rest(nodes, shown []*node) string {
	counts := map[orchestrator.NodeStatus]int{}
	hidden := 0
	seen := make(map[*node]bool, len(shown))
	for _, n := range shown {
		seen[n] = true
	}
	for _, n := range nodes {
		if !seen[n] {
			counts[n.status]++
			hidden++
		}
	}
	var parts []string
	for _, status := range []orchestrator.NodeStatus{
		orchestrator.NodeFailed, orchestrator.NodeUncertain, orchestrator.NodeRunning, orchestrator.NodePending,
		orchestrator.NodeReady, orchestrator.NodeSkipped, orchestrator.NodeReverted, orchestrator.NodeDestroyed, orchestrator.NodeRetained,
	} {
		if counts[status] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[status], status))
		}
	}
	return fmt.Sprintf("%d more (%s)", hidden, strings.Join(parts, ", "))
}
