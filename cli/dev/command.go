// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/config"
)

// flags of the command.
type flags struct {
	dataDir string
	ports   Ports
	offset  int
}

// NewCommand builds `nestor dev`.
func NewCommand(f *cli.Factory) *cobra.Command {
	chosen := flags{ports: DefaultPorts()}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole platform on this machine",
		Long: `Run a whole platform on this machine: the API, a worker, and Temporal with its
Web UI, all on loopback. It stays in the foreground until Ctrl-C. Everything it
keeps is in one data directory; a later start goes on with it.

The platform is written into the configuration file as the context "dev", which
becomes the current one if there was none. Its addresses are in
<data>/endpoints.json while it runs.`,
		Example: `  nestor dev
  nestor dev --port-offset 100          # 7333, 8333 and 8580
  nestor dev --data-dir /tmp/try --api-port 0 --ui-port 0 --temporal-port 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := chosen.options(f)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), options, cmd.OutOrStdout())
		},
	}
	set := cmd.Flags()
	set.StringVar(&chosen.dataDir, "data-dir", "", "where everything is kept (default $NESTOR_DATA, or nestor/dev in the user's data directory)")
	set.IntVar(&chosen.ports.API, "api-port", chosen.ports.API, "port of the API; 0 picks a free one")
	set.IntVar(&chosen.ports.Temporal, "temporal-port", chosen.ports.Temporal, "port of Temporal; 0 picks a free one")
	set.IntVar(&chosen.ports.UI, "ui-port", chosen.ports.UI, "port of the Temporal Web UI; 0 picks a free one")
	set.IntVar(&chosen.offset, "port-offset", 0, "added to every port that is not 0")
	return cmd
}

func (c flags) options(f *cli.Factory) (Options, error) {
	dataDir := c.dataDir
	if dataDir == "" {
		var err error
		if dataDir, err = DefaultDataDir(f.Getenv); err != nil {
			return Options{}, err
		}
	}
	configPath, err := config.Path(f.Getenv)
	if err != nil {
		return Options{}, err
	}
	executable, err := os.Executable()
	if err != nil {
		return Options{}, fmt.Errorf("find the programs beside this one: %w", err)
	}
	search, err := NewSearch(executable)
	if err != nil {
		return Options{}, err
	}
	return Options{
		DataDir:    dataDir,
		Ports:      c.ports.Shift(c.offset),
		Version:    f.Version,
		ConfigPath: configPath,
		Search:     search,
		Environ:    os.Environ(),
	}, nil
}

// serve runs the platform until a signal comes. The command's own context is
// left aside: it ends with the first signal, and the second must be told from
// the first.
func serve(ctx context.Context, o Options, out io.Writer) error {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(interrupts)
	o.Interrupts = interrupts
	return Run(context.WithoutCancel(ctx), o, out)
}
