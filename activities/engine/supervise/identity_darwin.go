// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bootID names this boot of this kernel.
func bootID() (string, error) {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return id, nil
}

// pidNamespace is the only one there is.
func pidNamespace() (string, error) { return "all", nil }

// machineID names this machine beyond a boot; empty where that is not known.
func machineID(string) string {
	id, err := unix.Sysctl("kern.uuid")
	if err != nil {
		return ""
	}
	return id
}
