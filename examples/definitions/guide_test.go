// SPDX-License-Identifier: Apache-2.0

package definitions_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/internal/parts"
)

// update is -update: put the files as they are into the guide.
var update = flag.Bool("update", false, "put the files as they are into the guide")

const fence = "```"

// block is a fenced block of a page, with what its first line says.
type block struct {
	line    int
	kind    string // such as "yaml"
	file    string // that it shows; empty for none
	excerpt bool   // it shows some of the file's lines
	text    string
}

// TestGuide holds the guides' blocks to the files that they show: a block
// "```yaml path" is that file, one with "(excerpt)" some lines of it. A block of
// code that shows no file would drift, so that only commands and such fragments
// may.
func TestGuide(t *testing.T) {
	t.Parallel()
	root := parts.Root(t)
	shown := map[string]bool{}
	for _, guide := range []string{"platform-teams", "developer-guide"} {
		pages, err := filepath.Glob(filepath.Join(root, "docs", guide, "*.md"))
		if err != nil || len(pages) == 0 {
			t.Fatalf("pages of %s: %v, %v", guide, pages, err)
		}
		for _, page := range pages {
			for _, file := range checkPage(t, root, page) {
				shown[file] = true
			}
		}
	}
	for _, file := range examples(t, root) {
		if !shown[file] {
			t.Errorf("%s is on no page of the guide", file)
		}
	}
}

// examples are the files that the guide has to show.
func examples(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	dir := filepath.Join(root, "examples", "definitions")
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if err == nil && entry.Name() == "testdata" {
				return fs.SkipDir
			}
			return err
		}
		if filepath.Ext(path) != ".go" {
			name, err := filepath.Rel(root, path)
			files = append(files, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// checkPage returns the files that a page shows whole.
func checkPage(t *testing.T, root, page string) (shown []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := blocksOf(t, page, string(text))
	name, err := filepath.Rel(root, page)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if b.file == "" {
			if slices.Contains([]string{"go", "hcl"}, b.kind) || strings.Contains(b.text, "kind: ") {
				t.Errorf("%s:%d: the block shows no file of the repository", name, b.line)
			}
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(b.file)))
		if err != nil {
			t.Errorf("%s:%d: %v", name, b.line, err)
			continue
		}
		if b.excerpt {
			if !strings.Contains("\n"+string(content), "\n"+b.text) {
				t.Errorf("%s:%d: %s has no such lines:\n%s", name, b.line, b.file, b.text)
			}
			continue
		}
		shown = append(shown, b.file)
		if diff := cmp.Diff(string(content), b.text); diff != "" && !*update {
			t.Errorf("%s:%d: this is not %s; run the test with -update (-file +page):\n%s", name, b.line, b.file, diff)
		}
	}
	if *update {
		write(t, root, page, string(text))
	}
	return shown
}

// write puts files in the place of the blocks that show them.
func write(t *testing.T, root, page, text string) {
	t.Helper()
	var out strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		marked, isFence := strings.CutPrefix(strings.TrimRight(line, "\n"), fence)
		if isFence && marked != "" {
			b := opened(marked)
			inside = b.file != "" && !b.excerpt
			out.WriteString(line)
			if inside {
				content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(b.file)))
				if err != nil {
					t.Fatal(err)
				}
				out.Write(content)
			}
			continue
		}
		if isFence {
			inside = false
		}
		if !inside {
			out.WriteString(line)
		}
	}
	if err := os.WriteFile(page, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// opened reads what is behind a block's first fence.
func opened(marked string) block {
	words := strings.Fields(marked)
	b := block{kind: words[0]}
	if len(words) > 1 {
		b.file = words[1]
	}
	b.excerpt = len(words) > 2 && words[2] == "(excerpt)"
	return b
}

func blocksOf(t *testing.T, page, text string) []block {
	t.Helper()
	var blocks []block
	var current *block
	number := 0
	for line := range strings.Lines(text) {
		number++
		marked, isFence := strings.CutPrefix(strings.TrimRight(line, "\n"), fence)
		switch {
		case isFence && current == nil && marked != "":
			b := opened(marked)
			b.line = number
			current = &b
		case isFence && current != nil && marked == "":
			blocks = append(blocks, *current)
			current = nil
		case isFence:
			t.Fatalf("%s:%d: a block without a kind, or inside another", page, number)
		case current != nil:
			current.text += line
		}
	}
	if current != nil {
		t.Fatalf("%s:%d: the block does not end", page, current.line)
	}
	return blocks
}
