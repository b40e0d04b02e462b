// SPDX-License-Identifier: Apache-2.0

// Command house runs the repository's own checks; see package house.
//
//	house check    look at the tree of the working directory
//	house tally    show and count what `go test -json` writes to it
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/HatiCode/nestor/internal/house"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: house check | house tally")
	}
	switch args[0] {
	case "check":
		return check(out)
	case "tally":
		tally, err := house.Count(in, out)
		return errors.Join(err, tally.Err())
	default:
		return fmt.Errorf("unknown command %q: usage: house check | house tally", args[0])
	}
}

func check(out io.Writer) error {
	found, err := house.Check(os.DirFS("."))
	if err != nil {
		return err
	}
	for _, finding := range found {
		if _, err := fmt.Fprintln(out, finding); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("%d findings", len(found))
	}
	return nil
}
