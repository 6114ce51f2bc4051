package tui

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Terminal is where a person sits.
type Terminal struct {
	In, Out *os.File
	Kind    string // TERM
	UTF8    bool   // its locale is
	NoColor bool

	before *unix.Termios
}

// FromEnvironment is the terminal of the standard files, as the environment describes it.
func FromEnvironment(getenv func(string) string) Terminal {
	return Terminal{In: os.Stdin, Out: os.Stderr, Kind: getenv("TERM"), UTF8: isUTF8(getenv), NoColor: getenv("NO_COLOR") != ""}
}

func isUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} { // in the order of setlocale(3)
		if value := strings.ToLower(getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}

// kinds are the families of terminals that show UTF-8, by the beginning of TERM. The Linux console
// has a font of 256 glyphs, a vt100 none beyond ASCII.
var kinds = []string{"xterm", "screen", "tmux", "rxvt", "alacritty", "kitty", "foot", "st", "gnome", "konsole", "wezterm", "ghostty", "contour", "putty", "iterm"}

func (t Terminal) modern() bool {
	for _, k := range kinds {
		if t.Kind == k || strings.HasPrefix(t.Kind, k+"-") {
			return true
		}
	}
	return false
}

// ASCII is true unless both the terminal and the locale are known to show more.
func (t Terminal) ASCII() bool { return !t.UTF8 || !t.modern() }

// dumb is a terminal whose cursor does not move.
func (t Terminal) dumb() bool { return t.Kind == "" || t.Kind == "dumb" }

func (t Terminal) colour() bool {
	return !t.NoColor && (t.modern() || strings.HasPrefix(t.Kind, "linux"))
}

// enter takes keys one by one and without an echo. Output stays as it is.
func (t *Terminal) enter() error {
	fd := int(t.In.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("the wizard needs a terminal: %w", err)
	}
	t.before = before
	// What was typed before there was anything to see chooses nothing.
	_ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH)
	raw := *before
	raw.Iflag &^= unix.ICRNL | unix.INLCR | unix.IGNCR | unix.ISTRIP | unix.IXON
	raw.Lflag &^= unix.ICANON | unix.ECHO | unix.ECHONL | unix.ISIG | unix.IEXTEN
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return fmt.Errorf("set the terminal up: %w", err)
	}
	return nil
}

// leave gives the terminal back as it was.
func (t *Terminal) leave() {
	// Keys that were pressed too often are not for the shell that comes next.
	_ = unix.IoctlSetInt(int(t.In.Fd()), unix.TCFLSH, unix.TCIFLUSH)
	_ = unix.IoctlSetTermios(int(t.In.Fd()), unix.TCSETS, t.before) // it is gone, then
}

// The size that a terminal is taken to have when it does not know it, as a serial line. It could be
// asked by a report of the cursor, but an answer that comes late would be read as keys.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

func (t Terminal) size() (width, height int) {
	width, height = defaultWidth, defaultHeight
	size, err := unix.IoctlGetWinsize(int(t.Out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return width, height
	}
	if size.Col > 0 {
		width = min(int(size.Col), maxSide)
	}
	if size.Row > 0 {
		height = min(int(size.Row), maxSide)
	}
	return width, height
}

// maxSide bounds what is drawn.
const maxSide = 500

// onResize calls f with each new size until the returned function is called, and returned.
func (t Terminal) onResize(f func(width, height int)) (stop func()) {
	changed, quit, done := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(changed, syscall.SIGWINCH)
	go func() {
		defer close(done)
		for {
			select {
			case <-changed:
				f(t.size())
			case <-quit:
				return
			}
		}
	}()
	return func() {
		signal.Stop(changed)
		close(quit)
		<-done
	}
}
