// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/internal/manifest"
)

// Exit codes of the command.
const (
	CodeOK          = 0
	CodeError       = 1
	CodeChanges     = 2   // plan: there are changes
	CodeInterrupted = 130 // Ctrl-C, also where that only detaches
)

// ErrTimeout is the cause of a context that --timeout ended.
var ErrTimeout = errors.New("the time given by --timeout is over")

// ErrInterrupted says that a signal ended the command.
var ErrInterrupted = errors.New("interrupted")

// Error is a failure with the way out of it.
type Error struct {
	Message string // lower-case, without a full stop
	Advice  string // what to do next; may be empty
	Err     error  // the cause, if there is one
}

// Errorf makes an Error with a hint. A %w in the format keeps the cause.
func Errorf(hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Message: err.Error(), Advice: hint, Err: errors.Unwrap(err)}
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do next. Without advice of its own, the cause's holds.
func (e *Error) Hint() string {
	if e.Advice != "" || e.Err == nil {
		return e.Advice
	}
	return hint(e.Err)
}

// ExitError ends the command with a code. Everything there was to say has been
// said unless Err is set.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("exit with code %d", e.Code)
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// Report writes an error for a person and returns the process's exit code. A
// nil error writes nothing and is CodeOK.
func Report(streams *iostreams.IO, err error) int {
	if err == nil {
		return CodeOK
	}
	code := CodeError
	var exit *ExitError
	if errors.As(err, &exit) {
		if exit.Err == nil {
			return exit.Code
		}
		code = exit.Code
	}
	write(streams, err)
	return code
}

func write(streams *iostreams.IO, err error) {
	style := streams.ErrStyle()
	problems := Problems(err)
	for _, p := range problems {
		streams.Notef("%s\n", text.Clean(p.String()))
	}
	message := err.Error()
	if _, bare := err.(manifest.Problems); bare { //nolint:errorlint // only an error that says nothing beyond its problems
		message = count(len(problems), "problem") + "; nothing was changed"
	}
	say(streams, style.Red(style.Bold("Error:")), "Error: ", strings.TrimSpace(text.Clean(message)))
	if h := hint(err); h != "" {
		say(streams, style.Cyan("Hint:"), "Hint: ", text.Clean(h))
	}
}

// say writes a message behind its label, broken to the width of a terminal.
func say(streams *iostreams.IO, styled, label, message string) {
	lines := []string{message}
	if streams.ErrTerminal {
		lines = text.Wrap(message, streams.Width()-len(label))
	}
	streams.Notef("%s %s\n", styled, strings.Join(lines, "\n"+strings.Repeat(" ", len(label))))
}

// Warn writes a warning for a person.
func Warn(streams *iostreams.IO, format string, args ...any) {
	style := streams.ErrStyle()
	say(streams, style.Yellow("Warning:"), "Warning: ", text.Clean(fmt.Sprintf(format, args...)))
}

func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Problems returns the mistakes that an error lists, found here or by the API.
func Problems(err error) manifest.Problems {
	var list manifest.Problems
	if errors.As(err, &list) {
		return list
	}
	var lister interface{ Problems() []manifest.Problem }
	if errors.As(err, &lister) {
		return manifest.Problems(lister.Problems()).Sorted()
	}
	return nil
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
