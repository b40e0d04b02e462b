// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/HatiCode/nestor/activities/engine/redact"
)

// message is one line of the program's machine-readable output.
type message struct {
	Text       string      `json:"@message"`
	Time       time.Time   `json:"@timestamp"`
	Type       string      `json:"type"`
	Diagnostic *diagnostic `json:"diagnostic"`
	Hook       *hook       `json:"hook"`
}

// diagnostic is a warning or an error.
type diagnostic struct {
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Address  string       `json:"address"`
	Range    *sourceRange `json:"range"`
}

type sourceRange struct {
	Filename string `json:"filename"`
	Start    struct {
		Line int `json:"line"`
	} `json:"start"`
}

// hook tells what happens to one resource.
type hook struct {
	Action   string `json:"action"`
	Resource struct {
		Addr string `json:"addr"`
	} `json:"resource"`
}

// The types of messages this package looks at.
const (
	typeVersion    = "version"
	typeOutputs    = "outputs"
	typeDiagnostic = "diagnostic"
	typeApplyStart = "apply_start"
	actionCreate   = "create"
	severityError  = "error"
)

// listener reads the program's lines as they appear: it writes them for people
// to the log and keeps the errors.
type listener struct {
	log    io.Writer
	redact *redact.Redactor
	rest   []byte
	errors []diagnostic
	plain  []string // lines that were no JSON
}

// Write implements io.Writer. It never fails: a log that cannot be written
// must not stop the program.
func (l *listener) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte{'\n'})
		if !found {
			return len(p), nil
		}
		l.line(line)
		l.rest = rest
	}
}

// flush reads a last line without an end.
func (l *listener) flush() {
	if len(l.rest) > 0 {
		l.line(l.rest)
		l.rest = nil
	}
}

func (l *listener) line(line []byte) {
	var m message
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if line[0] != '{' || json.Unmarshal(line, &m) != nil {
		l.plain = append(l.plain, string(line))
		l.say(string(line))
		return
	}
	switch {
	case m.Type == typeVersion || m.Type == typeOutputs:
	case m.Type == typeDiagnostic && m.Diagnostic != nil:
		if m.Diagnostic.Severity == severityError {
			l.errors = append(l.errors, *m.Diagnostic)
		}
		l.say(strings.TrimSpace(m.Text + "\n" + m.Diagnostic.Detail))
	default:
		l.say(m.Text)
	}
}

func (l *listener) say(text string) {
	_, _ = io.WriteString(l.log, l.redact.Text(text)+"\n")
}
