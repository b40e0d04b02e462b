// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// record is what the engine inside Pulumi told of one run.
type record struct {
	steps  map[string]*step
	order  []string // URNs as they came first
	errors []failure
	said   []string // lines of the program's standard error, the first and the last
}

// step is what happens to one resource.
type step struct {
	urn, kind string
	custom    bool
	ops       []apitype.OpType
	// meta is the last that was told of the operation that changes it, and
	// drift what the refresh before it found.
	meta  *apitype.StepEventMetadata
	drift *apitype.StepEventMetadata
}

// failure is an error that a run told.
type failure struct{ resource, message string }

func newRecord() *record { return &record{steps: map[string]*step{}} }

// readRecord reads an event log. There is none when the run did not get far.
func readRecord(path string) (*record, error) {
	rec := newRecord()
	text, err := os.ReadFile(path) //nolint:gosec // a fixed name inside the workspace
	if errors.Is(err, fs.ErrNotExist) {
		return rec, nil
	}
	if err != nil {
		return rec, err
	}
	for _, line := range lines(text) {
		var e apitype.EngineEvent
		if json.Unmarshal(line, &e) == nil { // the last line of a killed run may be half of one
			rec.add(e)
		}
	}
	return rec, nil
}

// follow adds the events of a run until it is over. The channel is closed by
// its sender if the run got as far as sending.
func (r *record) follow(seen <-chan events.EngineEvent, over <-chan struct{}) {
	for {
		select {
		case e, open := <-seen:
			if !open {
				return
			}
			if e.Error == nil {
				r.add(e.EngineEvent)
			}
		case <-over:
			return
		}
	}
}

func (r *record) add(e apitype.EngineEvent) {
	switch {
	case e.DiagnosticEvent != nil:
		d := e.DiagnosticEvent
		if d.Severity == "info#err" {
			r.hear(d.Message)
		}
		if d.Severity == "error" && !generic(d.Message) {
			f := failure{message: strings.TrimSpace(d.Message)}
			if d.URN != "" && typeOf(d.URN) != stackType {
				f.resource = addressOf(d.URN)
			}
			r.errors = append(r.errors, f)
		}
	case e.ResourcePreEvent != nil:
		r.note(e.ResourcePreEvent.Metadata)
	case e.ResOutputsEvent != nil:
		r.note(e.ResOutputsEvent.Metadata)
	}
}

// maxSaid bounds what is kept of a program's standard error.
const maxSaid = 64

// hear keeps what a program says on its standard error: lines that tell why it
// gave up, and the last one.
func (r *record) hear(text string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(r.said) == maxSaid {
			r.said = r.said[:maxSaid-1]
		}
		r.said = append(r.said, line)
	}
}

// lastWords of a program that ended without telling Pulumi why: how Go says it,
// or the last line, where others do.
func (r *record) lastWords() string {
	for _, line := range r.said {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
	}
	if len(r.said) > 0 {
		return r.said[len(r.said)-1]
	}
	return ""
}

func (r *record) note(m apitype.StepEventMetadata) {
	s := r.steps[m.URN]
	if s == nil {
		s = &step{urn: m.URN, kind: typeOf(m.URN)}
		r.steps[m.URN] = s
		r.order = append(r.order, m.URN)
	}
	for _, state := range []*apitype.StepEventStateMetadata{m.Old, m.New} {
		s.custom = s.custom || (state != nil && state.Custom)
	}
	if m.Op == apitype.OpRefresh {
		s.drift = &m
		return
	}
	if !slices.Contains(s.ops, m.Op) {
		s.ops = append(s.ops, m.Op)
	}
	// What is deleted after a replacement tells nothing of the new one.
	if m.Op != apitype.OpDeleteReplaced && m.Op != apitype.OpDiscardReplaced || s.meta == nil {
		s.meta = &m
	}
}

// root is the step of the stack's own resource.
func (r *record) root() *step {
	for _, s := range r.steps {
		if s.kind == stackType {
			return s
		}
	}
	return nil
}

// exited is how Pulumi says that a program gave up without a word to it.
var exited = regexp.MustCompile(`exit(ed with non-zero exit)? (code|status):? [0-9]+$`)

// failure is the error to tell: the first about a resource in the world, or the
// first at all.
func (r *record) failure() failure {
	if r == nil || len(r.errors) == 0 {
		return failure{}
	}
	first := r.errors[0]
	for _, e := range r.errors {
		if e.resource != "" {
			first = e
			break
		}
	}
	if first.resource == "" && len(r.errors) > 1 {
		// Diagnostics of a program come line by line.
		all := make([]string, len(r.errors))
		for i, e := range r.errors {
			all[i] = e.message
		}
		first.message = strings.Join(all, "; ")
	}
	if words := r.lastWords(); words != "" && first.resource == "" && exited.MatchString(first.message) {
		first.message += ": " + words
	}
	return first
}

// drifted says whether the refresh found a resource other than it was recorded.
func (s *step) drifted() bool {
	return s.drift != nil && (s.drift.New == nil || len(s.drift.Diffs) > 0 || len(s.drift.DetailedDiff) > 0)
}
