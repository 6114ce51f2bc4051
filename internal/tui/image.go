package tui

import (
	"bty/internal/agent"
	"bty/internal/disk"
	"bty/internal/origin"
)

// text is what an image is searched by.
func (i Image) text() string {
	return i.Name + " " + string(i.Format) + " " + i.Arch + " " + i.Description
}

func (m Model) imageRows() []string {
	rows := make([]string, len(m.images))
	for i, image := range m.images {
		rows[i] = image.text()
	}
	return rows
}

// listed takes what a source listed.
func (m Model) listed(e Images) Model {
	if e.Work != m.work {
		return m
	}
	m.waiting = false
	if e.Err == nil { // else what was listed before is still worth choosing from
		m.images = e.List
	}
	m.imageAt.at = max(0, min(m.imageAt.at, len(m.images)-1))
	switch {
	case e.Err != nil:
		m.fail("%s. r tries again, Esc goes back to choose another catalog.", sentence(agent.Reason(e.Err, m.source.At)))
	case len(m.images) == 0:
		m.fail("%s lists no image. r looks again, Esc goes back.", origin.Redact(m.source.At))
	default:
		m.hush()
	}
	return m
}

func (m Model) imageKey(k Key) (Model, Effect) {
	rows := m.imageRows()
	if !m.waiting && m.imageAt.key(k, rows, m.page()) {
		return m, nil
	}
	switch k.Name {
	case "enter":
		if row := m.imageAt.row(rows); row >= 0 && !m.waiting {
			return m.chooseImage(m.images[row])
		}
	case "r":
		if !m.waiting {
			m.hush()
			return m.loadImages()
		}
	case "q":
		return m, Leave{}
	case "esc":
		if !m.imageAt.clear(rows) {
			m.giveUp()
			m.step = stepSource
			m.hush()
		}
	}
	return m, nil
}

func (m Model) chooseImage(i Image) (Model, Effect) {
	if i.Problem != "" {
		m.fail("%s cannot be chosen: %s", i.Name, i.Problem)
		return m, nil
	}
	m.image, m.step = i, stepDisk
	m.hush()
	return m, LoadDisks{m.begin()}
}

// size is for people; a size that is not known is said so.
func (i Image) size() string {
	if i.Size <= 0 {
		return "-"
	}
	return disk.HumanSize(i.Size)
}
