// SPDX-License-Identifier: Apache-2.0

// Package dev runs a whole platform on one machine as child processes: the
// Temporal dev server with its Web UI, nestor-api and nestor-worker; where it is
// asked to, a Kubernetes control plane and an object store, too.
//
// It starts them in order, says when each truly serves, restarts one that
// dies, and stops all of them in reverse order. It holds no server and no
// engine itself, and it is no way to run a platform in production.
package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Options say where a platform lives and on which ports.
type Options struct {
	// DataDir holds everything the platform keeps; it is created when missing.
	DataDir string
	// Ports to listen on; 0 picks a free one.
	Ports Ports
	// Kubernetes says which cluster the engines reach.
	Kubernetes Kubernetes
	// Version of Nestor, for endpoints.json.
	Version string
	// ConfigPath is the CLI's configuration file, which gets the context
	// ContextName. Empty leaves every file alone.
	ConfigPath string
	// Search finds programs.
	Search Search
	// Environ is the environment that the children get, as os.Environ.
	Environ []string
	// Interrupts asks for a stop; a second one stops at once.
	Interrupts <-chan os.Signal
	// StartTimeout bounds the time until everything serves; 0 means a minute,
	// and three with a control plane.
	StartTimeout time.Duration
	// Grace is how long a child may take to stop; 0 means ten seconds.
	Grace time.Duration
}

// ContextName is what the CLI's context for this platform is called.
const ContextName = "dev"

// portTries bounds the starts when free ports are taken before the children
// listen on them.
const portTries = 3

const (
	defaultStartTimeout    = time.Minute
	kubernetesStartTimeout = 3 * time.Minute
	defaultGrace           = 10 * time.Second
)

// Run starts the platform and keeps it up until the context ends or an
// interrupt comes. It returns nil after a stop that was asked for, and an error
// when something could not start; either way no child is left.
func Run(ctx context.Context, o Options, out io.Writer) (err error) {
	if o.StartTimeout == 0 {
		o.StartTimeout = defaultStartTimeout
		if o.Kubernetes.Local {
			o.StartTimeout = kubernetesStartTimeout
		}
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	began := time.Now()
	data, err := openDataDir(o.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.close()) }()

	programs, err := o.Search.all(o.Kubernetes)
	if err != nil {
		return err
	}
	if err := sayEngines(ctx, o.Search, out); err != nil {
		return err
	}
	token, err := data.token()
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		ports, err := o.Ports.reserve(ctx, o.Kubernetes)
		if err != nil {
			return err
		}
		p := newPlatform(o, data, programs, ports, out)
		served, err := p.run(ctx, token, began)
		if err == nil || served || try == portTries || !ports.lost(ctx, o.Ports, o.Kubernetes) {
			return err
		}
	}
}

// sayEngines tells the reader which programs will work on Terraform modules and
// on Pulumi programs, or that none will: a platform without them serves all the
// rest.
func sayEngines(ctx context.Context, search Search, out io.Writer) error {
	line := "Terraform modules need a program that cannot be used: "
	engine, err := search.Engine(ctx)
	if err == nil {
		line = "Terraform modules are run by " + engine
	} else {
		line += err.Error()
	}
	if _, err := fmt.Fprintln(out, line); err != nil {
		return err
	}
	if path, err := search.pulumi(); err == nil {
		_, err = fmt.Fprintln(out, "Pulumi programs are run by "+path)
		return err
	}
	return nil
}

// run starts the platform and keeps it up. It says whether it ever served.
func (p *platform) run(ctx context.Context, token string, began time.Time) (served bool, err error) {
	ctx, release := p.untilInterrupted(ctx)
	defer release()
	if err := p.start(ctx); err != nil {
		return false, p.stopAfter(ctx, err)
	}
	if err := p.announce(token, time.Since(began)); err != nil {
		return true, p.stopAfter(ctx, err)
	}
	<-ctx.Done()
	return true, p.stopAfter(ctx, p.say("Stopping. Once more stops at once."))
}

// announce writes what others need to find the platform, and tells the reader.
func (p *platform) announce(token string, took time.Duration) error {
	endpoints := Endpoints{
		PID:             os.Getpid(),
		Version:         p.options.Version,
		DataDir:         p.data.path,
		API:             fmt.Sprintf("http://127.0.0.1:%d", p.ports.API),
		TemporalAddress: fmt.Sprintf("127.0.0.1:%d", p.ports.Temporal),
		TemporalUI:      fmt.Sprintf("http://127.0.0.1:%d", p.ports.UI),
		Tokens:          p.data.file(tokensFile),
		Logs:            p.data.file(logsDir),
		Kubernetes:      p.cluster.endpoints(),
		MinIO:           p.cluster.minioEndpoints(),
	}
	current, err := writeContext(p.options.ConfigPath, endpoints.API, endpoints.TemporalUI, token)
	if err != nil {
		return err
	}
	if err := p.data.writeEndpoints(endpoints); err != nil {
		return err
	}
	lines := []string{
		fmt.Sprintf("Ready after %.1f s.", took.Seconds()),
		"  API              " + endpoints.API,
		"  API reference    " + endpoints.API + "/docs",
		"  Temporal Web UI  " + endpoints.TemporalUI,
		"  Temporal         " + endpoints.TemporalAddress,
		"  Data             " + endpoints.DataDir,
	}
	lines = append(lines, p.cluster.lines()...)
	switch {
	case p.options.ConfigPath == "":
	case current == ContextName:
		lines = append(lines, "  Context          "+ContextName)
	default:
		lines = append(lines, fmt.Sprintf("  Context          %s is current; use --context %s for this platform", current, ContextName))
	}
	for _, line := range append(lines, "Ctrl-C stops everything.") {
		if err := p.say(line); err != nil {
			return err
		}
	}
	return nil
}
