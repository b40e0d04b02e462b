// SPDX-License-Identifier: Apache-2.0

package clitest

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/iostreams"
)

// Command is a factory over buffers, for running commands inside a test.
type Command struct {
	*cli.Factory

	Out, Err *bytes.Buffer
}

// NewCommand returns a factory whose working directory is dir, whose API is
// the server (which may be nil), and whose clock stands still on 2 January
// 2026, 15:04:20 UTC. The input is typed at a terminal of 80 columns if
// terminal is set.
func NewCommand(t *testing.T, server *Server, dir string, terminal bool, input string) *Command {
	t.Helper()
	streams, out, errOut := iostreams.Test(input)
	streams.InTerminal, streams.OutTerminal, streams.ErrTerminal = terminal, terminal, terminal
	environment := map[string]string{"NESTOR_CONFIG": filepath.Join(t.TempDir(), "config.yaml")}
	if server != nil {
		environment["NESTOR_SERVER"] = server.URL
	}
	return &Command{
		Factory: &cli.Factory{
			IO:      streams,
			Getenv:  func(name string) string { return environment[name] },
			Dir:     dir,
			Now:     func() time.Time { return time.Date(2026, 1, 2, 15, 4, 20, 0, time.UTC) },
			Version: "1.0.0",
			Backoff: func(int) time.Duration { return time.Millisecond },
		},
		Out: out, Err: errOut,
	}
}
