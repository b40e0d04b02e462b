// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/internal/manifest"
)

// Error is a problem that the API answered with.
type Error struct{ Problem problem.Problem }

func (e *Error) Error() string {
	switch {
	case e.Problem.Detail != "":
		return e.Problem.Detail
	case e.Problem.Title != "":
		return e.Problem.Title
	default:
		return fmt.Sprintf("the API answered %d %s", e.Problem.Status, http.StatusText(e.Problem.Status))
	}
}

// Problems are the mistakes the API found, each with its place.
func (e *Error) Problems() []manifest.Problem { return e.Problem.Problems }

// Hint adds what the API cannot know: how this command is told things.
func (e *Error) Hint() string {
	switch e.Problem.Status {
	case http.StatusUnauthorized:
		return "give a token with --token, NESTOR_TOKEN or `nestor config set NAME --token TOKEN`"
	case http.StatusInternalServerError:
		if e.Problem.Instance != "" {
			return "the server's log has the cause under " + e.Problem.Instance
		}
	}
	return ""
}

// NotFound says whether err is the API's answer that there is no such thing.
func NotFound(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Problem.Status == http.StatusNotFound
}

// UnreachableError says that no answer came.
type UnreachableError struct {
	Server, From string
	Cause        error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach the Nestor API at %s (%s): %v", e.Server, e.From, innermost(e.Cause))
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Cause }

// Hint says how to get a server.
func (e *UnreachableError) Hint() string {
	if local(e.Server) {
		return "is `nestor dev` running? Start it in another terminal, or name another server with --server or NESTOR_SERVER"
	}
	return "check the address and the network; name another server with --server, NESTOR_SERVER or `nestor config use`"
}

func local(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// innermost drops the layers that repeat the address.
func innermost(err error) error {
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return errors.New(name.Err)
	}
	var request *url.Error
	if errors.As(err, &request) {
		if request.Timeout() {
			return errors.New("no answer in time")
		}
		return request.Err
	}
	return err
}

// StrangerError says that what answered is no Nestor API.
type StrangerError struct{ Request, Status, Type string }

func (e *StrangerError) Error() string {
	kind := e.Type
	if kind == "" {
		kind = "no content type"
	}
	return fmt.Sprintf("%s was answered with %s and %s, which is not what a Nestor API says", e.Request, e.Status, kind)
}

// Hint points at the address.
func (*StrangerError) Hint() string {
	return "check that the server's address is that of nestor-api, and that no proxy stands in between"
}

// ServerURLError says that the server's address cannot be one.
type ServerURLError struct{ Server, From string }

func (e *ServerURLError) Error() string {
	return fmt.Sprintf("%q (%s) is not the URL of a server", e.Server, e.From)
}

// Hint shows one.
func (*ServerURLError) Hint() string { return "write it such as http://127.0.0.1:8480" }
