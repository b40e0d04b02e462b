// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Below finds the processes that work in a directory below dir, among them
// those whose parent has died.
func Below(dir string) ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		at, err := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd"))
		if away(err) || err == nil && !strings.HasPrefix(at, dir+string(filepath.Separator)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		name, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "comm"))
		if away(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, Process{PID: pid, Name: string(bytes.TrimSpace(name))})
	}
	return found, nil
}

// away says that a process has ended, or is somebody else's.
func away(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ESRCH)
}
