package tui

import (
	"fmt"

	"bty/internal/agent"
	"bty/internal/disk"
	"bty/internal/origin"
)

// viewConfirm shows what goes where, and waits for the word. What tells the disk from others comes
// before all else.
func (m Model) viewConfirm(c *canvas) {
	d, i := m.disk, m.image
	c.add(Bad, "Everything on this disk will be lost:")
	c.add(Normal, "  disk    %s  %s", d.Path, disk.HumanSize(d.Size))
	c.add(Normal, "  model   %s", either(d.Model, "not known"))
	c.add(Normal, "  serial  %s", either(d.Serial, "none"))
	if m.height() >= 20 {
		c.add(Normal, "  by      %s, %d bytes", either(d.Transport, "transport not known"), d.Device.Size)
	}
	c.hanging("  holds   ", 2, either(d.Holds, "not known"))
	c.add(Normal, "  image   %s", i.Name)
	if i.Arch != "" && m.setup.Arch != "" && i.Arch != m.setup.Arch {
		c.add(Bad, "          it is for %s, this machine is %s", i.Arch, m.setup.Arch)
	}
	if m.height() >= 20 {
		c.add(Normal, "          %s, %s, %s", either(string(i.Format), "format by content"), m.imageLength(), proof(i))
		c.add(Normal, "          %s", origin.Redact(i.At))
	}
	m.viewOptions(c)
	c.input("Type yes to write it: ", m.word)
}

// viewOptions shows what is done beside writing, and the keys that change it.
func (m Model) viewOptions(c *canvas) {
	verify, grow := yesNo(m.options().Verify), yesNo(m.options().Grow)
	if m.height() < 20 {
		c.add(Normal, "  Ctrl-V  verify: %s  Ctrl-G  grow: %s", verify, grow)
		return
	}
	c.add(Normal, "  verify  %-3s  Ctrl-V: read the disk back afterwards and compare", verify)
	c.add(Normal, "  grow    %-3s  Ctrl-G: let the last partition end with the disk", grow)
	c.add(Normal, "")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (m Model) imageLength() string {
	if m.image.Size <= 0 {
		return "size not known"
	}
	return m.image.size() + " to transfer"
}

func proof(i Image) string {
	if i.Digest.IsZero() {
		return "no SHA-256 is declared"
	}
	return "SHA-256 will be checked"
}

// viewFlash shows where the flash is: bytes of the image as it is transferred, and nothing of what
// they decode to, of which nobody knows the total.
func (m Model) viewFlash(c *canvas) {
	c.add(Normal, "%s", m.image.Name)
	c.add(Normal, "to %s (%s, serial %s, %s)", m.disk.Path, either(m.disk.Model, "no model"), either(m.disk.Serial, "none"), disk.HumanSize(m.disk.Size))
	c.add(Normal, "")
	c.wrapped(Normal, 2, stageText(m.progress)+m.since())
	if done, known := percent(m.progress); known && m.progress.Stage != agent.StageReport {
		c.add(Normal, "[%s] %2d%%", bar(done, max(5, min(60, c.width-8)), c.ascii), done)
	}
	if m.progress.Bytes > 0 {
		c.wrapped(Normal, 2, transferred(m.progress))
	}
	c.add(Normal, "")
	c.add(Dim, "%s since the start", clock(m.seconds))
}

// since says how long a stage has been going on that shows no progress of its own.
func (m Model) since() string {
	if m.progress.Stage == "write" && m.progress.Bytes < m.progress.Total || m.stageFor < 3 {
		return ""
	}
	return fmt.Sprintf(", for %s", clock(m.stageFor))
}

func (m Model) viewEnd(c *canvas, room int) {
	rows := m.endRows()
	most := max(2, room-len(rows)-3)
	if err := m.end.Err; err != nil {
		told := m.end.Told != nil && m.height() >= showsHeight // else a row would be out of sight
		if told {
			most = max(2, most-1)
		}
		c.wrapped(Bad, most, "The flash failed: "+agent.Reason(err, m.image.At))
		c.wrapped(Normal, 2, adviceFor(err))
		if told {
			m.viewTold(c, 1)
		}
	} else {
		m.viewDone(c, most)
	}
	c.add(Normal, "")
	m.viewList(c, m.after, rows, func(i int) string { return rows[i] })
}

func (m Model) viewDone(c *canvas, most int) {
	r := m.end.Result
	c.wrapped(Normal, 2, fmt.Sprintf("%s is on %s.", m.image.Name, m.disk.Path))
	checked := "its SHA-256 was not declared, so only its length was checked"
	if r.Verified {
		checked = "its SHA-256 is the declared one"
	}
	c.wrapped(Normal, 2, fmt.Sprintf("%s transferred, %s on the disk, in %s; %s.", agent.Bytes(r.Transferred), agent.Bytes(r.Written),
		clock(int(r.Duration.Seconds())), checked))
	if r.ReadBack {
		c.wrapped(Normal, 2, "The disk was read back and holds what was written.")
	}
	for _, n := range r.Notes {
		c.wrapped(Normal, 2, n)
	}
	if m.end.Told == nil {
		c.wrapped(Dim, 2, m.setup.Next)
	}
	m.viewTold(c, max(1, most-len(r.Notes)-2))
}

// viewTold says that the server's page shows something else.
func (m Model) viewTold(c *canvas, most int) {
	if m.end.Told != nil {
		c.wrapped(Bad, most, fmt.Sprintf("The server does not know of it: %v", m.end.Told))
	}
}
