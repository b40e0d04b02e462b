// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnsettled is in the chain of an error after which nobody but the worker that
// got it can tell what came of creations that had begun.
var ErrUnsettled = errors.New("what was created is not on record")

// InDoubt is the error of resources whose creation was cut off before it was
// recorded, with what a person has to do about it. looked is why a look by
// identity could not tell; nil where there was none.
func InDoubt(req Request, name string, resources []string, looked error) *Error {
	what := "its creation" // the resource is named beside the message
	if len(resources) > 1 {
		what = "the creation of " + strings.Join(resources, ", ")
	}
	message := what + " was cut off before it was recorded, so nothing is created again. " + HowToSettle(req)
	if looked != nil {
		message += ". It was looked up and could not be seen: " + looked.Error()
	}
	return &Error{Class: Uncertain, Engine: name, Resource: resources[0], Message: message, Err: looked}
}

// HowToSettle is what a person has to do about a resource that is in doubt. It
// names no file of a worker: which worker comes next, nobody knows.
func HowToSettle(req Request) string {
	return "Look whether it exists, and remove it if it does; then " + HowToForget(req)
}

// HowToForget is how a person states that what is recorded of a node, or was
// left by an attempt of it, holds no more.
func HowToForget(req Request) string {
	return fmt.Sprintf("say so with `nestor forget %s --env %s` and apply again", req.Node, req.environment())
}

// environment of the node, which its address tells.
func (r Request) environment() string {
	const at, parts = 2, 4
	if split := strings.SplitN(r.Address, "/", parts); len(split) == parts {
		return split[at]
	}
	return "ENVIRONMENT"
}
