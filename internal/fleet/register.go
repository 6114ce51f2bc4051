package fleet

import (
	"slices"
	"strings"
	"sync"
	"time"

	"bty/internal/machine"
)

// Registration says whose DHCP request makes a machine known. The zero Registration is nobody's.
type Registration struct {
	Netboot     bool     // who boots from the network
	All         bool     // who asks for an address
	Allow, Deny []string // MACs, or how they begin; no Allow allows all
	PerMinute   int      // machines at most
}

// wants reports whether a machine that is not known is to be.
func (r Registration) wants(s Sighted) bool {
	return (r.All || r.Netboot && s.IsNetboot()) && !begins(s.MAC, r.Deny) && (len(r.Allow) == 0 || begins(s.MAC, r.Allow))
}

func begins(mac machine.MAC, with []string) bool {
	return slices.ContainsFunc(with, func(b string) bool {
		return strings.HasPrefix(mac.String(), strings.ReplaceAll(strings.ToLower(b), "-", ":"))
	})
}

// admission bounds how many machines DHCP makes known in a minute: anybody on the LAN can make up
// MACs. It is safe for concurrent use.
type admission struct {
	mu       sync.Mutex
	since    time.Time
	admitted int
}

func (a *admission) admit(limit int, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if age := now.Sub(a.since); age >= time.Minute || age < 0 {
		a.since, a.admitted = now, 0
	}
	if a.admitted >= limit {
		return false
	}
	a.admitted++
	return true
}
