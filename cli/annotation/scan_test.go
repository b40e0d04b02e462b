// SPDX-License-Identifier: Apache-2.0

package annotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/annotation"
	"github.com/HatiCode/nestor/internal/manifest"
)

// TestProblems has one annotation per error of the syntax.
func TestProblems(t *testing.T) {
	t.Parallel()
	const names = `use at most 63 lower-case letters, digits and "-", beginning and ending with a letter or digit`
	const keys = `(a key begins with a letter and goes on with letters, digits, "_" and "-"; environment.key is for one environment)`
	tests := map[string]struct{ reason, text, want string }{
		"no name":            {"the marker alone", "//nestor:", `1:10: expected the name of a composition directly after "nestor:" (such as nestor:web-app; if this is no annotation, put a word before it)`},
		"prose":              {"a space after the colon", "// nestor: the tool", `1:11: expected the name of a composition directly after "nestor:" (such as nestor:web-app; if this is no annotation, put a word before it)`},
		"bad name":           {"compositions have DNS labels", "//nestor:Web_App", `1:10: composition name "Web_App" is not a DNS label; ` + names},
		"path as name":       {"a name is no path", "//nestor:../x", `1:10: composition name "../x" is not a DNS label; ` + names},
		"bad instance":       {"instances have DNS labels, too; the place is the value's", "//nestor:a name=x.y", `1:17: instance name "x.y" is not a DNS label; ` + names},
		"empty instance":     {"a name that is empty", `//nestor:a name=""`, `1:17: instance name is missing; ` + names},
		"instance per env":   {"an instance has one name everywhere", "//nestor:a production.name=x", `1:12: the name of an instance is the same in all environments (write name=… once, without an environment)`},
		"bad environment":    {"so have environments", "//nestor:a Prod.x=1", `1:12: environment name "Prod" is not a DNS label; ` + names + ` (before the dot comes the name of an environment)`},
		"no environment":     {"a dot that begins a key", "//nestor:a .x=1", `1:12: environment name is missing; ` + names + ` (before the dot comes the name of an environment)`},
		"no key after env":   {"a dot that ends a key", "//nestor:a prod.=1", `1:17: the key is missing after "prod." ` + keys},
		"two dots":           {"one environment at most", "//nestor:a prod.x.y=1", `1:18: '.' cannot stand here in a key ` + keys},
		"bad key":            {"the place is the character's", "//nestor:a si$e=1", `1:14: '$' cannot stand here in a key ` + keys},
		"digit first":        {"a key begins with a letter", "//nestor:a 1a=1", `1:12: '1' cannot stand here in a key ` + keys},
		"no key":             {"nothing before the sign", "//nestor:a =1", `1:12: a key is missing before "=" (parameters are written key=value)`},
		"no sign":            {"a lone word", "//nestor:a size", `1:12: "size" has no value (parameters are written key=value, separated by spaces)`},
		"no sign, goes on":   {"what follows is read", "//nestor:a size b=", `1:12: "size" has no value (parameters are written key=value, separated by spaces)` + "\n" + `a.go:1:19: the value of "b" is missing (write b="" for an empty one, and no space after "=")`},
		"space before sign":  {"a common slip", "//nestor:a size = small b=1", `1:16: a space before "=" (write key=value without spaces)`},
		"no value":           {"nothing after the sign", "//nestor:a size= b=1", `1:17: the value of "size" is missing (write size="" for an empty one, and no space after "=")`},
		"open double quote":  {"the place is the quote's", `//nestor:a s="x y`, `1:14: the quote is not closed (a value ends on the line it begins on)`},
		"open single quote":  {"a backslash does not escape in single quotes", `//nestor:a s='x\' t='`, `1:21: the quote is not closed (a value ends on the line it begins on)`},
		"quote cut off":      {"the comment's end is stronger than the quote", `/*nestor:a s="*/"`, `1:14: the quote is not closed (a value ends on the line it begins on)`},
		"no space":           {"after a quote", `//nestor:a s="x"y t="z"`, `1:17: a space is missing after the quoted value (separate parameters by spaces)`},
		"quote inside":       {"in a bare value", `//nestor:a s=it's b c`, `1:16: a quote inside a value (put the whole value in quotes, such as s="it's")`},
		"unknown escape":     {"only two escapes exist", `//nestor:a s="a\nb" s2="\t"`, `1:16: an unknown escape in a quoted value (in double quotes, write \\ for a backslash and \" for a quote; in single quotes a backslash is one)` + "\n" + `a.go:1:25: an unknown escape in a quoted value (in double quotes, write \\ for a backslash and \" for a quote; in single quotes a backslash is one)`},
		"twice":              {"the second is wrong", "//nestor:a s=1 t=2 s=3", `1:20: "s" is given twice (first at column 12)`},
		"twice in env":       {"per environment", "//nestor:a p.s=1 q.s=1 p.s=2", `1:24: "p.s" is given twice (first at column 12)`},
		"name twice":         {"names, too", "//nestor:a name=b name=c", `1:19: "name" is given twice (first at column 12)`},
		"control character":  {"nothing that is no text", "//nestor:a s=\"a\x1bb\"", `1:16: the value holds the control character U+001B (remove it)`},
		"delete character":   {"in a bare value as well", "//nestor:a s=a\x7f", `1:15: the value holds the control character U+007F (remove it)`},
		"bidirectional":      {"nothing that makes a line look other than it is", "//nestor:a s=a\u202eb", `1:15: the value holds the control character U+202E (remove it)`},
		"control in name":    {"in the name, too", "//nestor:a\x01b", `1:11: the name of the composition holds the control character U+0001 (remove it)`},
		"not UTF-8":          {"nothing that is no text", "//nestor:a s=ab\xff", `1:16: the value is not valid UTF-8 (save the file as UTF-8)`},
		"columns":            {"columns count characters", "/* ä€𝄞 */ //nestor:a é=1", `1:22: 'é' cannot stand here in a key ` + keys},
		"several annotation": {"all at once", "//nestor:A\n\n  //nestor:b c", `1:10: composition name "A" is not a DNS label; ` + names + "\n" + `a.go:3:14: "c" has no value (parameters are written key=value, separated by spaces)`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			put(t, root, "a.go", tc.text+"\n//nestor:good\n")
			result, err := annotation.Scan(t.Context(), root, annotation.Options{})
			var problems manifest.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("%s: expected problems, got %v", tc.reason, err)
			}
			if diff := cmp.Diff("a.go:"+tc.want, err.Error()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if len(result.Claims) != 1 || result.Claims[0].Composition != "good" {
				t.Errorf("what was good is not in the result: %+v", result.Claims)
			}
		})
	}
}

