package tui

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// painter puts screens on a terminal, and only what changed in them. It moves the cursor to
// absolute places, so that what somebody else wrote is written over by and by, and at once by Ctrl-L.
//
// It uses no alternate screen: the Linux console has none, on a serial line it would keep what led
// here out of the log, and the last screen is worth reading after the end.
type painter struct {
	w      io.Writer
	dumb   bool
	colour bool
	last   Screen
	known  bool // last is what the terminal shows
	begun  bool
	said   time.Time // dumb: when a change was shown last
}

func newPainter(t Terminal) *painter {
	return &painter{w: t.Out, dumb: t.dumb(), colour: t.colour()}
}

// forget makes the next paint a whole one.
func (p *painter) forget() { p.known = false }

func (p *painter) paint(s Screen) {
	if p.dumb {
		p.print(s)
		return
	}
	var b strings.Builder
	if !p.begun {
		// What is on the screen moves into the scroll-back.
		fmt.Fprintf(&b, "\x1b[%d;1H%s", len(s.Lines), strings.Repeat("\n", len(s.Lines)))
		p.begun = true
	}
	if !p.known || len(s.Lines) != len(p.last.Lines) {
		b.WriteString("\x1b[0m\x1b[H\x1b[2J")
		p.last = Screen{Lines: make([]Line, len(s.Lines))}
		p.known = true
	}
	for i, l := range s.Lines {
		if l != p.last.Lines[i] {
			p.line(&b, i, l, p.last.Lines[i])
		}
	}
	b.WriteString(cursor(s))
	p.last = s
	// One write: a slow line shows a whole change, not half of one.
	_, _ = io.WriteString(p.w, b.String()) // a terminal that is gone ends the reading of keys
}

// cursor shows it where something is typed, else it waits in the last line, hidden.
func cursor(s Screen) string {
	if s.Row >= 0 {
		return fmt.Sprintf("\x1b[%d;%dH\x1b[?25h", s.Row+1, s.Column+1)
	}
	return fmt.Sprintf("\x1b[%d;1H\x1b[?25l", len(s.Lines))
}

// line writes over a line from where it differs.
func (p *painter) line(b *strings.Builder, row int, l, old Line) {
	skip := 0
	if l.Style == old.Style {
		skip = common(l.Text, old.Text)
	}
	fmt.Fprintf(b, "\x1b[%d;%dH", row+1, skip+1)
	if len(l.Text) < len(old.Text) || l.Style != old.Style || !ascii(l.Text+old.Text) {
		// Before the text: behind a line as wide as the screen the cursor stands on its last cell.
		b.WriteString("\x1b[K")
	}
	text := l.Text[skip:]
	if !ascii(text) {
		// Terminals differ about how wide some letters are: what is too long must not go on in the
		// line below.
		text = "\x1b[?7l" + text + "\x1b[?7h"
	}
	b.WriteString(p.on(l.Style) + text)
	if p.on(l.Style) != "" {
		b.WriteString("\x1b[0m")
	}
}

// common is how many cells of two lines are the same at their beginning, as far as they are ASCII.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] && a[n] < 0x80 {
		n++
	}
	if n < len(a) && a[n] >= 0x80 || n < len(b) && b[n] >= 0x80 {
		return max(0, n-1) // the next cell may combine with this one
	}
	return n
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// on is what a style begins with. Bold and reverse are no colours.
func (p *painter) on(s Style) string {
	switch {
	case s == Title:
		return "\x1b[1m"
	case s == Marked:
		return "\x1b[7m"
	case s == Bad && p.colour:
		return "\x1b[31m"
	case s == Bad:
		return "\x1b[1m"
	}
	return ""
}

// seldom is how often a terminal that cannot write over gets what nobody asked for.
const seldom = 10 * time.Second

// print is for terminals whose cursor does not move: a screen when it is another one, else its lines
// that changed.
func (p *painter) print(s Screen) {
	whole := !p.known || s.Step != p.last.Step || len(s.Lines) != len(p.last.Lines)
	if !whole && s.Step == uint8(stepFlash) && time.Since(p.said) < seldom && s.foot() == p.last.foot() {
		return
	}
	var b strings.Builder
	for i, l := range s.Lines {
		if l.Text != "" && (whole || l != p.last.Lines[i]) {
			b.WriteString(l.Text + "\r\n")
		}
	}
	p.known, p.said, p.last = true, time.Now(), s
	_, _ = io.WriteString(p.w, b.String())
}

// foot is the last line, which answers keys.
func (s Screen) foot() Line { return s.Lines[len(s.Lines)-1] }

// close leaves the last screen to read and the cursor below it.
func (p *painter) close() {
	if p.dumb || !p.begun {
		return
	}
	fmt.Fprintf(p.w, "\x1b[0m\x1b[%d;1H\x1b[?25h\r\n", len(p.last.Lines))
}
