// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor times in /proc: 100 a second on every Linux that
// Go runs on.
const tick = 10 * time.Millisecond

// Processor adds up the processor time that a process and its descendants have
// used since they began, by the names of their programs. Unlike a duration it
// hardly grows when the machine is busy with something else.
func Processor(pid int) (map[string]time.Duration, error) {
	pids, err := descendants(pid)
	if err != nil {
		return nil, err
	}
	used := map[string]time.Duration{}
	for _, p := range append(pids, pid) {
		program, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(p), "exe"))
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("program of process %d: %w", p, err)
		}
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), "stat"))
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("processor time of process %d: %w", p, err)
		}
		// After the command: the state, then its time in user mode and in the
		// kernel as the twelfth and thirteenth.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, field := range fields[11:13] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("processor time of process %d: %w", p, err)
			}
			used[filepath.Base(program)] += time.Duration(ticks) * tick
		}
	}
	return used, nil
}
