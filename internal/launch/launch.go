// SPDX-License-Identifier: Apache-2.0

// Package launch starts processes that are to end with this one. It is not for
// watching or stopping them.
package launch

import (
	"os/exec"
	"runtime"
)

// Launcher starts processes from one thread that lives as long as it does.
// Linux ends a child when the thread that started it ends (not only when the
// process does), and Go's own threads may end. It is safe for concurrent use.
type Launcher struct {
	orders chan order
}

type order struct {
	command *exec.Cmd
	result  chan error
}

// New starts the thread.
func New() *Launcher {
	l := &Launcher{orders: make(chan order)}
	go func() {
		runtime.LockOSThread()
		for o := range l.orders {
			o.result <- o.command.Start()
		}
	}()
	return l
}

// Start starts a command; its error is the command's own.
func (l *Launcher) Start(command *exec.Cmd) error {
	o := order{command: command, result: make(chan error, 1)}
	l.orders <- o
	return <-o.result
}

// Close ends the thread. No child may be running any more.
func (l *Launcher) Close() { close(l.orders) }
