// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/config"
	"github.com/HatiCode/nestor/internal/localkube"
)

// noCrossplane is the value of --crossplane for a control plane without it.
const noCrossplane = "none"

// flags of the command.
type flags struct {
	dataDir    string
	ports      Ports
	offset     int
	kubernetes bool
	kubeconfig string
	crossplane string
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
<data>/endpoints.json while it runs.

With --kubernetes it also runs a Kubernetes control plane (its one node only
looks as if pods ran on it), Crossplane with provider-kubernetes and
function-patch-and-transform, and MinIO. With --kubeconfig it uses a cluster
that is there already, and runs MinIO. Environments then write
secret://file/_platform/kubeconfig, and for MinIO's keys
secret://file/_platform/minio-access-key and minio-secret-key.`,
		Example: `  nestor dev
  nestor dev --kubernetes
  nestor dev --kubeconfig ~/.kube/config
  nestor dev --port-offset 100          # 7333, 8333 and 8580
  nestor dev --data-dir /tmp/try --api-port 0 --ui-port 0 --temporal-port 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := chosen.check(cmd.Flags().Changed); err != nil {
				return err
			}
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
	set.BoolVar(&chosen.kubernetes, "kubernetes", false, "also run a control plane, Crossplane and MinIO")
	set.StringVar(&chosen.crossplane, "crossplane", localkube.CrossplaneV2, "Crossplane beside it: v1, v2 or none")
	set.StringVar(&chosen.kubeconfig, "kubeconfig", "", "use the cluster of this file, not one of its own")
	set.IntVar(&chosen.ports.Kubernetes, "kubernetes-port", chosen.ports.Kubernetes, "port of Kubernetes; 0 picks a free one")
	set.IntVar(&chosen.ports.MinIO, "minio-port", chosen.ports.MinIO, "port of MinIO; 0 picks a free one")
	set.IntVar(&chosen.offset, "port-offset", 0, "added to every port that is not 0")
	return cmd
}

// check refuses what contradicts itself. given says which flags were given.
func (c flags) check(given func(string) bool) error {
	switch c.crossplane {
	case localkube.CrossplaneV1, localkube.CrossplaneV2, noCrossplane:
	default:
		return fmt.Errorf("--crossplane %q is unknown; expected %s, %s or %s",
			c.crossplane, localkube.CrossplaneV1, localkube.CrossplaneV2, noCrossplane)
	}
	for _, name := range []string{"crossplane", "kubernetes-port"} {
		switch {
		case !given(name):
		case given("kubeconfig"):
			return fmt.Errorf("--%s is of the control plane that --kubernetes runs, and --kubeconfig names another cluster; leave one out", name)
		case !c.kubernetes:
			return fmt.Errorf("--%s is of the control plane that --kubernetes runs; add that", name)
		}
	}
	if given("kubeconfig") && c.kubeconfig == "" {
		return errors.New("--kubeconfig names no file")
	}
	return nil
}

// cluster is which one the platform reaches.
func (c flags) cluster() Kubernetes {
	k := Kubernetes{Local: c.kubernetes && c.kubeconfig == "", Kubeconfig: c.kubeconfig, Crossplane: c.crossplane}
	if k.Crossplane == noCrossplane {
		k.Crossplane = ""
	}
	return k
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
		Kubernetes: c.cluster(),
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
