// SPDX-License-Identifier: Apache-2.0

// Command nestor is the command line of Nestor. It holds no engine and no
// server, and starts in milliseconds; everything it does is below cli.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/dev"
	"github.com/HatiCode/nestor/cli/root"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	f, err := cli.NewFactory(version)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return cli.CodeError
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks politely; a second one ends the process.
	context.AfterFunc(ctx, stop)
	return root.Run(ctx, f, os.Args[1:], dev.NewCommand(f))
}
