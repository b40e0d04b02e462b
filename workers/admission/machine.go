// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Machine is where the worker runs: its host, or the container that bounds it.
type Machine struct {
	files fs.FS // the root of the file system
}

// ThisMachine is the one that the process runs on.
func ThisMachine() Machine { return NewMachine(os.DirFS("/")) }

// NewMachine reads what a root directory with /proc and /sys says.
func NewMachine(root fs.FS) Machine { return Machine{files: root} }

// Cores that the process may use; the Go runtime has asked the container's
// quota.
func (Machine) Cores() int { return runtime.GOMAXPROCS(0) }

// Memory of the machine or of the tightest control group (version 2) around the
// process, and how much of it is available: what no process uses, and what the
// kernel gives back when it is asked for. The error wraps fs.ErrNotExist where
// the system does not tell (elsewhere than on Linux).
func (m Machine) Memory() (total, available uint64, err error) {
	const kib = 1024
	info, err := m.table("proc/meminfo")
	if err != nil {
		return 0, 0, err
	}
	total, available = info["MemTotal"]*kib, info["MemAvailable"]*kib
	if total == 0 {
		return 0, 0, errors.New("/proc/meminfo does not tell MemTotal")
	}
	groups, err := m.groups()
	if err != nil {
		return 0, 0, err
	}
	for _, group := range groups {
		limit, used, err := m.group(group)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // without a memory controller
		case err != nil:
			return 0, 0, err
		}
		if limit < total {
			total = limit
		}
		available = min(available, limit-min(used, limit))
	}
	return total, available, nil
}

// groups are the directories of the process's control groups, from its own to
// the root.
func (m Machine) groups() ([]string, error) {
	const mount = "sys/fs/cgroup"
	text, err := fs.ReadFile(m.files, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the control group: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		own, unified := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !unified {
			continue
		}
		var groups []string
		for dir := path.Join(mount, own); strings.HasPrefix(dir, mount); dir = path.Dir(dir) {
			groups = append(groups, dir)
		}
		return groups, nil
	}
	return nil, nil
}

// group reads the limit of one control group and what cannot be taken back from
// it. A group without a limit has the largest number.
func (m Machine) group(dir string) (limit, used uint64, err error) {
	text, err := fs.ReadFile(m.files, path.Join(dir, "memory.max"))
	if err != nil {
		return 0, 0, err
	}
	if bytes.Equal(bytes.TrimSpace(text), []byte("max")) {
		return ^uint64(0), 0, nil
	}
	if limit, err = number(text); err != nil {
		return 0, 0, fmt.Errorf("%s/memory.max: %w", dir, err)
	}
	if text, err = fs.ReadFile(m.files, path.Join(dir, "memory.current")); err != nil {
		return 0, 0, err
	}
	if used, err = number(text); err != nil {
		return 0, 0, fmt.Errorf("%s/memory.current: %w", dir, err)
	}
	stat, err := m.table(path.Join(dir, "memory.stat"))
	if err != nil {
		return 0, 0, err
	}
	return limit, used - min(stat["inactive_file"], used), nil
}

// table reads lines of a name and a number.
func (m Machine) table(name string) (map[string]uint64, error) {
	text, err := fs.ReadFile(m.files, name)
	if err != nil {
		return nil, err
	}
	values := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", name, err)
		}
		values[strings.TrimSuffix(fields[0], ":")] = n
	}
	return values, nil
}

func number(text []byte) (uint64, error) {
	return strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
}
