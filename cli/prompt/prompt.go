// SPDX-License-Identifier: Apache-2.0

// Package prompt asks a person at a terminal, and nobody else: without a
// terminal a missing answer is an error that names the flag.
package prompt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/iostreams"
)

// ErrDeclined says that the person said no.
var ErrDeclined = errors.New("not confirmed; nothing was changed")

// Possible fails when nobody can be asked, before any work is done. The hint
// says which flag answers instead.
func Possible(streams *iostreams.IO, verb, hint string) error {
	if streams.CanPrompt() {
		return nil
	}
	return cli.Errorf(hint, "%s asks before it changes anything, and there is no terminal to ask at", verb)
}

// Confirm asks a question of yes or no and returns ErrDeclined unless the
// answer is "y" or "yes".
func Confirm(ctx context.Context, streams *iostreams.IO, question string) error {
	answer, err := ask(ctx, streams, question+" [y/N] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return nil
	default:
		return ErrDeclined
	}
}

// Expect asks for a word to be typed, and returns ErrDeclined for any other.
func Expect(ctx context.Context, streams *iostreams.IO, question, word string) error {
	answer, err := ask(ctx, streams, fmt.Sprintf("%s\nType %s to go on: ", question, streams.ErrStyle().Bold(word)))
	if err != nil {
		return err
	}
	if answer != word {
		return ErrDeclined
	}
	return nil
}

func ask(ctx context.Context, streams *iostreams.IO, question string) (string, error) {
	streams.Notef("%s", question)
	answer, err := streams.ReadLine(ctx)
	if err != nil {
		streams.Notef("\n")
		if errors.Is(err, iostreams.ErrNoInput) {
			return "", ErrDeclined
		}
		return "", err
	}
	return strings.TrimSpace(answer), nil
}
