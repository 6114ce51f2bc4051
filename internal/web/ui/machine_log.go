package ui

import (
	"time"

	"bty/internal/machine"
	"bty/internal/machinelog"
)

// machineLog is the end of what a machine's live environment logged.
type machineLog struct {
	Text string // "" if it never sent any
	At   time.Time
}

// shownLog is how much of it a page has, in bytes; the file has all.
const shownLog = 16 << 10

func (s surface) logOf(mac machine.MAC) (machineLog, error) {
	text, at, err := s.Logs.Tail(mac, shownLog)
	return machineLog{machinelog.Plain(text), at}, err
}
