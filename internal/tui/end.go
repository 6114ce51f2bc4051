package tui

import (
	"errors"

	"bty/internal/agent"
	"bty/internal/flash"
)

// ended takes how the flash ended.
func (m Model) ended(e Ended) Model {
	if m.step != stepFlash {
		return m
	}
	m.end, m.step, m.after = e, stepEnd, list{}
	m.asking, m.ending = false, false
	m.hush()
	return m
}

// The rows of the last screen.
const (
	rowReboot = "Reboot this machine"
	rowAgain  = "Try again"
	rowDisk   = "Put this image on another disk"
	rowOther  = "Choose another disk"
	rowImage  = "Choose another image"
	rowQuit   = "Quit"
)

// endRows are what can be done next, the likeliest first.
func (m Model) endRows() []string {
	switch {
	case m.end.Err != nil:
		return []string{rowAgain, rowOther, rowImage, rowReboot, rowQuit}
	case m.setup.Booted:
		return []string{rowReboot, rowDisk, rowImage, rowQuit}
	}
	// Somebody's own machine, on which a stick was written: Enter once too often must not reboot it.
	return []string{rowDisk, rowImage, rowQuit, rowReboot}
}

func (m Model) endKey(k Key) (Model, Effect) {
	rows := m.endRows()
	if k.Text != "/" && m.after.key(k, rows, m.page()) {
		return m, nil
	}
	switch k.Name {
	case "esc":
		return m.again(stepDisk)
	case "q":
		return m, Leave{}
	case "enter":
		return m.choose(rows[max(m.after.row(rows), 0)])
	}
	return m, nil
}

func (m Model) choose(row string) (Model, Effect) {
	switch row {
	case rowReboot:
		return m, Leave{Reboot: true}
	case rowQuit:
		return m, Leave{}
	case rowAgain:
		m.step, m.word = stepConfirm, line{}
		return m, nil
	case rowImage:
		return m.again(stepImage)
	}
	return m.again(stepDisk)
}

// again goes back to a list. The disks are listed anew: one of them holds something else now.
func (m Model) again(s step) (Model, Effect) {
	m.step = s
	m.hush()
	if s == stepDisk {
		return m, LoadDisks{m.begin()}
	}
	return m, nil
}

// advice is the next step for each kind of failure.
var advice = []struct {
	kind error
	text string
}{
	{flash.ErrNoDisk, "Choose another disk: the list is made anew."},
	{flash.ErrDiskBusy, "Stop what uses the disk (unmount it, switch its RAID or LVM off), or choose another disk."},
	{flash.ErrOrigin, "Check that the image is still there and that the network works, then try again."},
	{flash.ErrImage, "Choose another image, or have this one published again."},
	{flash.ErrTooLarge, "Choose a larger disk or a smaller image."},
	{flash.ErrDigest, "Try again. If it stays so, the image or the digest in its catalog is wrong: have them published again."},
	{flash.ErrCancelled, "Try again, or choose another image or disk."},
	{flash.ErrVerify, "The disk does not give back what was written to it, or cannot be read: choose another one, and take this one out."},
	{flash.ErrWrite, "Try again. A disk that fails twice is likely broken: choose another one."},
}

func adviceFor(err error) string {
	_, whole := errors.AsType[*agent.Defect](err)
	_, part := errors.AsType[*flash.Defect](err)
	if whole || part {
		return "Try again; if it stays so, choose another image. What stands above helps whoever mends bty."
	}
	for _, a := range advice {
		if errors.Is(err, a.kind) {
			return a.text
		}
	}
	return "Try again, or choose another image or disk."
}
