// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/HatiCode/nestor/internal/launch"
)

const (
	// soon is the pause before a part that has just begun is started again.
	soon = 200 * time.Millisecond
	// young is a part that has just begun.
	young = 500 * time.Millisecond
	// stopPatience bounds a clean stop.
	stopPatience = 20 * time.Second
)

// Part is one program that is started again, at once, whenever it ends, as any
// supervisor does.
type Part struct {
	Name string

	path     string
	args     []string
	env      []string
	dir      string
	log      string
	launcher *launch.Launcher

	mu       sync.Mutex
	current  *exec.Cmd
	stopping bool
	starts   int
	ended    chan struct{} // closed when the part is not started any more
	err      error
}

// start starts the part and keeps it running until stop.
func (p *Part) start() error {
	p.ended = make(chan struct{})
	command, err := p.launch()
	if err != nil {
		return err
	}
	go p.keep(command)
	return nil
}

func (p *Part) launch() (*exec.Cmd, error) {
	log, err := os.OpenFile(filepath.Clean(p.log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", p.Name, err)
	}
	command := exec.Command(p.path, p.args...) //nolint:gosec,noctx // one of our own programs; stop ends it
	command.Env, command.Dir = p.env, p.dir
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = attributes()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return nil, log.Close()
	}
	if err := errors.Join(p.launcher.Start(command), log.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.current = command
	p.starts++
	return command, nil
}

// keep waits for the part's end and starts it again.
func (p *Part) keep(command *exec.Cmd) {
	defer close(p.ended)
	for command != nil {
		began := time.Now()
		_ = command.Wait() // how it ended is in its log
		p.mu.Lock()
		p.current = nil
		p.mu.Unlock()
		if time.Since(began) < young {
			<-time.After(soon)
		}
		if command, p.err = p.launch(); p.err != nil {
			return
		}
	}
}

// PID of the running process; 0 for the moment in which there is none.
func (p *Part) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return 0
	}
	return p.current.Process.Pid
}

// Starts counts how often the part was started.
func (p *Part) Starts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// stop ends the part cleanly, or with SIGKILL when that takes too long.
func (p *Part) stop() error {
	if p.ended == nil {
		return nil // it never started
	}
	p.mu.Lock()
	p.stopping = true
	current := p.current
	p.mu.Unlock()
	if current != nil {
		if err := current.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop %s: %w", p.Name, err)
		}
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(stopPatience):
	}
	err := fmt.Errorf("%s did not stop within %s and was killed; its log: %s", p.Name, stopPatience, p.log)
	if current != nil {
		err = errors.Join(err, current.Process.Kill())
	}
	<-p.ended
	return err
}

// until asks again and again until there is no error or the context ends.
func until(ctx context.Context, what string, check func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := check(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}
