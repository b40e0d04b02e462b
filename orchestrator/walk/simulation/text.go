// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// String writes a scenario as Parse reads it: one line for what the walk is
// asked, one per interruption, node and step that does not simply succeed after
// one moment.
//
//	walk apply on-failure rollback in-flight 2
//	cancel at 7
//	drain at 3 for 5
//	node a in both
//	node b in target, new needs a, retain
//	node c in previous, old needs a
//	step apply b: takes 3, failed, did half
//
// A step that obeys a cancel says so, and what it did by then.
func (s *Scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "walk %s on-failure %s in-flight %d\n", s.Kind, s.OnFailure, s.InFlight)
	for _, at := range s.Cancels {
		fmt.Fprintf(&b, "cancel at %d\n", at)
	}
	for _, d := range s.Drains {
		fmt.Fprintf(&b, "drain at %d for %d\n", d.At, d.For)
	}
	for i := range s.Nodes {
		fmt.Fprintf(&b, "node %s in %s\n", s.Nodes[i].ID, strings.Join(s.nodeWords(i), ", "))
	}
	for i := range s.Nodes {
		for a, name := range actions() {
			if words := s.Nodes[i].Plans[a].words(); len(words) > 0 {
				fmt.Fprintf(&b, "step %s %s: %s\n", name, s.Nodes[i].ID, strings.Join(words, ", "))
			}
		}
	}
	return b.String()
}

func (s *Scenario) nodeWords(i int) []string {
	n := &s.Nodes[i]
	words := []string{"target"}
	switch {
	case n.Target && n.Previous:
		words[0] = "both"
	case n.Previous:
		words[0] = "previous"
	}
	if n.NeedsNew != 0 {
		words = append(words, "new needs "+strings.Join(s.ids(n.NeedsNew), " "))
	}
	if n.NeedsOld != 0 {
		words = append(words, "old needs "+strings.Join(s.ids(n.NeedsOld), " "))
	}
	for _, f := range n.flags() {
		if *f.on {
			words = append(words, f.word)
		}
	}
	return words
}

// flag is a word of the text and what it sets.
type flag struct {
	word string
	on   *bool
}

func (n *Node) flags() []flag {
	return []flag{
		{"forward-only", &n.ForwardOnly},
		{"retain", &n.Retain},
		{"partial", &n.Partial},
		{"absent", &n.Absent},
		{"unchanged", &n.Unchanged},
		{"foreign", &n.Foreign},
	}
}

func (p *Plan) flags() []flag {
	return []flag{
		{"refused", &p.Refused},
		{"obeys", &p.Obeys},
		{"replaces", &p.Replaces},
		{"snapshot", &p.Snapshot},
		{"proves", &p.Proves},
		{"differs", &p.Differs},
	}
}

func verdicts() []string { return []string{"succeeded", "failed", "canceled"} }

func dids() []string { return []string{"nothing", "intend", "half", "gone", "all"} }

func (p *Plan) words() []string {
	var words []string
	if p.Takes > 1 {
		words = append(words, "takes "+strconv.Itoa(p.Takes))
	}
	if p.Verdict != walk.Succeeded {
		words = append(words, verdicts()[p.Verdict])
	}
	for _, f := range p.flags() {
		if *f.on {
			words = append(words, f.word)
		}
	}
	if p.Did != DidNothing {
		words = append(words, "did "+dids()[p.Did])
	}
	return words
}

// Parse reads a scenario. Lines that are empty or begin with # say nothing.
// Nodes come in the order of their ids.
func Parse(text string) (*Scenario, error) {
	s := &Scenario{InFlight: 1}
	var needs []func() error
	for at, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.parseLine(line, &needs); err != nil {
			return nil, fmt.Errorf("line %d: %w", at+1, err)
		}
	}
	for _, resolve := range needs {
		if err := resolve(); err != nil {
			return nil, err
		}
	}
	s.normalize()
	return s, nil
}

