// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ByProgram adds up what a process and its descendants have in memory now, by
// the names of their programs.
func ByProgram(pid int) (map[string]uint64, error) {
	pids, err := descendants(pid)
	if err != nil {
		return nil, err
	}
	sums := map[string]uint64{}
	for _, p := range append(pids, pid) {
		name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), "comm"))
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("name of process %d: %w", p, err)
		}
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), "smaps_rollup"))
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("memory of process %d: %w", p, err)
		}
		sums[strings.TrimSpace(string(name))] += kilobytes(text, "Rss:")
	}
	return sums, nil
}
