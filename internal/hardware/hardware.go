// Package hardware describes the machine it runs on: firmware, board, processors, memory and
// NICs, in the shape of `lshw -json`, which the server stores and shows. It reads /sys, /proc and
// the firmware's DMI tables itself, for the live environment has no lshw.
//
// A source that is missing or broken leaves its part out; describing hardware never fails.
package hardware

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
)

// Source is where the facts come from: the roots of /sys and /proc.
type Source struct {
	Sys, Proc fs.FS
}

// Host is the machine this process runs on.
func Host() Source {
	return Source{Sys: os.DirFS("/sys"), Proc: os.DirFS("/proc")}
}

// Bounds on what is read: a file of /sys has a page, a DMI table at most 64 KiB before SMBIOS 3
// and little more since; /proc/cpuinfo has about 1.5 KiB per thread.
const (
	maxAttr    = 4 << 10
	maxTable   = 1 << 20
	maxCPUInfo = 4 << 20
)

// Describe reads the machine's hardware as a tree with the machine itself at its root.
func (s Source) Describe() Node {
	table := s.dmi()
	root := s.system(table)
	core := s.board(table)
	core.add(s.firmware(table)...)
	core.add(s.memory(table))
	core.add(s.processors(table)...)
	core.add(s.networks()...)
	root.add(core)
	return root
}

// JSON is Describe as `lshw -json` would print it.
func (s Source) JSON() (json.RawMessage, error) {
	return json.Marshal(s.Describe())
}

// readFile reads at most limit bytes of a file; ok is false if it cannot be read.
func readFile(fsys fs.FS, name string, limit int64) (data []byte, ok bool) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, limit))
	return data, err == nil
}

// attr reads one attribute of /sys as text, "" if it is not there.
func (s Source) attr(name string) string {
	data, _ := readFile(s.Sys, name, maxAttr)
	return tidy(string(data))
}
