package tui

import (
	"fmt"
	"strings"

	"bty/internal/agent"
)

// Style is how a line is shown where the terminal can; what it says does not depend on it.
type Style uint8

// The styles.
const (
	Normal Style = iota
	Title
	Marked // the row that Enter chooses
	Bad
	Dim
)

// Line is one line of the screen.
type Line struct {
	Text  string
	Style Style
}

// Screen is what is shown: as many lines as the terminal has, none wider than it.
type Screen struct {
	Step  uint8
	Lines []Line
	// Where text is typed; Row is -1 where there is nothing to type.
	Row, Column int
}

// The least that is drawn for. On a smaller terminal lines are cut.
const (
	leastWidth  = 20
	leastHeight = 8
)

func (m Model) width() int  { return max(m.setup.Width, leastWidth) }
func (m Model) height() int { return max(m.setup.Height, leastHeight) }

// View is the screen for the state.
func (m Model) View() Screen {
	c := &canvas{width: m.width(), ascii: m.setup.ASCII, row: -1}
	m.head(c)
	foot := m.foot()
	room := m.height() - len(c.lines) - len(foot)
	m.body(c, room)
	for len(c.lines) < m.height()-len(foot) {
		c.add(Normal, "")
	}
	c.lines = append(c.lines[:m.height()-len(foot)], foot...)
	if c.row >= len(c.lines) {
		c.row = -1
	}
	return Screen{Step: uint8(m.step), Lines: c.lines, Row: c.row, Column: c.column}
}

func (m Model) body(c *canvas, room int) {
	switch m.step {
	case stepSource:
		m.viewSources(c, room)
	case stepTyped:
		m.viewTyped(c)
	case stepImage:
		m.viewImages(c, room)
	case stepDisk:
		m.viewDisks(c, room)
	case stepConfirm:
		m.viewConfirm(c)
	case stepFlash:
		m.viewFlash(c)
	case stepEnd:
		m.viewEnd(c, room)
	}
}

// canvas collects lines and keeps them within the screen.
type canvas struct {
	lines       []Line
	width       int
	ascii       bool
	row, column int
}

func (c *canvas) add(s Style, format string, args ...any) {
	text := plain(fmt.Sprintf(format, args...), c.ascii)
	c.lines = append(c.lines, Line{strings.TrimRight(fit(text, c.width, c.ascii), " "), s})
}

// wrapped adds text of any length, at most that many lines.
func (c *canvas) wrapped(s Style, most int, text string) {
	for _, l := range wrap(plain(text, c.ascii), c.width, most, c.ascii) {
		c.lines = append(c.lines, Line{l, s})
	}
}

// hanging adds text of any length beside a label.
func (c *canvas) hanging(label string, most int, text string) {
	indent := strings.Repeat(" ", len(label))
	for i, l := range wrap(plain(text, c.ascii), c.width-len(label), most, c.ascii) {
		c.add(Normal, "%s%s", map[bool]string{true: label, false: indent}[i == 0], l)
	}
}

// input adds a line that is typed on, with its end in sight.
func (c *canvas) input(label string, typed line) {
	room := max(1, c.width-len(label)-1)
	text := []rune(plain(typed.text, c.ascii))
	for len(text) > 0 && cells(string(text)) > room {
		text = text[1:]
	}
	c.row, c.column = len(c.lines), len(label)+cells(string(text))
	c.lines = append(c.lines, Line{label + string(text), Normal})
}

var stepNames = []string{"Catalog", "Image", "Disk", "Confirm", "Flash", "Done"}

// number is the place of a step among those that are named.
func (s step) number() int {
	return []int{0, 0, 1, 2, 3, 4, 5}[s]
}

// head is who we are, and where in the wizard.
func (m Model) head(c *canvas) {
	c.add(Title, "bty %s  %s", m.setup.Version, m.setup.About)
	at := m.step.number()
	if c.width < 60 {
		c.add(Normal, "Step %d of %d: %s", at+1, len(stepNames), stepNames[at])
	} else {
		parts := make([]string, len(stepNames))
		for i, name := range stepNames {
			parts[i] = name
			if i == at {
				parts[i] = "[" + name + "]"
			}
		}
		c.add(Normal, "%s", strings.Join(parts, " > "))
	}
	c.add(Normal, "")
}

// foot is what just happened, and the keys.
func (m Model) foot() []Line {
	c := &canvas{width: m.width(), ascii: m.setup.ASCII}
	note, style := m.note, Normal
	if m.wrong {
		style = Bad
	}
	if note == "" && m.step <= stepImage {
		note = m.setup.Note
	}
	c.wrapped(style, max(2, m.height()/5), note)
	c.wrapped(Dim, 2, m.keys(c.width < 60))
	return c.lines
}

// keys names the keys of a screen, the less obvious ones only where there is little room.
func (m Model) keys(narrow bool) string {
	switch {
	case m.imageAt.typing && m.step == stepImage, m.diskAt.typing && m.step == stepDisk, m.sources.typing && m.step == stepSource:
		return "type to search, Up/Down move, Enter keep, Esc all"
	}
	switch {
	case narrow && (m.step == stepImage || m.step == stepDisk):
		return "Enter choose, / search, Esc back, q quit"
	case narrow && m.step == stepEnd:
		return "Enter choose, Esc back, q quit"
	}
	switch m.step {
	case stepSource:
		return "Up/Down move, Enter choose, / search, q quit"
	case stepTyped:
		return "Enter open, Ctrl-U clear, Esc back"
	case stepImage, stepDisk:
		return "Up/Down move, Enter choose, / search, r look again, Esc back, q quit"
	case stepConfirm:
		return "yes and Enter: write it, Esc back"
	case stepFlash:
		return m.flashKeys()
	}
	return "Up/Down move, Enter choose, Esc back, q quit"
}

func (m Model) flashKeys() string {
	switch {
	case m.progress.Stage == agent.StageReport:
		return "Nothing is left to cancel."
	case m.ending:
		return "Cancelling; what was begun is being ended."
	case m.asking:
		return "Cancel? The disk will not boot until it is flashed again. y cancels, any other key goes on."
	}
	return "Esc cancel"
}