func TestInstanceTwice(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, "b/main.go", "//nestor:web-app name=shop\n//nestor:shop\n")
	put(t, root, "a.py", "\n# nestor:job  name=shop\n")
	result, err := annotation.Scan(t.Context(), root, annotation.Options{})
	want := `b/main.go:1:18: the instance "shop" is claimed at a.py:2 already (give one of them another name=)
b/main.go:2:10: the instance "shop" is claimed at a.py:2 already (give one of them a name=…)`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	// What else is wrong in those lines is found in the same run.
	var others []string
	for _, p := range annotation.Check(result, []annotation.Known{{Name: "job"}, {Name: "web-app"}}) {
		others = append(others, p.String())
	}
	if diff := cmp.Diff([]string{`b/main.go:2:10: there is no composition "shop" (the team has job, web-app)`}, others); diff != "" {
		t.Errorf("mistakes of a claim whose name is taken (-want +got):\n%s", diff)
	}
}

// TestValues has what the syntax lets through.
func TestValues(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, "a.go", `//nestor:a a=b=c url=https://x/?y=z#f e="" q="say \"hi\" \\o/" s='a "b" \' A_b-1=ä`+"\t \r\n")
	result, err := annotation.Scan(t.Context(), root, annotation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "b=c", "url": "https://x/?y=z#f", "e": "", "q": `say "hi" \o/`, "s": `a "b" \`, "A_b-1": "ä"}
	if diff := cmp.Diff(want, result.Claims[0].Parameters); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

// TestWalk checks what is left out, against git where git has a say.
func TestWalk(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	const text = "//nestor:yes name=%s\n"
	for i, name := range []string{
		"main.go", "out/a.go", "out/keep.go", "sub/out/b.go", "sub/gen.go", "sub/deep/gen.go", "sub/deep/x.tmp.go", "sub/deep/important.tmp.go",
		"private.go", "ä/ö.go", "space name/a b.go", ".github/x.go", "docs/a/b/c.go", "docs/c.go", "logs/x.go",
	} {
		put(t, root, name, fmt.Sprintf(text, fmt.Sprintf("i%d", i)))
	}
	put(t, root, ".gitignore", "/out/*\n!/out/keep.go\n*.tmp.go\nlogs\n")
	put(t, root, "sub/.gitignore", "gen.go\n!deep/gen.go\n")
	put(t, root, "sub/deep/.gitignore", "!important.tmp.go\n")
	put(t, root, "docs/.gitignore", "**/b/*.go\n")
	git(t, root, "init", "-q")
	put(t, root, ".git/info/exclude", "private.go\n")
	listed := strings.Split(strings.TrimSuffix(git(t, root, "ls-files", "-o", "-z", "--exclude-standard"), "\x00"), "\x00")
	var want []string
	for _, name := range listed {
		if !strings.HasSuffix(name, ".gitignore") {
			want = append(want, name)
		}
	}
	slices.Sort(want)

	// What git does not decide: all of this is left out.
	for i, folder := range append(annotation.Vendored(), ".git", ".nestor") {
		put(t, root, folder+"/x.go", fmt.Sprintf(text, fmt.Sprintf("v%d", i)))
		put(t, root, "sub/node_modules/"+folder+"/x.go", fmt.Sprintf(text, fmt.Sprintf("w%d", i)))
	}
	put(t, root, "binary.go", fmt.Sprintf(text, "binary")+"\x00")
	put(t, root, "large.go", fmt.Sprintf(text, "large")+strings.Repeat("x", annotation.MaxFileBytes))
	put(t, root, "large.bin", "\x00"+strings.Repeat("x", annotation.MaxFileBytes))
	put(t, root, "other/.git", "gitdir: elsewhere\n")
	put(t, root, "other/main.go", fmt.Sprintf(text, "other"))
	outside := t.TempDir()
	put(t, outside, "out.go", fmt.Sprintf(text, "outside"))
	link(t, filepath.Join(outside, "out.go"), filepath.Join(root, "link.go"))
	link(t, outside, filepath.Join(root, "linked"))
	link(t, "main.go", filepath.Join(root, "inside.go"))

	result, err := annotation.Scan(t.Context(), root, annotation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range result.Claims {
		got = append(got, c.File)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files scanned (-git +ours):\n%s", diff)
	}
	notes := []annotation.Note{
		{File: "large.go", Message: "not scanned: larger than 4 MiB"},
		{File: "other", Message: "not scanned: it is a repository of its own (it has a .git)"},
	}
	if diff := cmp.Diff(notes, result.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	if all, err := annotation.Scan(t.Context(), root, annotation.Options{Vendored: []string{}}); err != nil || len(all.Claims) <= len(got) {
		t.Errorf("with no folder called vendored: %d claims (%v), expected more than %d", len(all.Claims), err, len(got))
	}
}

// TestSizes: nothing is lost at the sizes where reading changes its ways.
func TestSizes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	sizes := []int{0, 1, 8 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 1<<20 + 7, annotation.MaxFileBytes}
	for i, size := range sizes {
		line := fmt.Sprintf("\n//nestor:a name=s%d", i)
		put(t, root, fmt.Sprintf("%d.go", i), strings.Repeat("x", max(0, size-len(line)))+line)
	}
	result, err := annotation.Scan(t.Context(), root, annotation.Options{})
	if err != nil || len(result.Claims) != len(sizes) || len(result.Notes) != 0 {
		t.Errorf("%d claims of %d, notes %v, error %v", len(result.Claims), len(sizes), result.Notes, err)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, "sub/.gitignore", strings.Repeat("#\n", annotation.MaxFileBytes))
	put(t, root, "bad\nname.go", "//nestor:a\n")
	_, err := annotation.Scan(t.Context(), root, annotation.Options{})
	want := "bad\nname.go: a file with annotations has a name that is no plain text (rename it)\n" +
		"sub/.gitignore: cannot be read: file is too large (make it readable, or add it to .gitignore)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestNoRepository(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, "file", "")
	for _, name := range []string{"missing", "file"} {
		if _, err := annotation.Scan(t.Context(), filepath.Join(root, name), annotation.Options{}); err == nil {
			t.Errorf("%s is no repository, but was scanned", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := annotation.Scan(ctx, root, annotation.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled scan ends with %v", err)
	}
}

// TestDeterminism: the number of workers does not show in the result.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range 400 {
		text := fmt.Sprintf("//nestor:a name=i%d x=%d\nvar s = `\n//nestor:no\n`\n//nestor:A\n//nestor:b\n", i, i)
		put(t, root, fmt.Sprintf("%d/%d/%d.go", i%3, i%7, i), text)
		put(t, root, fmt.Sprintf("flat/%d.go", i), text)
	}
	var first string
	for _, workers := range []int{1, 8, 8, 1, runtime.NumCPU()} {
		result, err := annotation.Scan(t.Context(), root, annotation.Options{Workers: workers})
		got := describe(t, result, err) + fmt.Sprint(result.Files, result.Bytes)
		if first == "" {
			first = got
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Fatalf("with %d workers (-1 worker):\n%s", workers, diff)
		}
	}
	if !strings.Contains(first, "flat/399.go:1:10: a name=i399") && !strings.Contains(first, "is claimed at") {
		t.Errorf("the result proves nothing:\n%.500s", first)
	}
}

