package tui

import (
	"bty/internal/catalog"
	"bty/internal/flash"
)

// What is not shown whole is not confirmed.
const (
	showsWidth  = 40
	showsHeight = 15
)

// confirmKey waits for the word. Anything else means no: what the disk holds is gone afterwards.
func (m Model) confirmKey(k Key) (Model, Effect) {
	switch k.Name {
	case "esc":
		m.step = stepDisk
		m.hush()
	case "ctrl+v":
		m.asked.Verify = catalog.ChoiceOf(new(!m.options().Verify))
	case "ctrl+g":
		m.asked.Grow = catalog.ChoiceOf(new(!m.options().Grow))
	case "enter":
		typed := m.word.text
		m.word = line{}
		switch {
		case m.setup.Width < showsWidth || m.setup.Height < showsHeight:
			m.fail("%d columns and %d lines are needed to show the disk: make the terminal larger.", showsWidth, showsHeight)
		case typed != "yes":
			m.fail("Not yes: nothing was written.")
		default:
			return m.flash()
		}
		return m, nil
	default:
		m.word.key(k)
	}
	return m, nil
}

func (m Model) flash() (Model, Effect) {
	m.step, m.asking, m.ending = stepFlash, false, false
	m.progress, m.stageFor, m.seconds = flash.Progress{Stage: flash.StageOpen}, 0, 0
	m.hush()
	return m, Flash{Image: m.image, Disk: m.disk, Options: m.options()}
}

// options are what is done beside writing. What the person said counts first; then what was decided for
// the machine, what the image says, and what goes for all, as on the server.
func (m Model) options() Options {
	s := m.setup
	return Options{
		Verify: m.asked.Verify.Or(begins(s.Verify, s.VerifySet, m.image.Verify)),
		Grow:   m.asked.Grow.Or(begins(s.Grow, s.GrowSet, m.image.Grow)),
	}
}

// begins is what an option is before the person says anything.
func begins(server, isSet bool, image catalog.Choice) bool {
	if isSet {
		return server
	}
	return image.Or(server)
}
