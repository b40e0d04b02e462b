// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
	"strings"
)

// firstPIDNamespace is that of the machine itself; containers have others.
const firstPIDNamespace = "pid:[4026531836]"

// bootID names this boot of this kernel.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// pidNamespace names the processes that can be seen from here. Its number is
// this boot's only.
func pidNamespace() (string, error) {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "", fmt.Errorf("read pid namespace: %w", err)
	}
	return name, nil
}

// machineID names this machine beyond a boot; empty where that is not known. A
// container's file is of its image, which others on other machines run, too.
func machineID(namespace string) string {
	if namespace != firstPIDNamespace {
		return ""
	}
	text, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(text))
	if id == "uninitialized" {
		return ""
	}
	return id
}
