package tftp

import (
	"fmt"
	"net/netip"
	"sync"
)

// slots bounds the transfers that run at one time, in all and per client.
type slots struct {
	mu        sync.Mutex
	all, each int
	total     int
	clients   map[netip.Addr]int // only those above zero, so at most all
}

func newSlots(all, each int) *slots {
	return &slots{all: all, each: each, clients: make(map[netip.Addr]int)}
}

// take returns the function that gives the slot back, or an error for the client.
func (s *slots) take(client netip.Addr) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= s.all {
		return nil, fmt.Errorf("busy: %d transfers are running; try again in a few seconds", s.total)
	}
	if n := s.clients[client]; n >= s.each {
		return nil, fmt.Errorf("busy: %d transfers to your address are running; try again in a few seconds", n)
	}
	s.total++
	s.clients[client]++
	return func() { s.release(client) }, nil
}

func (s *slots) release(client netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.clients[client]--; s.clients[client] <= 0 {
		delete(s.clients, client)
	}
}

func (s *slots) used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
