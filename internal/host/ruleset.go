package host

import (
	"slices"

	"bty/internal/doctor"
)

// ruleset is a packet filter as chains of rules, as far as it is understood.
type ruleset struct {
	base   []string // chains that see what comes in for this host, in their order
	chains map[string]*chain
}

type chain struct {
	policy verdict // of a base chain
	rules  []rule
}

// rule is what a packet must be, and what happens to it then.
type rule struct {
	when func(Door) match
	does verdict
	to   string // chain of a jump
}

type verdict int

const (
	next verdict = iota // the rule ends nothing
	accept
	drop
	jump
	back
	unsure
)

// match is whether a rule is for a packet: that may depend on more than its port.
type match int

const (
	no     match = iota
	rarely       // for some sources: what such a rule drops is not the LAN
	maybe
	yes
)

// maxDepth bounds jumps from chain to chain, as the kernel does.
const maxDepth = 16

// judge says what becomes of new connections to doors.
func (s ruleset) judge(w doctor.Firewall, doors []Door) doctor.Firewall {
	for _, d := range doors {
		switch s.fate(d) {
		case drop:
			w.Blocked = append(w.Blocked, d.String())
		case unsure:
			w.Unsure = append(w.Unsure, d.String())
		case next, accept, jump, back:
		}
	}
	return w
}

// fate is what all base chains make of it: each of them can drop it.
func (s ruleset) fate(d Door) verdict {
	fate := accept
	for _, name := range s.base {
		switch v := s.walk(name, d, 0); {
		case v == drop || v != accept && v != unsure && s.chains[name].policy == drop:
			return drop
		case v == unsure:
			fate = unsure
		}
	}
	return fate
}

// walk follows a packet through a chain. After a rule that may have accepted it, a drop is unsure;
// after one that may have dropped it, so is everything.
func (s ruleset) walk(name string, d Door, depth int) verdict {
	c := s.chains[name]
	if c == nil || depth > maxDepth {
		return unsure
	}
	mayAccept, mayDrop := false, false
	for _, r := range c.rules {
		m := r.when(d)
		if m == no {
			continue
		}
		v := r.does
		if v == jump {
			v = s.walk(r.to, d, depth+1)
		}
		if v == back {
			if m == yes {
				break
			}
			continue
		}
		if v == next {
			continue
		}
		if m == rarely && v == drop {
			continue
		}
		if m != yes {
			mayAccept, mayDrop = mayAccept || v == accept || v == unsure, mayDrop || v == drop || v == unsure
			continue
		}
		return settle(v, mayAccept, mayDrop)
	}
	if depth == 0 && c.policy != next {
		return settle(c.policy, mayAccept, mayDrop)
	}
	if mayAccept || mayDrop {
		return unsure
	}
	return next
}

func settle(v verdict, mayAccept, mayDrop bool) verdict {
	if v == drop && mayAccept || v == accept && mayDrop {
		return unsure
	}
	return v
}

// ports are numbers and ranges of them.
type ports [][2]int

func (p ports) has(n int) bool {
	return slices.ContainsFunc(p, func(r [2]int) bool { return r[0] <= n && n <= r[1] })
}

func truth(b bool) match {
	if b {
		return yes
	}
	return no
}

// all holds if every part does.
func all(parts []func(Door) match) func(Door) match {
	return func(d Door) match {
		least := yes
		for _, p := range parts {
			least = min(least, p(d))
		}
		return least
	}
}

func not(p func(Door) match) func(Door) match {
	return func(d Door) match {
		switch p(d) {
		case yes:
			return no
		case no:
			return yes
		default:
			return maybe
		}
	}
}

func perhaps(Door) match { return maybe }

func seldom(Door) match { return rarely }
