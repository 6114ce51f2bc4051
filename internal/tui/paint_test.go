package tui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"bty/internal/flash"
	"bty/internal/testenv/screen"
)

// painted is what a terminal of a kind is sent for some screens, one text for each.
func painted(t Terminal, screens ...Screen) []string {
	var out bytes.Buffer
	p := newPainter(t)
	p.w = &out
	var sent []string
	for _, s := range screens {
		out.Reset()
		p.paint(s)
		sent = append(sent, out.String())
	}
	return sent
}

// The first screen and any other take less than 2 KB, which a serial line of 115,200 baud carries
// in a sixth of a second.
func TestPaintIsSmall(t *testing.T) {
	s := setup
	s.Note = "no image and disk are bound to this machine"
	for _, state := range states(s) {
		if sent := painted(Terminal{Kind: "vt100"}, state.m.View())[0]; len(sent) >= 2048 {
			t.Errorf("%s: %d bytes", state.name, len(sent))
		}
	}
}

// A step of the mark writes two lines, a second of a flash the figures that changed.
func TestPaintOnlyWhatChanged(t *testing.T) {
	m := walk(setup, "<enter>")
	moved, _ := m.Update(key("down"))
	flashing := walk(setup, "<enter>", "<down>", "<enter>", "<enter>", "yes", "<enter>",
		Progress{Stage: flash.StageWrite, Bytes: 50_000_000, Total: 123456789, Rate: 10 << 20})
	later, _ := flashing.Update(Progress{Stage: flash.StageWrite, Bytes: 51_000_000, Total: 123456789, Rate: 10 << 20})
	for what, c := range map[string]struct {
		from, to Model
		most     int
	}{
		"a step of the mark": {m, moved, 300},
		"nothing":            {m, m, 20},
		"a second":           {flashing, later, 130},
	} {
		if sent := painted(Terminal{Kind: "vt100"}, c.from.View(), c.to.View())[1]; len(sent) > c.most {
			t.Errorf("%s: %d bytes: %q", what, len(sent), sent)
		}
	}
}

// What an emulator of the plainest kind shows after each change is what the screen says, whatever
// changes into what.
func TestPaintShowsTheScreen(t *testing.T) {
	s := setup
	s.ASCII = false
	all := states(s)
	for _, kind := range []string{"vt100", "xterm-256color"} {
		var screens []Screen
		for i := range all {
			screens = append(screens, all[i].m.View(), all[(i*7+3)%len(all)].m.View())
		}
		e := &emulator{}
		for i, sent := range painted(Terminal{Kind: kind, UTF8: true}, screens...) {
			e.take(t, sent)
			for row, l := range screens[i].Lines {
				if got := strings.TrimRight(e.line(row), " "); got != strings.TrimRight(l.Text, " ") {
					t.Fatalf("%s, screen %d, line %d:\n%q\n%q", kind, i, row, got, l.Text)
				}
			}
		}
	}
}

// emulator knows what the painter uses of a terminal and no more: an unknown sequence is an error.
type emulator struct {
	rows        [60][]string
	row, column int
}

func (e *emulator) take(t *testing.T, sent string) {
	t.Helper()
	for len(sent) > 0 {
		if sent[0] != 0x1b {
			r := []rune(sent)[0]
			e.put(string(r))
			sent = sent[len(string(r)):]
			continue
		}
		end := strings.IndexFunc(sent[2:], func(r rune) bool { return r >= '@' })
		e.obey(t, sent[2:2+end], sent[2+end])
		sent = sent[3+end:]
	}
}

func (e *emulator) put(text string) {
	if text == "\n" {
		e.row = min(e.row+1, len(e.rows)-1)
		return
	}
	for len(e.rows[e.row]) < e.column+cells(text) {
		e.rows[e.row] = append(e.rows[e.row], " ")
	}
	e.rows[e.row][e.column] = text
	for i := 1; i < cells(text); i++ {
		e.rows[e.row][e.column+i] = "" // the right half of a wide letter
	}
	e.column += cells(text)
}

func (e *emulator) obey(t *testing.T, parameters string, final byte) {
	t.Helper()
	switch {
	case final == 'H':
		e.row, e.column = 0, 0
		if parameters != "" {
			if _, err := fmt.Sscanf(parameters, "%d;%d", &e.row, &e.column); err != nil {
				t.Fatal(err)
			}
			e.row, e.column = e.row-1, e.column-1
		}
	case final == 'J' && parameters == "2":
		e.rows = [60][]string{}
	case final == 'K' && parameters == "":
		// Behind the last cell there is none: an xterm and the Linux console erase that one.
		e.column = min(e.column, setup.Width-1)
		e.rows[e.row] = e.rows[e.row][:min(e.column, len(e.rows[e.row]))]
	case final == 'm', parameters == "?25", parameters == "?7":
	default:
		t.Fatalf("a sequence that not every terminal knows: %q %c", parameters, final)
	}
}

func (e *emulator) line(row int) string { return strings.Join(e.rows[row], "") }

