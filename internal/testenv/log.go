package testenv

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// maxLines bounds what a Log keeps; a guest in a boot loop writes for ever.
const maxLines = 20000

// Line is one line that something wrote, and when.
type Line struct {
	At   time.Time
	Text string
}

// Log keeps the lines that are written to it: a serial console, a daemon's messages. It is safe
// for concurrent use.
type Log struct {
	Name string

	mu      sync.Mutex
	partial string
	lines   []Line
	dropped int
	read    int           // how many lines Expect is past, counted from the very first
	changed chan struct{} // closed and replaced when something was written
}

// NewLog returns an empty log; name appears in errors and tails.
func NewLog(name string) *Log {
	return &Log{Name: name, changed: make(chan struct{})}
}

// terminal matches what firmware writes to move a cursor about and to change colours.
var terminal = regexp.MustCompile(`\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00-\x08\x0b-\x0c\x0e-\x1a\x1c-\x1f]`)

// percentage is how OVMF counts while it downloads: a hundred lines that say nothing.
var percentage = regexp.MustCompile(`^ *Downloading\.\.\.\d+%$`)

// Write takes any part of a stream of lines. Cursor movements are dropped, and one to the start
// of a line counts as its end.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.partial + string(p)
	for {
		end := strings.IndexAny(text, "\r\n")
		if end < 0 {
			break
		}
		l.append(text[:end])
		text = text[end+1:]
	}
	l.partial = text[max(0, len(text)-4096):]
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

func (l *Log) append(text string) {
	text = strings.TrimRight(terminal.ReplaceAllString(text, ""), " \t")
	if text == "" || percentage.MatchString(text) {
		return
	}
	l.lines = append(l.lines, Line{time.Now(), text})
	if len(l.lines) > maxLines {
		l.lines, l.dropped = l.lines[maxLines/2:], l.dropped+maxLines/2
	}
}

// Expect waits for the next line that matches, from where the last Expect found its own, and
// returns the match and its groups. The line need not have ended yet.
func (l *Log) Expect(ctx context.Context, timeout time.Duration, pattern string) ([]string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		match, changed := l.next(re)
		if match != nil {
			return match, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s said nothing like %q within %v: %w", l.Name, pattern, timeout, context.Cause(ctx))
		}
	}
}

func (l *Log) next(re *regexp.Regexp) ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.read < l.dropped+len(l.lines) {
		line := l.lines[max(0, l.read-l.dropped)]
		l.read = max(l.read, l.dropped) + 1
		if match := re.FindStringSubmatch(line.Text); match != nil {
			return match, nil
		}
	}
	if match := re.FindStringSubmatch(terminal.ReplaceAllString(l.partial, "")); match != nil {
		l.append(l.partial)
		l.partial, l.read = "", l.dropped+len(l.lines)
		return match, nil
	}
	return nil, l.changed
}

// Find returns every line so far that matches, wherever Expect is.
func (l *Log) Find(pattern string) []Line {
	re := regexp.MustCompile(pattern)
	var found []Line
	for _, line := range l.all() {
		if re.MatchString(line.Text) {
			found = append(found, line)
		}
	}
	return found
}

// Tail is the end of the log, for a failed test's report.
func (l *Log) Tail(n int) string {
	lines := l.all()
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s, the last of %d lines\n", l.Name, len(lines))
	for _, line := range lines[max(0, len(lines)-n):] {
		fmt.Fprintf(&b, "%s %s\n", line.At.Format("05.000"), line.Text)
	}
	return b.String()
}

func (l *Log) all() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines[:len(l.lines):len(l.lines)]
	if partial := terminal.ReplaceAllString(l.partial, ""); strings.TrimSpace(partial) != "" {
		lines = append(lines, Line{time.Now(), partial})
	}
	return lines
}

// Follow calls see for every line from the first one on, until ctx ends.
func (l *Log) Follow(ctx context.Context, see func(Line)) {
	seen := 0
	for {
		l.mu.Lock()
		fresh := append([]Line(nil), l.lines[max(0, seen-l.dropped):]...)
		seen = l.dropped + len(l.lines)
		changed := l.changed
		l.mu.Unlock()
		for _, line := range fresh {
			see(line)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
