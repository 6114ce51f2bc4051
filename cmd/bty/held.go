package main

import (
	"io"
	"sync"
)

// held is an output that keeps what is written while the wizard has the screen.
type held struct {
	mu   sync.Mutex
	to   io.Writer // nil: whatever is written is dropped
	held bool
	kept []byte
}

// maxHeld bounds what is kept.
const maxHeld = 64 << 10

func (h *held) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.to == nil:
	case !h.held:
		return h.to.Write(p)
	case len(h.kept)+len(p) <= maxHeld:
		h.kept = append(h.kept, p...)
	}
	return len(p), nil
}

// hold keeps what is written until the returned function is called, which writes it.
func (h *held) hold() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = true
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.held = false
		if h.to != nil {
			_, _ = h.to.Write(h.kept)
		}
		h.kept = nil
	}
}
