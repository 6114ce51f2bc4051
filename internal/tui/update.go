package tui

import (
	"fmt"

	"bty/internal/flash"
)

// Update is the next state, and what is to be done.
func (m Model) Update(e Event) (Model, Effect) {
	switch e := e.(type) {
	case Size:
		m.setup.Width, m.setup.Height = e.Width, e.Height
		return m, Redraw{}
	case Second:
		m.seconds++
		m.stageFor++
	case Images:
		return m.listed(e), nil
	case Disks:
		return m.found(e), nil
	case Progress:
		m.move(flash.Progress(e))
	case Waiting:
		m.wait(e)
	case Ended:
		return m.ended(e), nil
	case Key:
		return m.press(e)
	}
	return m, nil
}

// press is a key, whatever the screen.
func (m Model) press(k Key) (Model, Effect) {
	switch {
	case k.Name == "ctrl+l":
		return m, Redraw{}
	case m.step == stepFlash:
		return m.flashKey(k)
	case k.Name == "ctrl+c":
		return m, Leave{}
	}
	switch m.step {
	case stepTyped:
		return m.typedKey(k)
	case stepImage:
		return m.imageKey(k)
	case stepDisk:
		return m.diskKey(k)
	case stepConfirm:
		return m.confirmKey(k)
	case stepEnd:
		return m.endKey(k)
	}
	return m.sourceKey(k)
}

// say puts a line under the screen until something else is said.
func (m *Model) say(format string, args ...any) {
	m.note, m.wrong = fmt.Sprintf(format, args...), false
}

func (m *Model) fail(format string, args ...any) {
	m.note, m.wrong = fmt.Sprintf(format, args...), true
}

func (m *Model) hush() { m.note, m.wrong = "", false }

// begin counts work that is awaited.
func (m *Model) begin() int {
	m.work++
	m.waiting, m.seconds = true, 0
	return m.work
}

// giveUp forgets what is awaited: its result will be late.
func (m *Model) giveUp() {
	m.work++
	m.waiting = false
}
