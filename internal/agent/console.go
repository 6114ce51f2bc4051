package agent

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"bty/internal/flash"
)

// Console is the one writer of a run to its console: whole lines that begin with "bty: ", and
// progress. On a terminal progress is one line that is written over; elsewhere (a serial
// console, a file) it is a line at each quarter, for each of them stays for ever.
type Console struct {
	Out      io.Writer
	Terminal bool

	mu       sync.Mutex
	inPlace  bool // the cursor stands behind a progress line
	stage    string
	quarters int64 // of the stage, already said
	next     int64 // bytes to say next while the total is not known
	shown    time.Time
}

// Line writes one line. Text of the server or the firmware in it cannot move the cursor.
func (c *Console) Line(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line(fmt.Sprintf(format, args...))
}

func (c *Console) line(text string) {
	clear := ""
	if c.inPlace {
		clear, c.inPlace = "\r\x1b[K", false
	}
	io.WriteString(c.Out, clear+"bty: "+Printable(text)+"\n")
}

// Progress shows where a flash is.
func (c *Console) Progress(p flash.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.Detail != "" { // something that happened within a stage
		c.line(p.Detail)
		return
	}
	if p.Stage != c.stage {
		c.begin(p)
	}
	if c.Terminal {
		c.overwrite(p)
		return
	}
	c.milestones(p)
}

// begin starts a stage. What comes after the transfer is named once: sync is where a machine
// with a failing disk stands for minutes.
func (c *Console) begin(p flash.Progress) {
	c.stage, c.quarters, c.next, c.shown = p.Stage, 0, firstMark, time.Time{}
	if !c.Terminal && p.Stage != flash.StageOpen && p.Stage != flash.StageWrite {
		c.line(p.Stage)
	}
}

// firstMark is where the first line stands while the total is not known; each next at double.
const firstMark = 64 << 20

// redraw is how often a terminal's line is written over at most.
const redraw = 200 * time.Millisecond

func (c *Console) milestones(p flash.Progress) {
	if p.Stage != flash.StageWrite {
		return
	}
	if p.Total > 0 {
		for done := min(p.Bytes, p.Total) / ((p.Total + 3) / 4); c.quarters < done; {
			c.quarters++
			c.line(fmt.Sprintf("write %d%%", 25*c.quarters))
		}
		if p.Bytes >= p.Total && c.quarters < 4 {
			c.quarters = 4
			c.line("write 100%")
		}
		return
	}
	for c.next > 0 && p.Bytes >= c.next {
		c.line("write " + Bytes(c.next))
		c.next *= 2
	}
}

func (c *Console) overwrite(p flash.Progress) {
	if now := time.Now(); now.Sub(c.shown) >= redraw || p.Bytes == p.Total {
		c.shown = now
		io.WriteString(c.Out, "\r\x1b[K"+progressText(p))
		c.inPlace = true
	}
}

func progressText(p flash.Progress) string {
	text := fmt.Sprintf("%-6s %s", Printable(p.Stage), Bytes(p.Bytes))
	if p.Total > 0 {
		text += fmt.Sprintf(" of %s  %3d%%", Bytes(p.Total), int(100*(float64(p.Bytes)/float64(p.Total))))
	}
	if p.Rate >= 1 {
		text += fmt.Sprintf("  %s/s", Bytes(int64(p.Rate)))
		if left := float64(p.Total-p.Bytes) / p.Rate; p.Total > 0 && left >= 0 && left < 1e6 {
			text += fmt.Sprintf("  %v left", (time.Duration(left) * time.Second))
		}
	}
	return text
}

// End leaves a progress line as it stands, so that what follows begins on a line of its own.
func (c *Console) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inPlace {
		io.WriteString(c.Out, "\n")
		c.inPlace = false
	}
}

// Bytes is a size for people, in binary units.
func Bytes(n int64) string {
	value, unit := float64(n), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// Printable replaces what a terminal would obey: escape sequences, line ends, tabs.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