// FuzzScan: no panic, the same result twice, and every place is one in the file
// where what it says begins.
func FuzzScan(f *testing.F) {
	f.Add(uint8(0), []byte("//nestor:a b=c d.e=\"f g\" name=h\n"))
	f.Add(uint8(1), []byte("# nestor:a b='\n'''\n# nestor:x\n"))
	f.Add(uint8(2), []byte("a: |\n  # nestor:x\n# nestor:y =\n"))
	f.Add(uint8(3), []byte("<!-- nestor:a é=\"\xff\"\nnestor:nestor:b -->"))
	f.Add(uint8(4), []byte("#!/bin/sh\ncat <<E\n# nestor:x\nE\n# nestor:y\u202e"))
	names := []string{"a.go", "a.py", "a.yaml", "a.html", "a", "a.ts", "a.sql", "a.rs"}
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		folder := t.TempDir()
		name := names[int(which)%len(names)]
		put(t, folder, name, string(text))
		result, err := annotation.Scan(t.Context(), folder, annotation.Options{})
		first := describe(t, result, err)
		lines := bytes.Split(text, []byte("\n"))
		at := func(line, column int) string {
			if line < 1 || line > len(lines) || column < 1 || column > utf8.RuneCount(lines[line-1])+1 {
				t.Fatalf("%d:%d is not in the file %q", line, column, text)
			}
			rest := lines[line-1]
			for range column - 1 {
				_, size := utf8.DecodeRune(rest)
				rest = rest[size:]
			}
			return string(rest)
		}
		for i, c := range result.Claims {
			if !strings.HasPrefix(at(c.Line, result.Columns[i].Composition), c.Composition) {
				t.Errorf("%s is not at its place in %q", c.Composition, text)
			}
			for key, column := range result.Columns[i].Keys {
				if !strings.HasPrefix(at(c.Line, column), key+"=") {
					t.Errorf("%s is not at its place in %q", key, text)
				}
			}
		}
		var problems manifest.Problems
		if errors.As(err, &problems) {
			for _, p := range problems {
				at(p.Line, p.Column)
			}
		}
		again, err := annotation.Scan(t.Context(), folder, annotation.Options{Workers: 1})
		if diff := cmp.Diff(first, describe(t, again, err)); diff != "" {
			t.Errorf("two scans differ:\n%s", diff)
		}
	})
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "git", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}
