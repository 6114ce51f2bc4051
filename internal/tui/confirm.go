package tui

import "bty/internal/flash"

// confirmKey waits for the word. Anything else means no: what the disk holds is gone afterwards.
func (m Model) confirmKey(k Key) (Model, Effect) {
	switch k.Name {
	case "esc":
		m.step = stepDisk
		m.hush()
	case "enter":
		typed := m.word.text
		m.word = line{}
		if typed != "yes" {
			m.fail("Not confirmed: the word is yes, in small letters. Nothing was written.")
			return m, nil
		}
		return m.flash()
	default:
		m.word.key(k)
	}
	return m, nil
}

func (m Model) flash() (Model, Effect) {
	m.step, m.asking, m.ending = stepFlash, false, false
	m.progress, m.stageFor, m.seconds = flash.Progress{Stage: flash.StageOpen}, 0, 0
	m.hush()
	return m, Flash{m.image, m.disk}
}
