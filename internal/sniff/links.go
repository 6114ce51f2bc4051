package sniff

import (
	"fmt"
	"net"
	"path"
	"strings"
	"time"
)

// Patterns choose links by name: "eth*, br0" takes those, "!veth*" leaves some out, and where
// nothing is taken all are.
type Patterns struct{ take, leave []string }

// ParsePatterns reads globs with commas between.
func ParsePatterns(s string) (p Patterns, err error) {
	for one := range strings.SplitSeq(s, ",") {
		one = strings.TrimSpace(one)
		glob, isLeft := strings.CutPrefix(one, "!")
		if _, err := path.Match(glob, ""); err != nil {
			return p, fmt.Errorf("%q is no glob: %w", one, err)
		}
		switch {
		case glob == "":
		case isLeft:
			p.leave = append(p.leave, glob)
		default:
			p.take = append(p.take, glob)
		}
	}
	return p, nil
}

// Match reports whether a link is chosen.
func (p Patterns) Match(name string) bool {
	return !matches(p.leave, name) && (len(p.take) == 0 || matches(p.take, name))
}

func matches(globs []string, name string) bool {
	for _, g := range globs {
		if ok, err := path.Match(g, name); ok && err == nil {
			return true
		}
	}
	return false
}

const (
	linkAge  = 10 * time.Second // links are renamed, and their numbers used again
	maxLinks = 1024
)

// link is what is known of one.
type link struct {
	name   string
	mac    net.HardwareAddr
	chosen bool
	asked  time.Time
}

// links knows the names of links.
type links struct {
	patterns Patterns
	ask      func(index int) (string, net.HardwareAddr, error)
	byIndex  map[int]link
}

// at is the link with this number. One that has gone since its packet came has no name, and is chosen
// as if it had none.
func (l *links) at(index int, now time.Time) link {
	known, ok := l.byIndex[index]
	if ok && now.Sub(known.asked) < linkAge {
		return known
	}
	name, mac, err := l.ask(index)
	if err != nil {
		name = fmt.Sprintf("#%d", index)
	}
	if len(l.byIndex) >= maxLinks {
		clear(l.byIndex)
	}
	known = link{name: name, mac: mac, chosen: l.patterns.Match(name), asked: now}
	l.byIndex[index] = known
	return known
}
