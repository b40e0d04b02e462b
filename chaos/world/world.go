// SPDX-License-Identifier: Apache-2.0

// Package world is the process that keeps the ledger: it serves a
// cloud.World, which the fake engine of every worker uses, and nothing that
// happens to the workers happens to it.
//
// What a ledger says about duplicates and the like is package check's subject.
package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
)

// Serve serves a world on a free loopback port until the context ends, and
// prints its address first. Each effect is appended to the ledger's file.
func Serve(ctx context.Context, ledger string, latency time.Duration, out io.Writer) (err error) {
	file, err := os.OpenFile(filepath.Clean(ledger), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the world: %w", err)
	}
	server := &http.Server{
		Handler:           cloud.NewServer(cloud.New(file), latency),
		ReadHeaderTimeout: 10 * time.Second,
	}
	stop := context.AfterFunc(ctx, func() {
		_ = server.Close() // Serve returns, and says what there is to say
	})
	defer stop()
	if _, err := fmt.Fprintf(out, "http://%s\n", listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the world: %w", err)
	}
	return nil
}
