// SPDX-License-Identifier: Apache-2.0

package site

import "syscall"

// attributes put a child into a group of its own, so that a terminal's Ctrl-C
// reaches the harness alone, and end it when the harness is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
