// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/internal/suggest"
)

// DefaultServer is where `nestor dev` listens.
const DefaultServer = "http://127.0.0.1:8480"

// Settings are what holds for one call of the command.
type Settings struct {
	// Context that the values come from; empty when there is none.
	Context     string
	Server      string
	Token       string
	Team        string
	Environment string
	// TemporalUI is the address of the Temporal Web UI; empty: not known.
	TemporalUI string
	// ServerFrom says where Server was found, for messages: "--server",
	// "NESTOR_SERVER", "context staging" or "the default".
	ServerFrom string
}

// Flags are the values given on the command line; empty means not given.
type Flags struct {
	Context, Server, Token, Team string
}

// Resolve picks each setting from the flags, else from the environment
// variables, else from the context of the file. It fails for a context that
// does not exist.
func Resolve(file File, flags Flags, getenv func(string) string) (Settings, error) {
	name, from := flags.Context, "--context"
	if name == "" {
		name, from = getenv("NESTOR_CONTEXT"), "NESTOR_CONTEXT"
	}
	if name == "" {
		name, from = file.Current, "the configuration file"
	}
	var context Context
	if name != "" {
		found, ok := file.Context(name)
		if !ok {
			return Settings{}, &UnknownContextError{Name: name, From: from, Known: file.Names()}
		}
		context = found
	}
	s := Settings{
		Context:     name,
		Token:       first(flags.Token, getenv("NESTOR_TOKEN"), context.Token),
		Team:        first(flags.Team, getenv("NESTOR_TEAM"), context.Team),
		Environment: first(getenv("NESTOR_ENVIRONMENT"), context.Environment),
		TemporalUI:  getenv("NESTOR_TEMPORAL_UI"),
	}
	for _, candidate := range []struct{ value, from string }{
		{flags.Server, "--server"},
		{getenv("NESTOR_SERVER"), "NESTOR_SERVER"},
		{context.Server, "context " + name},
		{DefaultServer, "the default"},
	} {
		if candidate.value != "" {
			s.Server, s.ServerFrom = candidate.value, candidate.from
			break
		}
	}
	// A context's Web UI shows the deployments of its own server alone.
	if s.TemporalUI == "" && s.Server == context.Server {
		s.TemporalUI = context.TemporalUI
	}
	return s, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// UnknownContextError names a context that the file does not have.
type UnknownContextError struct {
	Name, From string
	Known      []string
}

func (e *UnknownContextError) Error() string {
	return fmt.Sprintf("there is no context %q (asked for by %s)", e.Name, e.From)
}

// Hint names the contexts there are.
func (e *UnknownContextError) Hint() string {
	if near, ok := suggest.Nearest(e.Name, e.Known); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(e.Known) == 0 {
		return "make one with `nestor config set " + e.Name + " --server URL --team TEAM`"
	}
	return "known contexts: " + strings.Join(e.Known, ", ")
}
