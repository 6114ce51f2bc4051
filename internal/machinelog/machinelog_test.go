package machinelog

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/fault"
	"bty/internal/machine"
)

func mac(n int) machine.MAC { return machine.MAC{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)} }

// minutes is a clock that the test turns.
type minutes struct{ now time.Time }

func open(t *testing.T) (*Logs, *minutes, string) {
	t.Helper()
	dir, clock := filepath.Join(t.TempDir(), "logs"), &minutes{time.Unix(1_750_000_000, 0)}
	return reopen(t, dir, clock), clock, dir
}

func reopen(t *testing.T, dir string, clock *minutes) *Logs {
	t.Helper()
	l, err := Open(dir, func() time.Time { return clock.now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func (l *Logs) mustAppend(t *testing.T, clock *minutes, m machine.MAC, text string) {
	t.Helper()
	clock.now = clock.now.Add(time.Minute)
	if err := l.Append(m, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func tail(t *testing.T, l *Logs, m machine.MAC) string {
	t.Helper()
	text, _, err := l.Tail(m, Keep)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPieces(t *testing.T) {
	l, clock, dir := open(t)
	if got := tail(t, l, mac(1)); got != "" {
		t.Errorf("a machine that wrote nothing has %q", got)
	}
	l.mustAppend(t, clock, mac(1), "one\ntw")
	l.mustAppend(t, clock, mac(1), "o\n")
	l.mustAppend(t, clock, mac(2), "other\n")
	if got := tail(t, l, mac(1)); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
	text, at, err := l.Tail(mac(1), 5)
	if string(text) != "two\n" && string(text) != "o\n" || at.IsZero() || err != nil {
		t.Errorf("%q, %v, %v", text, at, err)
	}
	l = reopen(t, dir, clock) // a restart of the server
	if got := tail(t, l, mac(1)); got != "one\ntwo\n" {
		t.Errorf("after a restart: %q", got)
	}
	if err := l.Forget(mac(1)); err != nil {
		t.Fatal(err)
	}
	if got := tail(t, l, mac(1)); got != "" {
		t.Errorf("after it was forgotten: %q", got)
	}
	if err := l.Forget(mac(1)); err != nil {
		t.Errorf("twice: %v", err)
	}
	if got := tail(t, l, mac(2)); got != "other\n" {
		t.Errorf("the other machine: %q", got)
	}
}

// A machine that writes for ever has the newest of it, from the beginning of a line on.
func TestOneMachineIsBounded(t *testing.T) {
	l, clock, dir := open(t)
	for i := range 400 {
		l.mustAppend(t, clock, mac(1), fmt.Sprintf("%04d %s\n", i, strings.Repeat("x", 4000)))
		if info, err := os.Stat(filepath.Join(dir, name(mac(1)))); err != nil || info.Size() > maxFile || info.Size() != l.files[mac(1)].size || info.Size() != l.bytes {
			t.Fatalf("%d bytes, known %d of %d: %v", info.Size(), l.files[mac(1)].size, l.bytes, err)
		}
	}
	got := tail(t, l, mac(1))
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(got) < Keep-5000 || !strings.HasPrefix(lines[len(lines)-1], "0399 ") {
		t.Errorf("%d bytes, the last line is %.10s", len(got), lines[len(lines)-1])
	}
	for i, line := range lines {
		if want := fmt.Sprintf("%04d xxx", 400-len(lines)+i); !strings.HasPrefix(line, want) || len(line) != 4005 {
			t.Fatalf("line %d is %.10s of %d bytes, want %s", i, line, len(line), want)
		}
	}
}

func TestTooFast(t *testing.T) {
	l, clock, _ := open(t)
	piece := bytes.Repeat([]byte("y"), 64<<10)
	var err error
	taken := 0
	for ; taken < 100 && err == nil; taken++ {
		err = l.Append(mac(1), piece)
	}
	if fault.KindOf(err) != fault.Unavailable || taken-1 != maxMinute/len(piece) {
		t.Errorf("%d pieces, then %v", taken-1, err)
	}
	if err := l.Append(mac(2), piece); err != nil {
		t.Errorf("another machine: %v", err)
	}
	clock.now = clock.now.Add(time.Minute)
	if err := l.Append(mac(1), piece); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	clock.now = clock.now.Add(-time.Hour) // a clock that was set back holds nobody up
	if err := l.Append(mac(1), piece); err != nil {
		t.Errorf("after the clock was set back: %v", err)
	}
	for i := range 2 * maxMinuteAll / len(piece) {
		_ = l.Append(mac(100+i), piece)
	}
	if l.flow.all > maxMinuteAll {
		t.Errorf("%d bytes in a minute", l.flow.all)
	}
}

// Many machines share a bound: the log that is oldest gives way.
func TestOldestGivesWay(t *testing.T) {
	l, clock, dir := open(t)
	for i := range maxFiles + 3 {
		clock.now = clock.now.Add(time.Second)
		if err := l.Append(mac(i), []byte("x\n")); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != maxFiles || len(l.files) != maxFiles || l.bytes != 2*maxFiles {
		t.Errorf("%d files, known %d of %d bytes: %v", len(entries), len(l.files), l.bytes, err)
	}
	if tail(t, l, mac(2)) != "" || tail(t, l, mac(3)) == "" {
		t.Error("another than the oldest gave way")
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"one\ntwo":                        "one\ntwo\n",
		"\x1b[1;32mok\x1b[0m\n":           "ok\n",
		"10 %\r20 %\r30 %\r\nnext\n":      "30 %\nnext\n",
		"a\x00b\x07c\td\n":                "abc\td\n",
		"\xffbroken\n":                    "\uFFFDbroken\n",
		"<script>alert(1)</script>\u202e": "<script>alert(1)</script>\n", // the page escapes it
		"\x1b]0;title\x07\n":              "0;title\n",
	} {
		if got := Plain([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("\x1b[31mred\r\x1b[0mplain\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		for _, r := range Plain(log) {
			if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				t.Fatalf("%q in %q", r, Plain(log))
			}
		}
	})
}
