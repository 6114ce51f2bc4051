package tftp

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// repeatWindow is longer than any iPXE takes from its start to its own TFTP request.
	repeatWindow = 60 * time.Second
	maxMarks     = 4096
)

// repeats tells iPXE from the firmware that started it, where the LAN's DHCP server can set only
// one bootfile and nobody saw the DHCP exchange: firmware asks for a program once, and the iPXE
// in that program asks for the same one again.
//
// Requests must not be counted: UEFI (EDK2) and PXE ROMs abort their first one on purpose, to
// learn the size. So the mark is set by a transfer that was acknowledged to its last block. It is
// deleted when the script was taken, so that a machine that was merely reset gets the program.
type repeats struct {
	mu    sync.Mutex
	marks map[netip.Addr]mark
}

type mark struct {
	program string
	at      time.Time
}

func newRepeats() *repeats { return &repeats{marks: make(map[netip.Addr]mark)} }

// completed notes that client has got all of program.
func (r *repeats) completed(client netip.Addr, program string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.marks[client]; !ok && len(r.marks) >= maxMarks {
		r.evict(now)
	}
	r.marks[client] = mark{program, now}
}

// evict drops what is too old, or else the oldest.
func (r *repeats) evict(now time.Time) {
	var oldest netip.Addr
	at := now
	for client, m := range r.marks {
		if now.Sub(m.at) > repeatWindow {
			delete(r.marks, client)
		} else if !m.at.After(at) {
			oldest, at = client, m.at
		}
	}
	if len(r.marks) >= maxMarks {
		delete(r.marks, oldest)
	}
}

// isRepeat reports whether client, asking for program now, is the iPXE that it got before. It
// changes nothing: an iPXE that loses the script on the way asks again.
func (r *repeats) isRepeat(client netip.Addr, program string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.marks[client]
	return ok && m.program == program && now.Sub(m.at) <= repeatWindow
}

// scriptServed notes that client has got the script.
func (r *repeats) scriptServed(client netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.marks, client)
}
