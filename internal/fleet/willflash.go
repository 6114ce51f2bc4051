package fleet

import "bty/internal/machine"

// WillFlash reports whether a machine as it stands in a state, under its rules, writes a disk once
// it boots from the network: what somebody who brings an old state back must know.
func WillFlash(tx Tx, m machine.Machine) (bool, error) {
	m, err := settled(tx, m)
	return err == nil && Flashes(m), err
}

// Flashes is WillFlash of a machine that has been settled.
func Flashes(m machine.Machine) bool {
	isDone := m.Intent.Mode == machine.FlashOnce && m.Facts.Completed
	return m.Intent.Mode.Flashes() && !m.Intent.Image.IsZero() && !m.Facts.Halted() && !isDone
}
