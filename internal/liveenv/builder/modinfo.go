package builder

import (
	"bytes"
	"debug/elf"
	"fmt"
	"strings"

	"bty/internal/liveenv/kmod"
)

// modinfo is what a module says about itself in its .modinfo section: all that depmod knows.
type modinfo struct {
	machine   elf.Machine
	aliases   []string
	depends   []string
	pre, post []string // softdep
	weak      []string // weakdep: may be asked for at run time, so it should be there
	firmware  []string
	vermagic  string
}

func readModinfo(image []byte) (modinfo, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return modinfo{}, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return modinfo{}, fmt.Errorf("no .modinfo section: not a kernel module")
	}
	section, err := s.Data()
	if err != nil {
		return modinfo{}, err
	}
	info := parseModinfo(section)
	info.machine = f.Machine
	return info, nil
}

// parseModinfo reads NUL-terminated "key=value" strings; padding may lie between them.
func parseModinfo(section []byte) modinfo {
	var m modinfo
	for entry := range bytes.SplitSeq(section, []byte{0}) {
		key, value, _ := strings.Cut(string(entry), "=")
		switch key {
		case "alias":
			m.aliases = append(m.aliases, value)
		case "depends":
			m.depends = append(m.depends, names(value, ",")...)
		case "weakdep":
			m.weak = append(m.weak, names(value, " ")...)
		case "softdep":
			pre, post := parseSoftdep(value)
			m.pre, m.post = append(m.pre, pre...), append(m.post, post...)
		case "firmware":
			m.firmware = append(m.firmware, value)
		case "vermagic":
			m.vermagic = value
		}
	}
	return m
}

// parseSoftdep reads "pre: a b post: c".
func parseSoftdep(value string) (pre, post []string) {
	var into *[]string
	for _, word := range strings.Fields(value) {
		switch {
		case word == "pre:":
			into = &pre
		case word == "post:":
			into = &post
		case into != nil:
			*into = append(*into, names(word, ",")...)
		}
	}
	return pre, post
}

// names splits a list and normalises it. What cannot be a module's name is left out.
func names(value, sep string) []string {
	var out []string
	for name := range strings.SplitSeq(value, sep) {
		name = kmod.Normalise(strings.TrimSpace(name))
		if name != "" && !strings.ContainsAny(name, " \t\r\n,") {
			out = append(out, name)
		}
	}
	return out
}
