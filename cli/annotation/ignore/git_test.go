// SPDX-License-Identifier: Apache-2.0

package ignore_test

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/annotation/ignore"
)

// TestAgainstGit builds random trees with random pattern files and asks git
// which entries it ignores.
func TestAgainstGit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			git(t, root, "", "init", "-q")
			random := rand.New(rand.NewPCG(seed, 7))
			all := grow(t, random, root, ".", 0)
			write(t, filepath.Join(root, ".git", "info", "exclude"), patterns(random, 4))

			want := strings.Split(strings.TrimSuffix(
				git(t, root, strings.Join(all, "\x00")+"\x00", "check-ignore", "-z", "--no-index", "--stdin"), "\x00"), "\x00")
			slices.Sort(want)
			got := walk(t, root)
			if len(got) == 0 {
				t.Fatal("a tree in which nothing is ignored proves nothing")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d: ignored (-git +ours):\n%s", seed, diff)
				for _, line := range strings.Split(diff, "\n") {
					if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
						name := strings.Trim(line[1:], "\t\", \u00a0")
						t.Log(git(t, root, name+"\x00", "check-ignore", "-v", "-n", "-z", "--no-index", "--stdin"))
					}
				}
			}
		})
	}
}

// walk lists what the package ignores, every entry below an ignored folder
// included.
func walk(t *testing.T, root string) []string {
	t.Helper()
	type level struct {
		prefix string
		list   *ignore.List
	}
	read := func(name string) *ignore.List {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return ignore.Parse(data)
	}
	var ignored []string
	var visit func(dir string, levels []level, inside bool)
	visit = func(dir string, levels []level, inside bool) {
		prefix := ""
		if dir != "." {
			prefix = dir + "/"
		}
		levels = append(slices.Clip(levels), level{prefix, read(path.Join(dir, ".gitignore"))})
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := prefix + e.Name()
			if name == ".git" {
				continue
			}
			out := inside
			for i := len(levels) - 1; i >= 0 && !out; i-- {
				v := levels[i].list.Match(strings.TrimPrefix(name, levels[i].prefix), e.IsDir())
				if v != ignore.None {
					out = v == ignore.Ignored
					break
				}
			}
			if out {
				ignored = append(ignored, name)
			}
			if e.IsDir() {
				visit(name, levels, out)
			}
		}
	}
	visit(".", []level{{"", read(".git/info/exclude")}}, false)
	slices.Sort(ignored)
	return ignored
}

// grow fills a folder and returns the paths in it. Names are few and short, so
// that patterns meet them.
func grow(t *testing.T, random *rand.Rand, root, dir string, depth int) []string {
	t.Helper()
	var all []string
	if random.IntN(3) > 0 || depth == 0 {
		name := path.Join(dir, ".gitignore")
		write(t, filepath.Join(root, name), patterns(random, 6))
		all = append(all, name)
	}
	for range 5 + random.IntN(5) {
		name := path.Join(dir, word(random))
		if _, err := os.Lstat(filepath.Join(root, name)); err == nil {
			continue
		}
		all = append(all, name)
		if depth < 3 && random.IntN(2) == 0 {
			if err := os.Mkdir(filepath.Join(root, name), 0o750); err != nil {
				t.Fatal(err)
			}
			all = append(all, grow(t, random, root, name, depth+1)...)
			continue
		}
		write(t, filepath.Join(root, name), "x")
	}
	return all
}

func word(random *rand.Rand) string {
	names := []string{
		"a", "b", "ab", "abc", "a.o", "b.o", "x.a.o", "foo", "foo.log", "bar", "#x", "!y", "a b", "z ", "[q]", `k\l`,
		"é", "A", "-", "a-c", "]", "build",
	}
	return names[random.IntN(len(names))]
}

func patterns(random *rand.Rand, n int) string {
	elements := []string{
		"a", "b", "ab", "abc", "*.o", "?.o", "foo*", "*o*", "bar", `\#x`, `\!y`, "a b", "a?b", `z\ `, "z  ", "[q]", `\[q\]`,
		`k\\l`, `k\l`, "[a-c]", "[!a]", "[^b]*", "[]]", "[]-a]", "[a", `[\]]`, "[[:alpha:]]", "[[:upper:]]", "[[:nope:]]",
		"[[:alpha", "[a-]", "[--a]", "*", "**", "***", "a**", "**o", "?", "??", "é", "build", "*a*b*", `a\`, "[[:x]", "[a-c-z]",
	}
	var b strings.Builder
	for range 1 + random.IntN(n) {
		if random.IntN(4) == 0 {
			b.WriteByte('!')
		}
		if random.IntN(5) == 0 {
			b.WriteByte('/')
		}
		for i := range 1 + random.IntN(3)*random.IntN(2) {
			if i > 0 {
				b.WriteByte('/')
			}
			b.WriteString(elements[random.IntN(len(elements))])
		}
		if random.IntN(5) == 0 {
			b.WriteByte('/')
		}
		b.WriteString([]string{"\n", "\n", "\n", "\r\n", " \n", "\n#\n", "\n\n"}[random.IntN(7)])
	}
	return b.String()
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// git runs git in dir without the machine's configuration; check-ignore says 1
// when nothing is ignored.
func git(t *testing.T, dir, stdin string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "git", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir)
	c.Stdin = strings.NewReader(stdin)
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	if err := c.Run(); err != nil && (args[0] != "check-ignore" || c.ProcessState.ExitCode() != 1) {
		t.Fatalf("git %v: %v\n%s", args, err, problems.String())
	}
	return out.String()
}

// FuzzMatch holds the matcher to its promises: no panic, no dependence on the
// indexes.
func FuzzMatch(f *testing.F) {
	f.Add("a/**/b\n!*.o\n[[:alpha:]]x/", "a/x.o", true)
	f.Add("[", `\`, false)
	f.Fuzz(func(t *testing.T, text, name string, dir bool) {
		if !fs.ValidPath(name) || name == "." {
			return
		}
		list := ignore.Parse([]byte(text))
		first := list.Match(name, dir)
		// A pattern that matches nothing must not change the answer.
		if again := ignore.Parse([]byte(text+"\n[\n")).Match(name, dir); again != first {
			t.Errorf("%q on %q: %d, then %d", text, name, first, again)
		}
	})
}
