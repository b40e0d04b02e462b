// SPDX-License-Identifier: Apache-2.0

package site

import (
	"os/exec"
	"runtime"
)

// launcher starts processes from one thread that lives as long as it does:
// Linux ends a child with the thread that started it.
type launcher struct{ orders chan order }

type order struct {
	command *exec.Cmd
	result  chan error
}

func newLauncher() *launcher {
	l := &launcher{orders: make(chan order)}
	go func() {
		runtime.LockOSThread()
		for o := range l.orders {
			o.result <- o.command.Start()
		}
	}()
	return l
}

func (l *launcher) start(command *exec.Cmd) error {
	o := order{command: command, result: make(chan error, 1)}
	l.orders <- o
	return <-o.result
}

// close ends the thread. No child may be running any more.
func (l *launcher) close() { close(l.orders) }
