// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/HatiCode/nestor/workers/admission"
)

// host is a machine of 8 GiB, of which 6 are available, and what is in a group.
func host(files map[string]string) fs.FS {
	all := fstest.MapFS{
		"proc/meminfo": {Data: []byte("MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable:  6291456 kB\nHugePages_Total: 0\n")},
	}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

func TestMemory(t *testing.T) {
	t.Parallel()
	const group = "sys/fs/cgroup/pod/container/"
	tests := map[string]struct {
		reason           string
		files            map[string]string
		total, available uint64
		fails            bool
	}{
		"host":      {"without a group, the host's", nil, 8 * gib, 6 * gib, false},
		"unlimited": {"a group without a limit does not matter", map[string]string{"proc/self/cgroup": "0::/pod\n", "sys/fs/cgroup/pod/memory.max": "max\n"}, 8 * gib, 6 * gib, false},
		"old": {"groups of version 1 are not asked", map[string]string{
			"proc/self/cgroup": "4:memory:/pod\n0::/\n", "sys/fs/cgroup/memory/pod/memory.limit_in_bytes": "1\n",
		}, 8 * gib, 6 * gib, false},
		"container": {"its own limit, and the page cache counts as free", map[string]string{
			"proc/self/cgroup":   "0::/pod/container\n",
			group + "memory.max": "2147483648\n", group + "memory.current": "1610612736\n", group + "memory.stat": "anon 1\ninactive_file 536870912\n",
		}, 2 * gib, gib, false},
		"namespace": {"in a container the group is often the root", map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "1073741824\n", "sys/fs/cgroup/memory.current": "0\n", "sys/fs/cgroup/memory.stat": "inactive_file 0\n",
		}, gib, gib, false},
		"pod": {"the tightest group around it counts", map[string]string{
			"proc/self/cgroup": "0::/pod/container\n", group + "memory.max": "max\n",
			"sys/fs/cgroup/pod/memory.max": "1073741824\n", "sys/fs/cgroup/pod/memory.current": "2147483648\n", "sys/fs/cgroup/pod/memory.stat": "inactive_file 0\n",
		}, gib, 0, false},
		"busy host": {"a limit above what the host has left promises nothing", map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "8053063680\n", "sys/fs/cgroup/memory.current": "0\n", "sys/fs/cgroup/memory.stat": "inactive_file 0\n",
		}, 8053063680, 6 * gib, false},
		"garbled": {"an unexpected text is an error", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "lots\n"}, 0, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			total, available, err := admission.NewMachine(host(test.files)).Memory()
			if total != test.total || available != test.available || (err != nil) != test.fails {
				t.Errorf("%s: %d of %d, %v; want %d of %d", test.reason, available, total, err, test.available, test.total)
			}
		})
	}
	t.Run("elsewhere", func(t *testing.T) {
		t.Parallel()
		if _, _, err := admission.NewMachine(fstest.MapFS{}).Memory(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a system that does not tell: %v", err)
		}
	})
}
