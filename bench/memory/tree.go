// SPDX-License-Identifier: Apache-2.0

// Package memory samples what a process and everything it started take: memory,
// and processor time. Linux only.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage of a process and all its descendants.
type Usage struct {
	// Resident is the sum of what each has in memory: pages that processes
	// share count once for each of them.
	Resident uint64
	// Proportional counts shared pages once.
	Proportional uint64
	Processes    int
}

// max takes the larger value of each kind.
func (u *Usage) max(v Usage) {
	u.Resident = max(u.Resident, v.Resident)
	u.Proportional = max(u.Proportional, v.Proportional)
	u.Processes = max(u.Processes, v.Processes)
}

// interval between two samples.
const interval = 25 * time.Millisecond

// Peak samples a process and its descendants until the context ends, and returns
// the largest values.
func Peak(ctx context.Context, pid int) (Usage, error) {
	var peak Usage
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		now, err := Sample(pid)
		if err != nil {
			return peak, err
		}
		peak.max(now)
		select {
		case <-ctx.Done():
			return peak, nil
		case <-ticker.C:
		}
	}
}

// Sample adds up what a process and its descendants take now.
func Sample(pid int) (Usage, error) {
	pids, err := descendants(pid)
	if err != nil {
		return Usage{}, err
	}
	var sum Usage
	for _, p := range append(pids, pid) {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), "smaps_rollup"))
		if gone(err) {
			continue
		}
		if err != nil {
			return Usage{}, fmt.Errorf("memory of process %d: %w", p, err)
		}
		sum.Processes++
		sum.Resident += kilobytes(text, "Rss:")
		sum.Proportional += kilobytes(text, "Pss:")
	}
	return sum, nil
}

// descendants of a process.
func descendants(root int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// The command, in parentheses, may hold anything; the state and the
		// parent follow.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("parent of process %d: %w", pid, err)
		}
		children[parent] = append(children[parent], pid)
	}
	found := append([]int{}, children[root]...)
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found, nil
}

// gone says that a process ended while it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// kilobytes of a line such as "Rss:   1234 kB", in bytes.
func kilobytes(text []byte, name string) uint64 {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != name {
			continue
		}
		if n, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
			return n << 10
		}
	}
	return 0
}
