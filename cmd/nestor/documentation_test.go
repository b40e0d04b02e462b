// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/dev"
	"github.com/HatiCode/nestor/cli/root"
)

var (
	// inline is a command in running text, also in the messages of programs.
	inline = regexp.MustCompile("`(?:bin/)?nestor ([^`]+)`")
	// line is a command in a block of code.
	line = regexp.MustCompile(`^\s*(?:\$ |! )?(?:bin/)?nestor (.+)$`)
	// end of a command inside a line of the shell.
	end = regexp.MustCompile(`\s(?:#|\||\|\||&&|;|>|2>|→ )`)
	// broken is where running text, or a comment, goes on in the next line.
	broken = regexp.MustCompile(`\n(?:\s*// )?`)
	// word of a command as it is written: a text in quotes is one.
	word = regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`)
)

// TestDocumentedCommandsExist holds every command that the documentation or a
// message shows to those that there are, with their flags.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	tree := os.DirFS("../..")
	factory := clitest.NewCommand(t, nil, t.TempDir(), false, "").Factory
	commands, nestor := 0, root.New(factory, dev.NewCommand(factory))
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bin" || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && name != "."):
			return fs.SkipDir
		case path.Ext(name) != ".md" && path.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		for _, shown := range shownCommands(string(content), path.Ext(name) == ".md") {
			commands++
			if wrong := checkCommand(nestor, shown); wrong != "" {
				t.Errorf("%s: nestor %s: %s", name, shown, wrong)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if commands < 100 {
		t.Errorf("only %d commands were found; does the search still work?", commands)
	}
}

// TestCheckCommand: the check can say no.
func TestCheckCommand(t *testing.T) {
	t.Parallel()
	nestor := root.New(clitest.NewCommand(t, nil, t.TempDir(), false, "").Factory)
	tests := map[string]struct{ shown, want, reason string }{
		"right":      {`cancel 3 -e staging --reason "wrong size" | tail -3`, "", "what follows is not nestor's"},
		"verb":       {"aply --env staging", "there is no nestor aply", "a verb that is not there"},
		"subcommand": {"catalog psh x.yaml", "there is no nestor catalog psh", "nor below another"},
		"flag":       {"apply --where staging", "it has no --where", "a flag that is not there"},
		"shorthand":  {"apply -z", "it has no -z", "nor a short one"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, _, _ := strings.Cut(checkCommand(nestor, test.shown), "\n"); got != test.want {
				t.Errorf("%s: %q, want %q", test.reason, got, test.want)
			}
		})
	}
}

// shownCommands are the commands in a text, without the program's name.
func shownCommands(content string, blocks bool) []string {
	var found []string
	for _, m := range inline.FindAllStringSubmatch(broken.ReplaceAllString(content, " "), -1) {
		found = append(found, m[1])
	}
	code := false
	for l := range strings.SplitSeq(content, "\n") {
		if strings.HasPrefix(strings.TrimSpace(l), "```") {
			code = !code
		} else if m := line.FindStringSubmatch(l); code && blocks && m != nil {
			found = append(found, m[1])
		}
	}
	return found
}

// checkCommand says what is wrong with a command; empty for nothing.
func checkCommand(nestor *cobra.Command, shown string) string {
	if at := end.FindStringIndex(shown); at != nil {
		shown = shown[:at[0]]
	}
	words := word.FindAllString(shown, -1)
	if len(words) == 0 || strings.ContainsAny(words[0], "…%<") {
		return "" // a place for any command
	}
	var given []string
	for _, w := range words {
		if strings.HasPrefix(w, "-") && len(w) > 1 {
			given = append(given, strings.TrimRight(w, ".,;:"))
		}
	}
	cmd, rest, err := nestor.Find(words)
	if err != nil {
		return err.Error()
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return "there is no " + cmd.CommandPath() + " " + rest[0]
	}
	for _, flag := range given {
		if !known(cmd, flag) {
			return "it has no " + flag
		}
	}
	return ""
}

// known says whether a command takes a flag.
func known(cmd *cobra.Command, flag string) bool {
	cmd.InitDefaultHelpFlag()
	name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
	for _, set := range []*pflag.FlagSet{cmd.Flags(), cmd.InheritedFlags()} {
		if strings.HasPrefix(flag, "--") && set.Lookup(name) != nil || len(name) == 1 && set.ShorthandLookup(name) != nil {
			return true
		}
	}
	return false
}
