package testenv

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Three kinds of hosts: both hierarchies, the unified one alone, the old ones alone.
func TestCgroupTops(t *testing.T) {
	const (
		unified = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
		named   = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,xattr,name=systemd\n"
		memory  = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	)
	for text, want := range map[string][]string{
		memory + named + unified: {"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"},
		unified:                  {"/sys/fs/cgroup/unified"},
		memory + named:           nil,
		"":                       nil,
	} {
		file := filepath.Join(t.TempDir(), "mountinfo")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := cgroupTops(file)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}
