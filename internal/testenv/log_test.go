package testenv

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func TestLogLines(t *testing.T) {
	for name, c := range map[string]struct {
		written []string
		want    []string
	}{
		"split writes":   {[]string{"he", "llo\nwor", "ld\n"}, []string{"hello", "world"}},
		"colours":        {[]string{"\x1b[2J\x1b[01;01H\x1b[0;37;40mBds", "Dxe\x1b[", "0m\r\n"}, []string{"BdsDxe"}},
		"returns":        {[]string{"10%\r20%\r\n\r\n"}, []string{"10%", "20%"}},
		"bell and blank": {[]string{"\x07a \t\n   \n"}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := NewLog(name)
			for _, part := range c.written {
				io.WriteString(log, part)
			}
			var got []string
			for _, line := range log.Find(".") {
				got = append(got, line.Text)
			}
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Expect goes forward: what it has returned once is behind it.
func TestExpectGoesForward(t *testing.T) {
	log := NewLog("console")
	go func() {
		io.WriteString(log, "boot 1\nlogin: ")
		io.WriteString(log, "\nboot 2\n")
	}()
	for _, want := range []string{"1", "2"} {
		match, err := log.Expect(t.Context(), 5*time.Second, `boot (\d)`)
		if err != nil || match[1] != want {
			t.Fatalf("got %q, %v; want boot %s", match, err, want)
		}
	}
	_, err := log.Expect(t.Context(), time.Millisecond, `boot`)
	if err == nil || !strings.Contains(err.Error(), "console said nothing like") {
		t.Errorf("got %v", err)
	}
}

func TestExpectSeesAPrompt(t *testing.T) {
	log := NewLog("console")
	io.WriteString(log, "login: ")
	if _, err := log.Expect(t.Context(), time.Second, `^login:`); err != nil {
		t.Error(err)
	}
}

// A guest that writes for ever takes a bounded amount of memory, and Expect still finds the end.
func TestLogIsBounded(t *testing.T) {
	log := NewLog("loop")
	for range 5 * maxLines {
		io.WriteString(log, "again\n")
	}
	io.WriteString(log, "the end\n")
	if n := len(log.all()); n > maxLines+1 {
		t.Errorf("%d lines are kept; want at most %d", n, maxLines)
	}
	if _, err := log.Expect(t.Context(), time.Second, `the end`); err != nil {
		t.Error(err)
	}
}

func TestFollow(t *testing.T) {
	log := NewLog("daemon")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var seen []string
	go io.WriteString(log, "one\ntwo\nlast\n")
	log.Follow(ctx, func(l Line) {
		seen = append(seen, l.Text)
		if l.Text == "last" {
			cancel()
		}
	})
	if strings.Join(seen, " ") != "one two last" {
		t.Errorf("saw %q", seen)
	}
}
