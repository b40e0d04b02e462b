// SPDX-License-Identifier: Apache-2.0

// Command pulumi-language-go is the language host for Go of the engine's tests,
// where the machine does not have Pulumi's own, which is no module that the
// module proxy serves. It speaks the same protocol as far as a program's run
// needs it: it builds the program with go, and runs it. It is not for anything
// else; whoever has Go programs installs Pulumi's.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// healthPeriod is how often the host looks whether Pulumi is still there.
const healthPeriod = 5 * time.Second

func main() {
	if err := serve(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve until whoever started it is gone. The last argument is Pulumi's address,
// and the port goes to the standard output.
func serve(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: %s <address of the engine>", args[0])
	}
	h := &host{engine: args[len(args)-1]}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rpcutil.Healthcheck(ctx, h.engine, healthPeriod, stop); err != nil {
		return fmt.Errorf("reach the engine: %w", err)
	}
	over := make(chan bool)
	go func() {
		<-ctx.Done()
		close(over)
	}()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: over,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(s, h)
			return nil
		},
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, handle.Port); err != nil {
		return err
	}
	return <-handle.Done
}
