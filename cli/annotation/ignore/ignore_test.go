// SPDX-License-Identifier: Apache-2.0

package ignore_test

import (
	"testing"

	"github.com/HatiCode/nestor/cli/annotation/ignore"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason   string
		patterns string
		path     string
		dir      bool
		want     ignore.Verdict
	}{
		"name":             {"a name holds at any depth", "bin", "a/b/bin", false, ignore.Ignored},
		"other name":       {"a name is compared as a whole", "bin", "cabin", false, ignore.None},
		"extension":        {"the common case has an index", "*.log", "a/x.log", false, ignore.Ignored},
		"long suffix":      {"a suffix may hold a dot", "*.min.js", "a/x.min.js", false, ignore.Ignored},
		"directory only":   {"a trailing slash asks for a folder", "out/", "out", false, ignore.None},
		"directory":        {"and finds one", "out/", "a/out", true, ignore.Ignored},
		"negation":         {"the last pattern wins", "*.log\n!keep.log", "keep.log", false, ignore.Included},
		"negation undone":  {"the last pattern wins, index or not", "!k*.log\n*.log", "keep.log", false, ignore.Ignored},
		"anchored":         {"a leading slash anchors", "/a", "b/a", false, ignore.None},
		"inner slash":      {"so does one inside", "a/b", "c/a/b", false, ignore.None},
		"star":             {"one asterisk stays in its folder", "a/*", "a/b/c", false, ignore.None},
		"leading globstar": {"two cross folders", "**/a/b", "x/a/x/a/b", false, ignore.Ignored},
		"inner globstar":   {"and may be nothing", "a/**/b", "a/b", false, ignore.Ignored},
		"trailing":         {"and all below", "a/**", "a/b/c", false, ignore.Ignored},
		"trailing itself":  {"but not the folder", "a/**", "a", true, ignore.None},
		"glued globstar":   {"inside a name two are one", "x/a*b**c", "x/abx/c", false, ignore.None},
		"prefix globstar":  {"git's own corner: the literal part is cut off first", "a**/b", "ax/y/b", false, ignore.Ignored},
		"comment":          {"a hash begins a comment", "#a", "#a", false, ignore.None},
		"quoted hash":      {"unless quoted", `\#a`, "#a", false, ignore.Ignored},
		"quoted bang":      {"a quoted exclamation mark is one", `\!a`, "!a", false, ignore.Ignored},
		"spaces":           {"trailing spaces are dropped", "a  ", "a", false, ignore.Ignored},
		"quoted space":     {"unless quoted", `a\ `, "a ", false, ignore.Ignored},
		"carriage return":  {"files from Windows", "a\r\nb\r\n", "b", false, ignore.Ignored},
		"byte order mark":  {"files from Windows", "\xef\xbb\xbfa", "a", false, ignore.Ignored},
		"class":            {"a set of bytes", "[a-c]x", "bx", false, ignore.Ignored},
		"class negated":    {"either sign negates", "[^a]x", "bx", false, ignore.Ignored},
		"class slash":      {"a set never holds the slash", "a[!b]c", "a/c", false, ignore.None},
		"class bracket":    {"a bracket that comes first is a member", "[]a]", "]", false, ignore.Ignored},
		"class named":      {"POSIX names", "x[[:digit:]]", "x7", false, ignore.Ignored},
		"class unknown":    {"an unknown name matches nothing", "x[[:digits:]]", "x7", false, ignore.None},
		"class open":       {"an open set matches nothing", "[a", "[a", false, ignore.None},
		"backslash last":   {"a lone backslash matches nothing", `a\`, `a\`, false, ignore.None},
		"only a slash":     {"the root is no entry", "/", "a", true, ignore.None},
		"many stars":       {"no exponential time", "*a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, ignore.None},
		"empty file":       {"an empty list says nothing", "\n# x\n", "a", false, ignore.None},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ignore.Parse([]byte(tc.patterns)).Match(tc.path, tc.dir); got != tc.want {
				t.Errorf("%s: %q on %q: got %d, want %d", tc.reason, tc.patterns, tc.path, got, tc.want)
			}
		})
	}
}
