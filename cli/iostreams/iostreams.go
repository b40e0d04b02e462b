// SPDX-License-Identifier: Apache-2.0

// Package iostreams is the one door between a command and the terminal it was
// started from: input, output, whether each is a terminal, how wide it is, and
// which colours it takes. Tests put buffers in its place.
//
// It decides nothing about content; see cli/output and cli/render.
package iostreams

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Size of a terminal that does not tell its own, and of everything else.
const (
	DefaultWidth  = 80
	DefaultHeight = 24
)

// IO is what a command reads and writes. Fill it with System or Test.
type IO struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	// InTerminal, OutTerminal and ErrTerminal say which of the three a person
	// sits at.
	InTerminal, OutTerminal, ErrTerminal bool
	// Color allows colours where the stream is a terminal.
	Color bool

	// outFile is the real file behind Out, if there is one.
	outFile *os.File
	size    func() (width, height int)
	lines   *lineReader
	failed  *failure
}

// System returns the streams of this process. Colours follow NO_COLOR and TERM.
func System(getenv func(string) string) *IO {
	failed := &failure{}
	s := &IO{
		In: os.Stdin, Out: failed.watch(os.Stdout), ErrOut: failed.watch(os.Stderr), failed: failed,
		InTerminal:  isTerminal(os.Stdin),
		OutTerminal: isTerminal(os.Stdout),
		ErrTerminal: isTerminal(os.Stderr),
		Color:       getenv("NO_COLOR") == "" && getenv("TERM") != "dumb",
		outFile:     os.Stdout,
	}
	s.size = func() (int, int) {
		width, height, err := term.GetSize(int(os.Stdout.Fd()))
		if err != nil {
			return 0, 0
		}
		return width, height
	}
	s.lines = newLineReader(s.In)
	return s
}

// Test returns streams over buffers that are no terminal. Set the Terminal
// fields to play one, 80 columns by 24 lines.
func Test(input string) (streams *IO, out, errOut *bytes.Buffer) {
	out, errOut = &bytes.Buffer{}, &bytes.Buffer{}
	failed := &failure{}
	s := &IO{In: strings.NewReader(input), Out: failed.watch(out), ErrOut: failed.watch(errOut), failed: failed}
	s.lines = newLineReader(s.In)
	return s, out, errOut
}

// SetOut puts another stream in the place of Out, which then is no terminal.
func (s *IO) SetOut(w io.Writer) {
	s.Out, s.OutTerminal, s.outFile = s.failed.watch(w), false, nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Width is the terminal's number of columns, at least 20; 80 when Out is none.
func (s *IO) Width() int {
	if width, _ := s.measure(); width > 0 {
		return max(width, 20)
	}
	return DefaultWidth
}

// Height is the terminal's number of lines, at least 5; 24 when Out is none.
func (s *IO) Height() int {
	if _, height := s.measure(); height > 0 {
		return max(height, 5)
	}
	return DefaultHeight
}

func (s *IO) measure() (width, height int) {
	if s.size == nil || !s.OutTerminal {
		return 0, 0
	}
	return s.size()
}

// CanPrompt says whether a person can be asked: input and the stream that
// carries the question (ErrOut) are terminals.
func (s *IO) CanPrompt() bool { return s.InTerminal && s.ErrTerminal }

// ErrNoInput says that input ended before an answer came.
var ErrNoInput = errors.New("input ended before an answer")

// ReadLine returns the next line of In without its end, or the context's error
// if that comes first. At the end of input it fails with ErrNoInput.
func (s *IO) ReadLine(ctx context.Context) (string, error) { return s.lines.next(ctx) }

// OutStyle colours text for Out.
func (s *IO) OutStyle() Style { return Style{enabled: s.Color && s.OutTerminal} }

// ErrStyle colours text for ErrOut.
func (s *IO) ErrStyle() Style { return Style{enabled: s.Color && s.ErrTerminal} }

// Printf writes to Out. Errors are kept for Err, so that a command that prints
// need not look at each.
func (s *IO) Printf(format string, args ...any) { s.keep(fmt.Fprintf(s.Out, format, args...)) }

// Println writes a line to Out; errors are kept for Err.
func (s *IO) Println(args ...any) { s.keep(fmt.Fprintln(s.Out, args...)) }

// Notef writes to ErrOut; errors are kept for Err.
func (s *IO) Notef(format string, args ...any) { s.keep(fmt.Fprintf(s.ErrOut, format, args...)) }

// keep drops what the watched writers have noted already.
func (*IO) keep(int, error) {}

// Err is the first error of a write to Out or ErrOut; a result that could not
// be written in full is no success.
func (s *IO) Err() error { return s.failed.first() }

// OutFile returns what is known of the file that Out goes to, for noticing a
// redirection; ok is false for a buffer.
func (s *IO) OutFile() (info os.FileInfo, ok bool) {
	if s.outFile == nil {
		return nil, false
	}
	info, err := s.outFile.Stat()
	return info, err == nil
}
