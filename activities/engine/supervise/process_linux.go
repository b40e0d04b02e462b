// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// bootID names this boot of this kernel.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// startTime of a process in clock ticks since boot: with the boot id it tells
// a process from a later one with the same pid.
func startTime(pid int) (string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	// The second field is the command in parentheses and may hold anything.
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	const fieldStartTime = 22 - 3 // proc(5) counts from 1; two fields are cut off
	if end < 0 || len(fields) <= fieldStartTime {
		return "", fmt.Errorf("process %d: unexpected stat line", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", os.ErrNotExist // dead, only not collected yet
	}
	return fields[fieldStartTime], nil
}
