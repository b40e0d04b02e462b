// SPDX-License-Identifier: Apache-2.0

package dev

import "syscall"

// childAttributes put a child into its own process group, so that a terminal's
// Ctrl-C reaches only us, and have the kernel stop it when we are killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
