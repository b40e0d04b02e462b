// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/internal/codec"
)

// Build tells which program this is.
type Build struct {
	Version string
	Commit  string
}

// Streams are where the program writes, and its environment.
type Streams struct {
	Out, Err io.Writer
	Getenv   func(string) string
}

// Main runs the program with its arguments until ctx ends, and returns its exit
// code.
func Main(ctx context.Context, b Build, s Streams, args []string) int {
	root := newCommand(b, s) //nolint:contextcheck // a command gets its context when it runs
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintf(s.Err, "nestor-api: %v\n", err)
		return 1
	}
	return 0
}

func newCommand(b Build, s Streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "nestor-api",
		Short:         "Nestor's REST API",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.AddCommand(newServe(b, s), newKeys(s), &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(s.Out, "nestor-api %s (%s)\n", b.Version, cmp.Or(b.Commit, "unknown commit"))
			return err
		},
	})
	return root
}

// newServe makes the serve command: flags over NESTOR_* variables over
// defaults.
func newServe(b Build, s Streams) *cobra.Command {
	o := Options{Version: b.Version, Ready: s.Out}
	var level, format string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API until a signal ends it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Data == "" {
				return errors.New("no data directory; give --data or set NESTOR_DATA")
			}
			logger, err := newLogger(s.Err, level, format)
			if err != nil {
				return err
			}
			o.Log = logger
			if o.PayloadEncryption, err = codec.Enabled(s.Getenv); err != nil {
				return err
			}
			if o.TrustTemporalUI, err = trustsUI(s.Getenv("NESTOR_CODEC_ACCESS")); err != nil {
				return err
			}
			return Run(cmd.Context(), o)
		},
	}
	env := func(name, otherwise string) string { return cmp.Or(s.Getenv(name), otherwise) }
	flags := cmd.Flags()
	flags.StringVar(&o.Data, "data", env("NESTOR_DATA", ""), "data `directory` (NESTOR_DATA)")
	flags.StringVar(&o.Listen, "listen", env("NESTOR_LISTEN", "127.0.0.1:8480"), "`address` to listen on (NESTOR_LISTEN)")
	flags.StringVar(&o.Tokens, "tokens", env("NESTOR_TOKENS", ""), "tokens `file`; default: tokens.yaml in the data directory, if it is there (NESTOR_TOKENS)")
	flags.StringVar(&o.TemporalAddress, "temporal-address", env("NESTOR_TEMPORAL_ADDRESS", "127.0.0.1:7233"), "`address` of the Temporal server (NESTOR_TEMPORAL_ADDRESS)")
	flags.StringVar(&o.TemporalNamespace, "temporal-namespace", env("NESTOR_TEMPORAL_NAMESPACE", "default"), "Temporal `namespace` (NESTOR_TEMPORAL_NAMESPACE)")
	flags.StringVar(&o.Keyset, "keyset", env("NESTOR_KEYSET", ""), "`file` of the keys; default: keyset.json in the data directory (NESTOR_KEYSET)")
	flags.StringVar(&o.TemporalUI, "temporal-ui", env("NESTOR_TEMPORAL_UI", ""), "`origins` of the Temporal Web UI, whose pages may ask the codec server (NESTOR_TEMPORAL_UI)")
	flags.StringVar(&level, "log-level", env("NESTOR_LOG_LEVEL", "info"), "debug, info, warn or error (NESTOR_LOG_LEVEL)")
	flags.StringVar(&format, "log-format", env("NESTOR_LOG_FORMAT", "text"), "text or json (NESTOR_LOG_FORMAT)")
	return cmd
}

// trustsUI reads NESTOR_CODEC_ACCESS: who may ask the codec server.
func trustsUI(access string) (bool, error) {
	switch access {
	case "", "token":
		return false, nil
	case "origin":
		return true, nil
	default:
		return false, fmt.Errorf("NESTOR_CODEC_ACCESS: %q is neither token nor origin", access)
	}
}

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var threshold slog.Level
	if err := threshold.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is not one of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: threshold}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("log format %q is neither text nor json", format)
	}
}
