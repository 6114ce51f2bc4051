package machine

// State says for people where the machine is in its cycle; empty for modes without one.
func (m Machine) State() string {
	f := m.Facts
	work, done := "flash", "flashed"
	if m.Intent.Mode == Inventory {
		work, done = "inventory", "inventoried"
	}
	switch {
	case !m.Intent.Mode.Cycles():
		return ""
	case f.Failed:
		return "failed; booting disk until armed"
	case f.Stuck:
		return "stuck; booting disk until armed"
	case f.Completed:
		return done + "; booting disk"
	case f.Armed():
		return "live env running; awaiting " + work
	case m.Intent.Mode == FlashAlways:
		return "ready to flash"
	}
	return "pending " + work
}
