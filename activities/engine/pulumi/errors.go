// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// phase is what the program was doing when it failed.
type phase string

const (
	phasePreview phase = "preview"
	phaseApply   phase = "apply"
	phaseState   phase = "state"
)

// invalid is an error that only a change of input or definition can cure.
func invalid(format string, args ...any) error {
	return &engine.Error{Class: engine.Invalid, Engine: Name, Message: fmt.Sprintf(format, args...)}
}

// unreadable is an error of a state that cannot be read.
func unreadable(format string, args ...any) error {
	return &engine.Error{Class: engine.Unreadable, Engine: Name, Message: fmt.Sprintf(format, args...)}
}

// failed wraps a failure of the worker's own files: another try, perhaps on
// another worker, can help.
func failed(what string, err error) error {
	return &engine.Error{Class: engine.Transient, Engine: Name, Message: what + ": " + err.Error(), Err: err}
}

func canceled(ctx context.Context) error {
	return &engine.Error{
		Class: engine.Canceled, Engine: Name, Message: "stopped as asked", Err: context.Cause(ctx),
	}
}

// maxMessage bounds what is kept of a program's words.
const maxMessage = 600

// shorten makes one paragraph of at most maxMessage bytes.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + " …"
}

// classify sorts what the program said. A trouble of the network comes first:
// it is worth another try wherever it strikes, and no try creates anything
// without having read the state.
func classify(at phase, text string) engine.Class {
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case violation.MatchString(text):
		return engine.Transient
	case has("no resource plugin", "could not find plugin", "failed to find plugin", "failed to load plugin", "language plugin",
		"unable to find required plugin", "could not load plugin", "could not find latest version", "resource plugin 'pulumi-"):
		return engine.Unavailable
	case has("timeout", "timed out", "connection refused", "connection reset", "no such host", "network is unreachable",
		"temporary failure", "throttl", "rate exceeded", "rate limit", "too many requests", "unexpected eof", "slowdown",
		"service unavailable", "bad gateway", "internal server error") || serverError.MatchString(text):
		return engine.Transient
	case has("failed to load checkpoint", "failed to deserialize", "snapshot integrity failure", "incorrect passphrase",
		"failed to decrypt", "could not deserialize", "unmarshalling", "newer than what this version"):
		return engine.Unreadable
	case has("access denied", "accessdenied", "unauthorized", "forbidden", "permission denied", "quota", "limit exceeded",
		"no valid credential", "invalidaccesskeyid", "signaturedoesnotmatch", "expiredtoken"):
		if at == phaseState {
			return engine.Unreadable
		}
		return engine.Rejected
	case at == phaseApply:
		return engine.Rejected
	case at == phaseState:
		return engine.Unreadable
	default:
		return engine.Invalid
	}
}

var serverError = regexp.MustCompile(`(?:http|status|code|response)[^0-9]{0,20}(?:429|50[0234])\b`)
