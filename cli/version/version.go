// SPDX-License-Identifier: Apache-2.0

// Package version is `nestor version`: which client and which server.
package version

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/remote"
)

// Options of the command.
type Options struct {
	Factory    *cli.Factory
	ClientOnly bool
}

// NewCmdVersion returns the command; runF replaces its work in tests.
func NewCmdVersion(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of client and server",
		Long: `Print the versions of client and server.

A server that cannot be reached is told, and is no error.`,
		Example: `  nestor version
  nestor version --client -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runVersion(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.ClientOnly, "client", false, "do not ask the server")
	return cmd
}

// Versions is the result for programs.
type Versions struct {
	Client Client  `json:"client"`
	Server *Server `json:"server,omitempty"`
}

// Client is this program.
type Client struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Server is the API of the settings.
type Server struct {
	URL     string `json:"url"`
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
}

func runVersion(ctx context.Context, opts *Options) error {
	f := opts.Factory
	v := Versions{Client: Client{Version: f.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}}
	if !opts.ClientOnly {
		server, err := ask(ctx, f)
		if err != nil {
			return err
		}
		v.Server = server
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, v)
	}
	f.IO.Printf("client  %s  (%s, %s)\n", v.Client.Version, v.Client.Platform, v.Client.Go)
	if s := v.Server; s != nil && s.Error == "" {
		f.IO.Printf("server  %s  (%s)\n", s.Version, s.URL)
	} else if s != nil {
		f.IO.Printf("server  -  (%s)\n", s.Error)
	}
	return nil
}

func ask(ctx context.Context, f *cli.Factory) (*Server, error) {
	api, err := f.Client()
	if err != nil {
		return nil, err
	}
	health, err := remote.Decode[client.Health](api.GetHealth(ctx))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	server := &Server{URL: api.Server(), Version: health.Version}
	if err != nil {
		server.Error = err.Error()
	}
	return server, nil
}
