// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// groupHolds says whether a process of the group has the file open.
func groupHolds(group int, path string) (bool, error) {
	want, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	all, err := os.ReadDir("/proc")
	if err != nil {
		return false, err
	}
	for _, p := range all {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if of, err := syscall.Getpgid(pid); err != nil || of != group {
			continue
		}
		open, err := filepath.Glob(filepath.Join("/proc", p.Name(), "fd", "*"))
		if err != nil {
			return false, err
		}
		for _, fd := range open {
			if have, err := os.Stat(fd); err == nil && os.SameFile(have, want) {
				return true, nil
			}
		}
	}
	return false, nil
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
