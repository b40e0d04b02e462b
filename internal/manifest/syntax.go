// SPDX-License-Identifier: Apache-2.0

package manifest

import "strings"

// syntaxCure is what people should hear instead of, or beside, the parser's own
// words for a mistake.
type syntaxCure struct {
	part    string // of the parser's message
	message string // empty keeps the parser's
	hint    string
}

// syntaxCures are tried in order.
func syntaxCures() []syntaxCure {
	const (
		indentHint = "begin all keys of a mapping, and all dashes of a list, in one column"
		braceHint  = "put a template in quotes: \"{{ … }}\""
	)
	return []syntaxCure{
		{"\t", "a tab cannot indent", "indent with spaces"},
		{"tab character cannot use as a map key", "a tab cannot indent", "indent with spaces"},
		{"sequence end token ']' not found", "the bracket \"[\" is not closed", "add \"]\", or quote a value that begins with \"[\""},
		{"',' or ']' must be specified", "a list in brackets is not closed before this", "add \"]\" at its end, or \",\" between its elements"},
		{"',' or '}' must be specified", "a mapping in braces is not closed before this", "add \"}\" at its end, or \",\" between its fields"},
		{"could not find flow map content", "what stands in these braces is no mapping", braceHint},
		{"could not find flow mapping end token '}'", "the brace \"{\" is not closed", "add \"}\", or quote a value that begins with \"{\""},
		{"could not find '[' character corresponding to ']'", "there is no \"[\" for this bracket", "remove \"]\", or quote the value"},
		{"could not find end character of single-quoted text", "the quote ' is not closed", "add ' at the end of the value; inside, write '' for one"},
		{"could not find end character of double-quoted text", "the quote \" is not closed", "add \" at the end of the value; inside, write \\\" for one"},
		{"mapping value is not allowed", "a key and a value inside of a value", "quote a value that contains \": \", or begin the next line in the column of this key"},
		{"map key-value is pre-defined", "something follows a value that is over", "put the whole value in quotes"},
		{"value is not allowed in this context", "this does not belong to what is above it", indentHint},
		{"unexpected key name", "a key without a value", "write \"key: value\", with a space after the colon"},
		{"non-map value is specified", "this is no \"key: value\"", "write one, or indent a text of several lines more than its key"},
		{"block sequence entries are not allowed", "a list cannot begin on the line of its key", "begin it on the next line, or write [a, b]"},
		{"unknown escape character", "", `write \\ for a backslash in double quotes, or use single quotes`},
		{"reserved character", "", "quote a value that begins with this character"},
		{"undefined anchor name", "an anchor (&) without a name", "quote a value that begins with this character"},
	}
}

// cure puts a syntax problem into words that say what to do.
func cure(p *Problem, parsers string) {
	for _, c := range syntaxCures() {
		if !strings.Contains(parsers, c.part) {
			continue
		}
		if c.message != "" {
			p.Message = "syntax error: " + c.message
		}
		p.Hint = c.hint
		return
	}
}
