// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// segment is a part of a state address that is safe as a path segment.
var segment = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// organization is the only one that backends without an account have.
const organization = "organization"

// stackName derives a node's stack from its address: readable as far as Pulumi's
// 100 letters go, and a digest of the whole, so that no two nodes share one.
func stackName(address string) string {
	sum := sha256.Sum256([]byte(address))
	const room = 64
	readable := strings.ReplaceAll(address, "/", ".")
	if len(readable) > room {
		readable = readable[len(readable)-room:] // the node is at the end
	}
	return strings.Trim(readable, ".-_") + "-" + hex.EncodeToString(sum[:6])
}

// stack is where a node's state is in its backend.
type stack struct{ project, name string }

// ref is how a StateRef says it.
func (s stack) ref() string { return s.project + "/" + s.name }

// qualified is the name that commands and the automation API take.
func (s stack) qualified() string { return organization + "/" + s.project + "/" + s.name }

// prefix of the stack's URNs.
func (s stack) prefix() string { return "urn:pulumi:" + s.name + "::" + s.project + "::" }

// stackOf finds a node's stack. A state's address must not change with a
// definition, so a program whose project has been renamed is refused.
func stackOf(req engine.Request, project string) (stack, error) {
	if req.StateRef == "" {
		return stack{project, stackName(req.Address)}, nil
	}
	held, name, ok := strings.Cut(req.StateRef, "/")
	if !ok || !segment.MatchString(held) || !segment.MatchString(name) {
		return stack{}, invalid("state reference %q is not \"<project>/<stack>\"", req.StateRef)
	}
	if held != project {
		return stack{}, renamed(stack{held, name}, project)
	}
	return stack{held, name}, nil
}

func renamed(held stack, project string) error {
	return invalid("the node's state is in stack %s, and the definition's program is now project %q; "+
		"call the project %q again (a project's name is part of every resource's name)", held.ref(), project, held.project)
}

// checkRequest refuses what must never become a path, a name or an argument.
func checkRequest(req engine.Request) error {
	for part := range strings.SplitSeq(req.Address, "/") {
		if !segment.MatchString(part) {
			return invalid("state address %q is not made of plain names", req.Address)
		}
	}
	if !filepath.IsAbs(req.Workspace) {
		return invalid("workspace %q is not an absolute path", req.Workspace)
	}
	module := req.Implementation.Module
	if module == "" || !filepath.IsLocal(filepath.FromSlash(module)) {
		return invalid("the definition's module %q is not a directory inside its bundle", module)
	}
	return checkEnvironment(req.Env)
}

// addressOf a URN, as definitions and people name it: "<type>::<name>".
func addressOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	if len(parts) != 4 {
		return urn
	}
	return typeOf(urn) + "::" + parts[3]
}

// typeOf a URN's resource, without those of its parents.
func typeOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	if len(parts) != 4 {
		return ""
	}
	return parts[2][strings.LastIndex(parts[2], "$")+1:]
}

// Types of the resources that Pulumi makes for its own use.
const (
	stackType      = "pulumi:pulumi:Stack"
	providerPrefix = "pulumi:providers:"
)

// own says whether a type is Pulumi's own bookkeeping and nothing in the world.
func own(kind string) bool { return kind == stackType || strings.HasPrefix(kind, providerPrefix) }
