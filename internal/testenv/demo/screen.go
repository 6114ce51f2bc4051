package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// screen writes for people: with colours and a moving bar on a terminal, plain elsewhere.
type screen struct {
	out      io.Writer
	terminal bool
	inBar    bool // the cursor stands behind a bar
	quarter  int  // of the bar, already shown where it cannot move
}

func newScreen(f *os.File) *screen {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return &screen{out: f, terminal: err == nil && os.Getenv("NO_COLOR") == ""}
}

const (
	bold  = "1"
	dim   = "2"
	green = "1;32"
	red   = "1;31"
	blue  = "36"
)

func (s *screen) paint(style, text string) string {
	if !s.terminal {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (s *screen) text(format string, args ...any) {
	if s.inBar {
		fmt.Fprintln(s.out)
		s.inBar = false
	}
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *screen) title(text string) { s.text("\n%s\n", s.paint(bold, text)) }

func (s *screen) good(text string) { s.text("\n%s\n", s.paint(green, text)) }

func (s *screen) fact(name, format string, args ...any) {
	s.text("  %s %s", s.paint(dim, fmt.Sprintf("%-10s", name)), fmt.Sprintf(format, args...))
}

// entry shows one line of the timeline, at is since power-on.
func (s *screen) entry(at time.Duration, e entry) {
	line := fmt.Sprintf("%s  %s %s", s.paint(dim, fmt.Sprintf("%6.1f s", at.Seconds())), s.paint(style(e.label), fmt.Sprintf("%-10s", e.label)), e.text)
	switch {
	case e.bar && s.terminal:
		fmt.Fprint(s.out, "\r\x1b[K"+line)
		s.inBar = true
	case e.bar && strings.Count(e.text, "█")/8 == s.quarter:
	case e.bar:
		s.quarter = strings.Count(e.text, "█") / 8
		s.text("%s", line)
	default:
		s.quarter = 0
		s.text("%s", line)
	}
}

func style(label string) string {
	switch label {
	case "done", "disk boot":
		return green
	case "FAILED", "STUCK", "MISSING":
		return red
	default:
		return blue
	}
}