// Letters that a terminal shows wider than we think, as a thumb with the tint of its skin, once went
// on in the line below and covered what it says.
func TestPaintKeepsToItsLine(t *testing.T) {
	s := screen.Open(t, 40, 5, "exec cat")
	wide := strings.Repeat("\U0001f44d\U0001f3fd", 19)
	for _, sent := range painted(Terminal{Kind: "xterm", UTF8: true},
		Screen{Lines: []Line{{}, {Text: "the disk"}, {}, {}, {}}, Row: -1},
		Screen{Lines: []Line{{Text: wide}, {Text: "the disk"}, {}, {}, {}}, Row: -1}) {
		s.Scribble(sent)
	}
	s.See("\U0001f44d")
	if lines := strings.Split(s.Shown(), "\n"); len(lines) < 2 || strings.TrimSpace(lines[1]) != "the disk" {
		t.Errorf("%q", lines)
	}
}

// Ctrl-L paints everything; so does a new size.
func TestRedraw(t *testing.T) {
	s := walk(setup, "<enter>").View()
	var out bytes.Buffer
	p := newPainter(Terminal{Kind: "vt100"})
	p.w = &out
	p.paint(s)
	out.Reset()
	p.forget()
	p.paint(s)
	if !strings.Contains(out.String(), "small.img.zst") || !strings.Contains(out.String(), "\x1b[2J") {
		t.Errorf("%q", out.String())
	}
}

// A terminal whose cursor does not move gets lines without any sequence, and a flash does not
// fill its paper.
func TestPaintDumb(t *testing.T) {
	flashing := walk(setup, "<enter>", "<down>", "<enter>", "<enter>", "yes", "<enter>")
	var screens []Screen
	for _, state := range states(setup) {
		screens = append(screens, state.m.View())
	}
	for i := range 100 {
		flashing, _ = flashing.Update(Progress{Stage: flash.StageWrite, Bytes: int64(i), Total: 100})
		screens = append(screens, flashing.View())
	}
	sent := painted(Terminal{Kind: "dumb"}, screens...)
	if all := strings.Join(sent, ""); strings.ContainsRune(all, 0x1b) || !strings.Contains(all, "Type yes") {
		t.Errorf("%q", all)
	}
	if last := strings.Join(sent[len(sent)-99:], ""); last != "" {
		t.Errorf("100 reports within %v wrote %q", seldom, last)
	}
	if seldom < 5*time.Second {
		t.Error("a line every", seldom)
	}
}

// There too a key is answered at once: who is asked whether to cancel must see it.
func TestPaintDumbAnswers(t *testing.T) {
	flashing := walk(setup, "<enter>", "<down>", "<enter>", "<enter>", "yes", "<enter>")
	asking, _ := flashing.Update(key("esc"))
	cancelling, _ := asking.Update(key("y"))
	sent := painted(Terminal{Kind: "dumb"}, flashing.View(), asking.View(), flashing.View(), asking.View(), cancelling.View())
	for i, want := range []string{"Esc cancel", "Cancel?", "Esc cancel", "Cancel?", "Cancelling"} {
		if !strings.Contains(sent[i], want) {
			t.Errorf("%d: %q is not in %q", i, want, sent[i])
		}
	}
}

// Colours are nowhere needed, and not used where they are not wanted or not known.
func TestStyles(t *testing.T) {
	bad := Screen{Lines: []Line{{"bad", Bad}}, Row: -1}
	for _, c := range []struct {
		t    Terminal
		want bool
	}{
		{Terminal{Kind: "xterm-256color"}, true}, {Terminal{Kind: "linux"}, true}, {Terminal{Kind: "linux", NoColor: true}, false},
		{Terminal{Kind: "vt100"}, false}, {Terminal{Kind: "strange"}, false}, {Terminal{Kind: "tmux-256color", NoColor: true}, false},
	} {
		if sent := painted(c.t, bad)[0]; strings.Contains(sent, "\x1b[31m") != c.want {
			t.Errorf("%+v: %q", c.t, sent)
		}
	}
}

func TestASCII(t *testing.T) {
	for _, c := range []struct {
		kind, locale string
		want         bool
	}{
		{"xterm-256color", "C.UTF-8", false}, {"tmux-256color", "de_DE.utf8", false}, {"st", "C.UTF-8", false},
		{"xterm", "C", true}, {"xterm", "", true}, {"linux", "C.UTF-8", true}, {"vt100", "C.UTF-8", true}, {"dumb", "C.UTF-8", true},
		{"", "C.UTF-8", true}, {"strange", "C.UTF-8", true}, {"standard", "C.UTF-8", true},
	} {
		terminal := FromEnvironment(func(name string) string { return map[string]string{"TERM": c.kind, "LANG": c.locale}[name] })
		if terminal.ASCII() != c.want {
			t.Errorf("%q %q: %v", c.kind, c.locale, terminal.ASCII())
		}
	}
	override := FromEnvironment(func(name string) string {
		return map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C"}[name]
	})
	if !override.ASCII() {
		t.Error("LC_ALL does not come first")
	}
}

// Text of a server or of a disk's firmware cannot move the cursor, and is cut where the line ends.
func TestText(t *testing.T) {
	for in, want := range map[string]string{"a\x1b[2Jb\n\tc": "a [2Jb  c", "Größe": "Gr??e", "\xff": "?"} {
		if got := plain(in, true); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"one two three four", []string{"one two", "three four"}},
		{"oneverylongword more", []string{"oneverylon", "gword more"}},
		{"one two three four five six seven", []string{"one two", "three fou~"}},
	} {
		if got := wrap(c.in, 10, 2, true); strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q: %q", c.in, got)
		}
	}
}
