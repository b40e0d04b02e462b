// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// phase is what the program was doing when it failed.
type phase string

const (
	phaseInit  phase = "init"
	phasePlan  phase = "plan"
	phaseApply phase = "apply"
	phaseState phase = "state"
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
// without having read the state. A provider's host that does not exist is no
// such trouble: it is a mistake, or a network that has none.
func classify(at phase, text string) engine.Class {
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	fetching := has("failed to query available provider packages", "failed to resolve provider packages",
		"failed to install provider", "no available releases match", "does not have a provider named", "incompatible provider version")
	switch {
	case has("saved plan is stale"):
		return engine.Transient
	case fetching && has("no such host"):
		return engine.Unavailable
	case has("timeout", "timed out", "connection refused", "connection reset", "no such host", "network is unreachable",
		"temporary failure", "giving up after", "throttl", "rate exceeded", "rate limit", "too many requests", "unexpected eof",
		"service unavailable", "bad gateway", "internal server error") || serverError.MatchString(text):
		return engine.Transient
	case fetching:
		return engine.Unavailable
	case has("state snapshot was created by", "unsupported state file", "state file could not be", "failed to load state",
		"error loading state", "failed to read state", "error refreshing state", "invalid state", "decrypt",
		"failed to decode current backend config"):
		return engine.Unreadable
	case has("required plugins are not installed", "failed to load plugin schemas", "could not load plugin",
		"unsupported terraform core version", "unsupported opentofu core version"):
		return engine.Unavailable
	case refusesCredentials(text) && (at == phaseInit || at == phaseState):
		return engine.Unreadable // both talk to the state's backend alone
	case refusesCredentials(text) || has("quota", "limit exceeded"):
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

// renew is the cure for credentials that are missing, expired or refused.
const renew = "; look at the credentials that the environment gives: they are missing, expired or not enough"

// refusesCredentials says that somebody did not accept the credentials. The
// HTTP backend has words of its own for it.
func refusesCredentials(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc([]string{
		"access denied", "accessdenied", "unauthorized", "forbidden", "permission denied", "no valid credential", "expiredtoken",
		"token has expired", "token is expired", "invalidclienttokenid", "invalidaccesskeyid", "signaturedoesnotmatch",
		"failed to refresh cached credentials", "endpoint requires auth", "endpoint invalid auth",
	}, func(w string) bool { return strings.Contains(text, w) })
}
