// SPDX-License-Identifier: Apache-2.0

// Command nestor-api serves Nestor's REST API. Its logic is in api and
// api/serve.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/HatiCode/nestor/api/serve"
)

// Set by the linker (see the Makefile).
var (
	version = "dev"
	commit  string //nolint:gochecknoglobals // the linker can set nothing else
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := serve.Main(ctx, serve.Build{Version: version, Commit: commit},
		serve.Streams{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}, os.Args[1:])
	stop()
	os.Exit(code)
}
