package tui

import (
	"strings"

	"bty/internal/catalog"
	"bty/internal/disk"
)

// Why is why a disk cannot be chosen, "" if it can.
func (d Disk) Why() string {
	switch {
	case d.Problem != "":
		return d.Problem
	case len(d.Uses) > 0:
		uses := make([]string, len(d.Uses))
		for i, u := range d.Uses {
			uses[i] = u.String()
		}
		return "in use: " + strings.Join(uses, ", ")
	case d.ReadOnly:
		return "read-only: look for a write-protect switch"
	case d.Size <= 0:
		return "no medium: its size is 0"
	}
	return ""
}

func (m Model) diskRows() []string {
	rows := make([]string, len(m.disks))
	for i, d := range m.disks {
		rows[i] = strings.Join([]string{d.Path, d.Model, d.Serial, d.Transport}, " ")
	}
	return rows
}

// found takes the disks that the machine has.
func (m Model) found(e Disks) Model {
	if e.Work != m.work {
		return m
	}
	m.waiting = false
	m.disks = e.List
	m.diskAt.at = max(0, min(m.diskAt.at, len(m.disks)-1))
	switch {
	case e.Err != nil:
		m.fail("The disks could not be listed: %v. r tries again.", e.Err)
	case len(m.disks) == 0:
		m.fail("No disk is present. Plug one in and press r.")
	}
	return m
}

func (m Model) diskKey(k Key) (Model, Effect) {
	rows := m.diskRows()
	if !m.waiting && m.diskAt.key(k, rows, m.page()) {
		return m, nil
	}
	switch k.Name {
	case "enter":
		if row := m.diskAt.row(rows); row >= 0 && !m.waiting {
			return m.chooseDisk(m.disks[row]), nil
		}
	case "r":
		if !m.waiting {
			m.hush()
			return m, LoadDisks{m.begin()}
		}
	case "q":
		return m, Leave{}
	case "esc":
		if !m.diskAt.clear(rows) {
			m.giveUp()
			m.step = stepImage
			m.hush()
		}
	}
	return m, nil
}

func (m Model) chooseDisk(d Disk) Model {
	if why := d.Why(); why != "" {
		m.fail("%s cannot be chosen: %s.", d.Path, why)
		return m
	}
	if m.image.Format == catalog.Raw && m.image.Size > d.Size {
		m.fail("The image has %s, %s only %s. Choose a larger disk.", disk.HumanSize(m.image.Size), d.Path, disk.HumanSize(d.Size))
		return m
	}
	m.disk, m.step, m.word = d, stepConfirm, line{}
	m.hush()
	return m
}
