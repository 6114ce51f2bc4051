package tui

import (
	"fmt"
	"strings"

	"bty/internal/disk"
	"bty/internal/origin"

	"github.com/charmbracelet/x/ansi"
)

func cells(s string) int { return ansi.StringWidth(s) }

// page is how many rows of a list are shown at once.
func (m Model) page() int {
	// The head has 3 lines, a list's own head 1, what is said of the marked row 4.
	return max(1, m.height()-3-1-4-len(m.foot()))
}

// viewList shows the page of a list that the mark is on: whole pages, so that a step of the mark
// changes two lines only. row is a row's text.
func (m Model) viewList(c *canvas, l list, texts []string, row func(i int) string) {
	found := l.matching(texts)
	page := m.page()
	first := l.at / page * page
	for i := first; i < min(len(found), first+page); i++ {
		mark, style := "  ", Normal
		if i == l.at {
			mark, style = "> ", Marked
		}
		c.add(style, "%s%s", mark, row(found[i]))
	}
	if len(found) == 0 && len(texts) > 0 {
		c.add(Normal, "  nothing fits the search; Esc shows all %d", len(texts))
	}
}

// heading is the line above a list: what it is, where in it, and the search.
func (m Model) heading(c *canvas, what string, l list, texts []string) {
	found, where := len(l.matching(texts)), ""
	switch {
	case l.typing:
		c.input("search: ", l.search)
		return
	case l.search.text != "":
		where = fmt.Sprintf(", %d of %d with %q", found, len(texts), fit(l.search.text, c.width/4, c.ascii))
	case found > m.page():
		where = fmt.Sprintf(", %d of %d", l.at+1, found)
	}
	c.add(Normal, "%s%s", fit(plain(what, c.ascii), c.width-cells(where), c.ascii), where)
}

func (m Model) viewSources(c *canvas, _ int) {
	rows := m.sourceRows()
	m.heading(c, "Where are the images?", m.sources, rows)
	m.viewList(c, m.sources, rows, func(i int) string {
		if i == len(rows)-1 {
			return typeOne
		}
		s := m.setup.Sources[i]
		if s.Title == "" {
			return origin.Redact(s.At)
		}
		return cell(s.Title, min(28, c.width/2), c.ascii) + " " + origin.Redact(s.At)
	})
}

func (m Model) viewTyped(c *canvas) {
	c.wrapped(Normal, 3, "The URL of a catalog.toml (http://, https:// or oras://), or the path of such a file or of a folder of images:")
	c.input("> ", m.typed)
}

func (m Model) viewImages(c *canvas, room int) {
	from := origin.Redact(m.source.At)
	if m.waiting {
		c.add(Normal, "Asking %s", from)
		c.add(Normal, "%s", clock(m.seconds))
		return
	}
	rows := m.imageRows()
	m.heading(c, "Images of "+from, m.imageAt, rows)
	begun := len(c.lines)
	m.viewList(c, m.imageAt, rows, func(i int) string { return m.imageRow(c, m.images[i]) })
	if at := m.imageAt.row(rows); at >= 0 {
		m.imageDetail(c, m.images[at], begun+room-1)
	}
}

// imageRow is a name, and where there is room its format, architecture and size.
func (m Model) imageRow(c *canvas, i Image) string {
	if c.width < 60 {
		return cell(plain(i.Name, c.ascii), c.width-2-8, c.ascii) + " " + i.size()
	}
	return fmt.Sprintf("%s %-8s %-7s %7s", cell(plain(i.Name, c.ascii), c.width-2-26, c.ascii),
		i.Format, fit(plain(i.Arch, c.ascii), 7, c.ascii), i.size())
}

func (m Model) imageDetail(c *canvas, i Image, end int) {
	c.add(Normal, "")
	if i.Problem != "" {
		c.wrapped(Bad, 2, "cannot be chosen: "+i.Problem)
	}
	if i.Description != "" {
		c.wrapped(Dim, 1, i.Description)
	}
	c.wrapped(Dim, max(1, end-len(c.lines)), origin.Redact(i.At))
}

func (m Model) viewDisks(c *canvas, room int) {
	if m.waiting {
		c.add(Normal, "Looking for disks")
		c.add(Normal, "%s", clock(m.seconds))
		return
	}
	rows := m.diskRows()
	m.heading(c, "The disk for "+m.image.Name, m.diskAt, rows)
	begun := len(c.lines)
	m.viewList(c, m.diskAt, rows, func(i int) string { return diskRow(c, m.disks[i]) })
	if at := m.diskAt.row(rows); at >= 0 {
		diskDetail(c, m.disks[at], begun+room-1)
	}
}

// diskRow names a disk by what is printed on it. One that cannot be chosen has its mark where the
// others have nothing: colour is not needed.
func diskRow(c *canvas, d Disk) string {
	mark := " "
	if d.Why() != "" {
		mark = "x"
	}
	name := mark + " " + strings.TrimPrefix(d.Path, "/dev/")
	serial := either(d.Serial, "no serial")
	if c.width < 60 {
		return cell(name, 11, c.ascii) + cell(disk.HumanSize(d.Size), 8, c.ascii) + plain(serial, c.ascii)
	}
	return cell(name, 12, c.ascii) + cell(disk.HumanSize(d.Size), 8, c.ascii) + cell(d.Transport, 7, c.ascii) +
		cell(plain(serial, c.ascii), 22, c.ascii) + " " + plain(d.Model, c.ascii)
}

func diskDetail(c *canvas, d Disk, end int) {
	c.add(Normal, "")
	kind := either(d.Transport, "transport not known")
	if d.Removable {
		kind += ", removable"
	}
	c.wrapped(Dim, 1, fmt.Sprintf("%s: %s, serial %s, %s, %s", d.Path, either(d.Model, "no model"),
		either(d.Serial, "none"), disk.HumanSize(d.Size), kind))
	if why := d.Why(); why != "" {
		c.wrapped(Bad, max(1, min(2, end-len(c.lines)-1)), "cannot be chosen: "+why)
	}
	c.wrapped(Dim, max(1, end-len(c.lines)), "holds: "+either(d.Holds, "not known"))
}

func either(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
