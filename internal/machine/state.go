package machine

// Phase is where the machine is in its cycle, as lists and filters name it.
type Phase string

const (
	NoCycle Phase = ""        // a mode without a cycle
	Pending Phase = "pending" // armed, and not started yet
	Running Phase = "running" // the live environment was started
	Failed  Phase = "failed"
	Stuck   Phase = "stuck"
	Done    Phase = "done"
)

// Phases lists those that a filter may name.
var Phases = []Phase{Pending, Running, Failed, Stuck, Done}

// Phase says where the machine is in its cycle.
func (m Machine) Phase() Phase {
	f := m.Facts
	switch {
	case !m.Intent.Mode.Cycles():
		return NoCycle
	case f.Failed:
		return Failed
	case f.Stuck:
		return Stuck
	case f.Completed:
		return Done
	case f.Armed():
		return Running
	}
	return Pending
}

// State says the same for people; empty for modes without a cycle.
func (m Machine) State() string {
	work, done := "flash", "flashed"
	if m.Intent.Mode == Inventory {
		work, done = "inventory", "inventoried"
	}
	switch m.Phase() {
	case Failed:
		return "failed; booting disk until armed"
	case Stuck:
		return "stuck; booting disk until armed"
	case Done:
		return done + "; booting disk"
	case Running:
		return "live env running; awaiting " + work
	case Pending:
		if m.Intent.Mode == FlashAlways {
			return "ready to flash"
		}
		return "pending " + work
	}
	return ""
}
