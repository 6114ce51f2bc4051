package disk

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mount is one line of mountinfo, as far as it matters here.
type mount struct {
	dev    string // "8:1"; of a multi-device file system it is a made-up number
	source string // "/dev/sda1"
	point  string
}

// usage is what the kernel says about mounts and swap.
type usage struct {
	mounts []mount
	swaps  []string // paths
}

func (h Host) uses() usage {
	var u usage
	if f, err := os.Open(filepath.Join(h.Proc, "self/mountinfo")); err == nil {
		u.mounts = parseMountinfo(f)
		f.Close()
	}
	if f, err := os.Open(filepath.Join(h.Proc, "swaps")); err == nil {
		u.swaps = parseSwaps(f)
		f.Close()
	}
	return u
}

// parseMountinfo reads /proc/self/mountinfo (proc(5)); a line that it does not understand is
// passed over.
func parseMountinfo(r io.Reader) []mount {
	var mounts []mount
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if !ok || len(head) < 5 || len(tail) < 2 {
			continue
		}
		mounts = append(mounts, mount{dev: head[2], point: unescape(head[4]), source: unescape(tail[1])})
	}
	return mounts
}

// parseSwaps reads /proc/swaps: a heading, then a path and more per line.
func parseSwaps(r io.Reader) []string {
	var paths []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 1 && strings.HasPrefix(f[0], "/") {
			paths = append(paths, unescape(f[0]))
		}
	}
	return paths
}

// unescape undoes the kernel's octal escapes of blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// usesOf gathers what the disk, its partitions and all that is built on them are used for.
func (h Host) usesOf(d Device, u usage) []Use {
	uses := h.usesOfNode(d.Name, d.Name, u, 0)
	for _, p := range d.Partitions {
		uses = append(uses, h.usesOfNode(p.Name, filepath.Join(d.Name, p.Name), u, 0)...)
	}
	return uses
}

// maxStack bounds how deep devices are followed that are built on others.
const maxStack = 8

func (h Host) usesOfNode(node, dir string, u usage, depth int) []Use {
	var uses []Use
	dev := h.attr(dir, "dev")
	for _, m := range u.mounts {
		if m.dev == dev && dev != "" || m.source == filepath.Join(h.Dev, node) {
			uses = append(uses, Use{node, "mounted on " + m.point})
		}
	}
	for _, path := range u.swaps {
		if filepath.Base(path) == node {
			uses = append(uses, Use{node, "swap"})
		}
	}
	holders, err := os.ReadDir(filepath.Join(h.Sys, "block", dir, "holders"))
	if err != nil || depth == maxStack {
		return uses
	}
	for _, e := range holders {
		what := "held by " + e.Name()
		if name := h.attr(e.Name(), "dm", "name"); name != "" {
			what += " (" + name + ")"
		}
		uses = append(uses, Use{node, what})
		uses = append(uses, h.usesOfNode(e.Name(), e.Name(), u, depth+1)...)
	}
	return uses
}
