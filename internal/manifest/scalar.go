// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

var (
	errTooLarge  = errors.New("does not fit into 64 bits")
	errNotFinite = errors.New("is not a finite number")
	errAmbiguous = errors.New("is octal to some readers and decimal to others")
)

func quoted(t *token.Token) bool {
	return t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
}

// scalar fills in a leaf. Plain scalars are resolved here and not by the
// parser, which mixes the rules of YAML 1.1 and 1.2 and knows no exponents.
func (b *builder) scalar(n *node, source ast.Node, path string) {
	t := source.GetToken()
	switch s := source.(type) {
	case *ast.LiteralNode:
		n.kind, n.scalar, n.text = kindScalar, s.Value.Value, s.Value.Value
		return
	case *ast.StringNode:
		n.text = s.Value
		if quoted(s.Token) {
			n.kind, n.scalar = kindScalar, s.Value
			return
		}
	case *ast.NullNode:
		return
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		n.text = t.Value
	default:
		b.report(t, path, "this form of YAML is not supported", "write a plain value")
		return
	}
	value, err := resolve(n.text)
	if err != nil {
		b.report(t, path, shorten(n.text)+" "+err.Error(), "quote it if it shall be a string")
		return
	}
	if value != nil {
		n.kind, n.scalar = kindScalar, value
	}
}

// The core schema of YAML 1.2, section 10.3.2.
var (
	integerForm = regexp.MustCompile(`^[-+]?[0-9]+$`)
	paddedForm  = regexp.MustCompile(`^[-+]?0[0-9]+$`)
	radixForm   = regexp.MustCompile(`^0(o[0-7]+|x[0-9a-fA-F]+)$`)
	floatForm   = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	specialForm = regexp.MustCompile(`^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

// resolve gives a plain scalar its type: nil, bool, int64, float64 or string.
func resolve(text string) (any, error) {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil, nil
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	if !strings.ContainsRune("+-.0123456789", rune(text[0])) {
		return text, nil
	}
	switch {
	case paddedForm.MatchString(text):
		return nil, errAmbiguous
	case integerForm.MatchString(text):
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, errTooLarge
		}
		return n, nil
	case radixForm.MatchString(text):
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			return nil, errTooLarge
		}
		return n, nil
	case floatForm.MatchString(text):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, errTooLarge
		}
		return f, nil
	case specialForm.MatchString(text):
		return nil, errNotFinite
	default:
		return text, nil
	}
}
