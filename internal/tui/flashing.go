package tui

import (
	"fmt"
	"strings"
	"time"

	"bty/internal/agent"
	"bty/internal/flash"
)

// move takes where the flash is.
func (m *Model) move(p flash.Progress) {
	if p.Detail != "" { // it happened within a stage, and is among the notes
		return
	}
	if p.Stage != m.progress.Stage {
		m.stageFor = 0
	}
	if p.Stage != m.progress.Stage || p.Bytes != m.progress.Bytes {
		m.hush() // what was waited for has come
	}
	m.progress = p
	m.asking = m.asking && p.Stage != agent.StageReport
}

// wait says why nothing moves: the transfer is tried again for minutes before the flash fails.
func (m *Model) wait(w Waiting) {
	if m.step == stepFlash {
		m.fail("The image does not come, trying again (%d): %s", w.Attempt, agent.Reason(w.Cause, m.image.At))
	}
}

// flashKey: only a cancellation, and only when it is meant.
func (m Model) flashKey(k Key) (Model, Effect) {
	switch {
	case m.ending || m.progress.Stage == agent.StageReport: // it has ended
	case m.asking && k.Text == "y":
		m.asking, m.ending = false, true
		return m, Cancel{}
	case m.asking:
		m.asking = false
	case k.Name == "esc" || k.Name == "ctrl+c":
		m.asking = true
	}
	return m, nil
}

// stageText says what a stage is, for people.
func stageText(p flash.Progress) string {
	switch p.Stage {
	case flash.StageOpen:
		return "Opening the image and the disk"
	case flash.StageWrite:
		if p.Total > 0 && p.Bytes >= p.Total {
			return "All of the image has arrived; the disk is still writing"
		}
		return "Writing"
	case flash.StageVerify:
		return "Reading the disk back, to see that it kept what was written"
	case flash.StageSync:
		return "Waiting until the disk has everything"
	case flash.StageTable:
		return "Reading the new partition table"
	case flash.StageOrigin:
		return "Going on at the image's origin"
	case agent.StageReport:
		return "Telling the server how it went"
	}
	return p.Stage
}

// percent is of the bytes as transferred. It stays below 100 while anything is left to do.
func percent(p flash.Progress) (int, bool) {
	if p.Total <= 0 {
		return 0, false
	}
	done := int(100 * float64(p.Bytes) / float64(p.Total))
	return max(0, min(done, 99)), true
}

// transferred says how much has come, at what rate, and how long the rest takes.
func transferred(p flash.Progress) string {
	text := agent.Bytes(p.Bytes)
	if p.Stage == flash.StageVerify {
		text += " read back"
	}
	if p.Total > 0 {
		text += " of " + agent.Bytes(p.Total)
	} else if p.Bytes > 0 {
		text += ", the length is not known"
	}
	if p.Stage != flash.StageWrite && p.Stage != flash.StageVerify || p.Rate < 1 {
		return text
	}
	text += fmt.Sprintf(", %s/s", agent.Bytes(int64(p.Rate)))
	if left := float64(p.Total-p.Bytes) / p.Rate; p.Total > 0 && left >= 1 && left < 1e6 {
		text += ", " + clock(int(left)) + " left"
	}
	return text
}

// clock writes seconds as people read them.
func clock(seconds int) string { return (time.Duration(seconds) * time.Second).String() }

// bar is width cells wide.
func bar(percent, width int, ascii bool) string {
	full, empty := "\u2588", "\u2591"
	if ascii {
		full, empty = "#", "."
	}
	n := max(0, min(width, percent*width/100))
	return strings.Repeat(full, n) + strings.Repeat(empty, width-n)
}
