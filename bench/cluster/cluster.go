// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a Kubernetes control plane for measurements: the programs
// of bin/, in a directory of its own, as internal/localkube knows.
package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/internal/localkube"
)

const (
	patience = 2 * time.Minute
	poll     = 20 * time.Millisecond
)

// Cluster is a running control plane.
type Cluster struct {
	// Kubeconfig is the administrator's, and Path the file that holds it.
	Kubeconfig []byte
	Path       string

	dir, bin string
	mu       sync.Mutex
	running  []*process
}

// process is one running part.
type process struct {
	command *exec.Cmd
	log     string
	ended   chan struct{} // closed when it is gone; then err holds
	err     error
}

// Start runs a control plane below dir. crossplane is localkube.CrossplaneV1,
// localkube.CrossplaneV2, or empty for none.
func Start(ctx context.Context, bin, dir, crossplane string) (c *Cluster, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not ready after %s", patience))
	defer cancel()
	options := localkube.Options{Dir: dir, Crossplane: crossplane, CRDs: filepath.Join(bin, "crds"), Volatile: true}
	if err := freePorts(ctx, options.Ports.Used(options)); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	plane, err := localkube.New(options)
	if err != nil {
		return nil, err
	}
	c = &Cluster{dir: dir, bin: bin, Path: plane.KubeconfigPath()}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	for _, stage := range plane.Stages() {
		if err := c.up(ctx, stage); err != nil {
			return c, err
		}
	}
	c.Kubeconfig, err = plane.Kubeconfig()
	return c, err
}

// REST is the administrator's configuration for a client, not slowed down.
func (c *Cluster) REST() (*rest.Config, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 1000, 1000
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// Stop kills every process, the last started first: nothing here is worth a
// slow end.
func (c *Cluster) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, p := range slices.Backward(c.running) {
		if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, fmt.Errorf("kill %s: %w", filepath.Base(p.command.Path), err))
			continue
		}
		<-p.ended
	}
	c.running = nil
	return errors.Join(errs...)
}

// up starts the parts of a stage together and waits until all of them serve.
func (c *Cluster) up(ctx context.Context, stage []localkube.Part) error {
	errs := make([]error, len(stage))
	var wait sync.WaitGroup
	for i, part := range stage {
		wait.Go(func() { errs[i] = c.upOne(ctx, part) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) upOne(ctx context.Context, part localkube.Part) error {
	if part.Prepare != nil {
		if err := part.Prepare(ctx); err != nil {
			return fmt.Errorf("prepare %s: %w", part.Name, err)
		}
	}
	p, err := c.launch(part)
	if err != nil {
		return fmt.Errorf("start %s: %w", part.Name, err)
	}
	for {
		answer := part.Ready(ctx)
		if answer == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended (%w): %s", part.Name, p.err, p.lastLines())
		default:
		}
		if err := remote.Wait(ctx, poll); err != nil {
			return fmt.Errorf("%s: %w: %w: %s", part.Name, context.Cause(ctx), answer, p.lastLines())
		}
	}
}

func (c *Cluster) launch(part localkube.Part) (*process, error) {
	p := &process{log: filepath.Join(c.dir, part.Name+".log"), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	p.command = exec.Command(filepath.Join(c.bin, part.Program), part.Args...) //nolint:gosec,noctx // the repository's own program; Stop ends it
	p.command.Env, p.command.Dir = append(os.Environ(), part.Env...), c.dir
	p.command.Stdout, p.command.Stderr = log, log
	if err := errors.Join(p.command.Start(), log.Close()); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = append(c.running, p)
	return p, nil
}

func (p *process) lastLines() []byte {
	const enough = 2000
	said, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	said = bytes.TrimSpace(said)
	return said[max(len(said)-enough, 0):]
}

// freePorts sets each port to a free one. All are held until all are known, so
// that no two get the same.
func freePorts(ctx context.Context, ports []localkube.Port) error {
	var listen net.ListenConfig
	for _, port := range ports {
		listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port for %s: %w", port.What, err)
		}
		defer listener.Close() //nolint:errcheck // nothing was ever accepted on it
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return fmt.Errorf("%v is no TCP address", listener.Addr())
		}
		*port.Number = address.Port
	}
	return nil
}
