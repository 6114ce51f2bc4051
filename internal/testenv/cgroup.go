package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Cgroups makes a control group that is named like the LAN in the unified hierarchy, and in the one
// that systemd has to itself on hosts with both kinds: processes that are moved there end with the
// LAN, and two LANs with a systemd in them stay apart.
func (l *LAN) Cgroups() ([]string, error) {
	tops, err := cgroupTops("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, top := range tops {
		group := filepath.Join(top, l.Name)
		if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("making a control group: %w; a container needs /sys/fs/cgroup writable", err)
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// cgroupTops are the mount points of the hierarchies that systemd uses, proc_pid_mountinfo(5).
func cgroupTops(mountinfo string) ([]string, error) {
	text, err := os.ReadFile(mountinfo)
	if err != nil {
		return nil, err
	}
	var tops []string
	unified := false
	for line := range strings.Lines(string(text)) {
		mount, kind, ok := strings.Cut(strings.TrimSpace(line), " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 5 {
			continue
		}
		isUnified := strings.HasPrefix(kind, "cgroup2 ")
		if isUnified || strings.HasPrefix(kind, "cgroup ") && strings.Contains(kind, "name=systemd") {
			tops, unified = append(tops, fields[4]), unified || isUnified
		}
	}
	if !unified {
		return nil, errors.New("no unified control group hierarchy is mounted; as root: mount -t cgroup2 none /sys/fs/cgroup")
	}
	return tops, nil
}

// removeCgroups kills what is in the groups of that name and removes them with all below them.
func removeCgroups(name string) error {
	tops, err := cgroupTops("/proc/self/mountinfo")
	if err != nil {
		return nil // then nobody has made one
	}
	var errs []error
	for _, top := range tops {
		group := filepath.Join(top, name)
		if kill := filepath.Join(group, "cgroup.kill"); exists(kill) {
			errs = append(errs, os.WriteFile(kill, []byte("1"), 0))
		}
	}
	for _, top := range tops {
		errs = append(errs, removeTree(filepath.Join(top, name)))
	}
	return errors.Join(errs...)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// removeTree removes a group as soon as what was killed in it has ended.
func removeTree(group string) error {
	var err error
	for range 250 {
		if err = removeDirs(group); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("removing a control group: %w", err)
}

// removeDirs removes folders only: the files in a control group cannot be removed.
func removeDirs(group string) error {
	var dirs []string
	err := filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
