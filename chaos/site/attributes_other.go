// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package site

import "syscall"

// attributes put a child into a group of its own, so that a terminal's Ctrl-C
// reaches the harness alone.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
