// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package dev

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked by another process")

// tryLock refuses: `nestor dev` relies on signals and locks of Unix.
func tryLock(*os.File) error {
	return errors.New("nestor dev runs on Linux and macOS; use a Linux environment of this system")
}

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func killGroup(p *os.Process) error { return p.Kill() }
