// SPDX-License-Identifier: Apache-2.0

package testkube

import "syscall"

// dieWithParent ends a child when the test binary is killed.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