func (s *Scenario) parseLine(line string, needs *[]func() error) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "walk":
		_, err := fmt.Sscanf(rest, "%s on-failure %s in-flight %d", &s.Kind, &s.OnFailure, &s.InFlight)
		return err
	case "cancel":
		var at int
		_, err := fmt.Sscanf(rest, "at %d", &at)
		s.Cancels = append(s.Cancels, at)
		return err
	case "drain":
		var d Drain
		_, err := fmt.Sscanf(rest, "at %d for %d", &d.At, &d.For)
		s.Drains = append(s.Drains, d)
		return err
	case "node":
		return s.parseNode(rest, needs)
	case "step":
		return s.parseStep(rest)
	default:
		return fmt.Errorf("%q is none of walk, cancel, drain, node and step", word)
	}
}

func (s *Scenario) parseNode(text string, needs *[]func() error) error {
	id, rest, ok := strings.Cut(text, " in ")
	if !ok {
		return errors.New(`a node is "node ID in target|previous|both, …"`)
	}
	if last := len(s.Nodes) - 1; last >= 0 && s.Nodes[last].ID >= id {
		return fmt.Errorf("node %s comes after %s", id, s.Nodes[last].ID)
	}
	if len(s.Nodes) == maxNodes {
		return fmt.Errorf("more than %d nodes", maxNodes)
	}
	s.Nodes = append(s.Nodes, Node{ID: id})
	at := len(s.Nodes) - 1
	for i, word := range strings.Split(rest, ", ") {
		n := &s.Nodes[at]
		switch ids, isNew := strings.CutPrefix(word, "new needs "); {
		case i == 0 && (word == "target" || word == "previous" || word == "both"):
			n.Target, n.Previous = word != "previous", word != "target"
		case isNew:
			*needs = append(*needs, func() error { return s.resolve(ids, &s.Nodes[at].NeedsNew) })
		case strings.HasPrefix(word, "old needs "):
			*needs = append(*needs, func() error {
				return s.resolve(strings.TrimPrefix(word, "old needs "), &s.Nodes[at].NeedsOld)
			})
		case !raise(n.flags(), word):
			return fmt.Errorf("node %s: %q is not known", id, word)
		}
	}
	return nil
}

func (s *Scenario) resolve(ids string, into *set) error {
	for id := range strings.FieldsSeq(ids) {
		i, known := s.place(id)
		if !known {
			return fmt.Errorf("node %s is needed, and is not there", id)
		}
		into.put(i, true)
	}
	return nil
}

func raise(flags []flag, word string) bool {
	for _, f := range flags {
		if f.word == word {
			*f.on = true
			return true
		}
	}
	return false
}

func (s *Scenario) parseStep(text string) error {
	head, rest, _ := strings.Cut(text, ": ")
	name, id, _ := strings.Cut(head, " ")
	a, known := actionOf(orchestrator.StepAction(name))
	if !known {
		return fmt.Errorf("%q is no action", name)
	}
	i, known := s.place(id)
	if !known {
		return fmt.Errorf("node %s is not there", id)
	}
	p := &s.Nodes[i].Plans[a]
	for word := range strings.SplitSeq(rest, ", ") {
		if err := p.parse(word); err != nil {
			return fmt.Errorf("step %s: %w", head, err)
		}
	}
	return nil
}

func (p *Plan) parse(word string) error {
	verb, object, _ := strings.Cut(word, " ")
	switch verb {
	case "takes":
		takes, err := strconv.Atoi(object)
		p.Takes = takes
		return err
	case "did":
		for d, name := range dids() {
			if name == object {
				p.Did = Did(d)
				return nil
			}
		}
	default:
		for v, name := range verdicts() {
			if name == word {
				p.Verdict = walk.Verdict(v)
				return nil
			}
		}
		if raise(p.flags(), word) {
			return nil
		}
	}
	return fmt.Errorf("%q is not known", word)
}
