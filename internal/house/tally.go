// SPDX-License-Identifier: Apache-2.0

package house

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Tally counts tests and subtests, each once.
type Tally struct {
	Passed, Failed, Skipped int
}

// Err is nil when every test that exists ran and passed.
func (t Tally) Err() error {
	switch {
	case t.Failed > 0:
		return fmt.Errorf("%d tests failed", t.Failed)
	case t.Skipped > 0:
		return fmt.Errorf("%d tests were skipped; here a test that cannot run is a failure", t.Skipped)
	case t.Passed == 0:
		return errors.New("no test ran")
	default:
		return nil
	}
}

// event is one line of `go test -json`.
type event struct {
	Action     string `json:"Action"`     //nolint:tagliatelle // the format of go test
	Package    string `json:"Package"`    //nolint:tagliatelle // the format of go test
	ImportPath string `json:"ImportPath"` //nolint:tagliatelle // the format of go test
	Test       string `json:"Test"`       //nolint:tagliatelle // the format of go test
	Output     string `json:"Output"`     //nolint:tagliatelle // the format of go test
}

type test struct{ pkg, name string }

// Count reads the output of `go test -json` and writes what a reader wants of
// it: the line of each package, and all that a failed or skipped test said.
//
// A test that began and never ended, and a package that fails without a failed
// test (it did not build, or died), count as failed.
func Count(in io.Reader, out io.Writer) (Tally, error) {
	c := counter{out: out, said: map[test]*strings.Builder{}, blamed: map[string]bool{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if err := c.line(lines.Bytes()); err != nil {
			return c.tally, err
		}
	}
	if err := lines.Err(); err != nil {
		return c.tally, fmt.Errorf("read the output of go test: %w", err)
	}
	if err := c.unfinished(); err != nil {
		return c.tally, err
	}
	_, err := fmt.Fprintf(out, "%d passed, %d failed", c.tally.Passed, c.tally.Failed)
	if err == nil && c.tally.Skipped > 0 {
		_, err = fmt.Fprintf(out, ", %d skipped", c.tally.Skipped)
	}
	if err == nil {
		_, err = fmt.Fprintln(out)
	}
	return c.tally, err
}

type counter struct {
	out   io.Writer
	tally Tally
	// said holds the output of tests that have not ended.
	said map[test]*strings.Builder
	// blamed holds the packages in which a test failed.
	blamed map[string]bool
}

func (c *counter) line(raw []byte) error {
	var e event
	if json.Unmarshal(raw, &e) != nil || e.Action == "" {
		// What is no event comes from the go command itself; a reader needs it.
		return c.write(string(raw) + "\n")
	}
	if e.Test == "" {
		return c.ofPackage(e)
	}
	return c.ofTest(e)
}

func (c *counter) ofPackage(e event) error {
	switch e.Action {
	case "output", "build-output":
		if e.Output == "PASS\n" {
			return nil
		}
		return c.write(e.Output)
	case "fail":
		if err := c.unfinishedIn(e.Package); err != nil {
			return err
		}
		if !c.blamed[e.Package] {
			c.tally.Failed++
		}
	}
	return nil
}

func (c *counter) ofTest(e event) error {
	t := test{e.Package, e.Test}
	said, ok := c.said[t]
	if !ok {
		said = &strings.Builder{}
		c.said[t] = said
	}
	switch e.Action {
	case "output":
		said.WriteString(e.Output)
		return nil
	case "pass":
		c.tally.Passed++
	case "skip":
		c.tally.Skipped++
	case "fail":
		c.tally.Failed++
		c.blamed[e.Package] = true
	default:
		return nil
	}
	delete(c.said, t)
	if e.Action == "pass" {
		return nil
	}
	return c.write(said.String())
}

// unfinishedIn counts the tests of a package that never ended.
func (c *counter) unfinishedIn(pkg string) error {
	var open []test
	for t := range c.said {
		if t.pkg == pkg {
			open = append(open, t)
		}
	}
	slices.SortFunc(open, func(a, b test) int { return strings.Compare(a.name, b.name) })
	for _, t := range open {
		c.tally.Failed++
		c.blamed[pkg] = true
		if err := c.write(c.said[t].String() + "--- FAIL: " + t.name + " (never ended)\n"); err != nil {
			return err
		}
		delete(c.said, t)
	}
	return nil
}

func (c *counter) unfinished() error {
	packages := map[string]bool{}
	for t := range c.said {
		packages[t.pkg] = true
	}
	for pkg := range packages {
		if err := c.unfinishedIn(pkg); err != nil {
			return err
		}
	}
	return nil
}

func (c *counter) write(text string) error {
	if _, err := io.WriteString(c.out, text); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}
