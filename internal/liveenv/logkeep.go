package liveenv

import (
	"bytes"
	"fmt"
	"sync"
)

// keepBound is how much of the log waits for the server: what it keeps itself.
const keepBound = 256 << 10

// logkeep keeps the newest of the log until the server has it. Writing to it never waits.
type logkeep struct {
	mu    sync.Mutex
	lines [][]byte // whole lines, with the time in front
	bytes int
	lost  int // lines that gave way since the last piece
}

// Write takes whole lines.
func (k *logkeep) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for line := range bytes.Lines(p) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 {
			k.add(fmt.Appendf(nil, "[%9.3f] %s\n", sinceBoot().Seconds(), line[:min(len(line), 4<<10)]))
		}
	}
	return len(p), nil
}

func (k *logkeep) add(line []byte) {
	k.lines = append(k.lines, line)
	k.bytes += len(line)
	for k.bytes > keepBound {
		k.drop(1)
		k.lost++
	}
}

// drop forgets the oldest n lines.
func (k *logkeep) drop(n int) {
	for _, line := range k.lines[:n] {
		k.bytes -= len(line)
	}
	k.lines = append([][]byte(nil), k.lines[n:]...)
}

// piece is the oldest of what waits, at most limit bytes of it. sent forgets what was in it, once
// the server has it; lines that have given way meanwhile are not counted twice.
func (k *logkeep) piece(limit int) (piece []byte, sent func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lost > 0 {
		piece = fmt.Appendf(nil, "[%9.3f] bty: %d lines are missing here: the server could not be reached\n", sinceBoot().Seconds(), k.lost)
	}
	n := 0
	for ; n < len(k.lines) && len(piece)+len(k.lines[n]) <= limit; n++ {
		piece = append(piece, k.lines[n]...)
	}
	lost := k.lost
	return piece, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		gone := k.lost - lost // of those that were in the piece, while it was on its way
		k.drop(max(0, min(n-gone, len(k.lines))))
		k.lost = max(0, gone-n)
	}
}
