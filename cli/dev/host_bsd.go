// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package dev

import "syscall"

// childAttributes put a child into its own process group, so that a terminal's
// Ctrl-C reaches only us. These systems cannot stop a child when its parent is
// killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
