// SPDX-License-Identifier: Apache-2.0

// Command nestor-worker serves Temporal task queues: workflows and records
// (role control) and engines. It needs only the programs of its roles.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/workers"
)

func main() {
	if supervise.Main() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "nestor-worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		if command, known := rolloutCommands()[args[0]]; known {
			return runRollout(ctx, command, args[1:], getenv, stdout, stderr)
		}
		return answer(args[0], stdout)
	}
	config, err := workers.FromEnv(getenv)
	if err != nil {
		return err
	}
	if config.Versioning, err = workers.VersioningFromEnv(getenv, buildID()); err != nil {
		return err
	}
	var level slog.Level
	if text := getenv("NESTOR_LOG_LEVEL"); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("NESTOR_LOG_LEVEL: %w", err)
		}
	}
	logger := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))
	var printErr error
	err = workers.Run(ctx, config, logger, func() {
		_, printErr = fmt.Fprintln(stdout, "nestor-worker: ready")
	})
	return errors.Join(err, printErr)
}

// answer does what an argument asks for; nothing is served then.
func answer(argument string, stdout io.Writer) error {
	var text string
	switch argument {
	case "help", "-h", "-help", "--help":
		text = usage()
	case "version", "-v", "-version", "--version":
		text = versionLine()
	default:
		return fmt.Errorf("unknown argument %q; see nestor-worker --help", argument)
	}
	_, err := io.WriteString(stdout, text)
	return err
}
