package flood

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func at(s string) netip.Addr { return netip.MustParseAddr(s) }

// written runs do beside a Log and returns the lines, without their times.
func written(t *testing.T, do func(*Log)) (lines []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		l := New(slog.New(h), slog.String("class", "flood"))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		do(l)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		lines = strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	})
	return lines
}

func want(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(lines, "\n"); g != w {
		t.Errorf("written:\n%s\nwant:\n%s", g, w)
	}
}

func TestFirstAtOnceThenCounts(t *testing.T) {
	got := written(t, func(l *Log) {
		for n := range 1000 {
			l.Warn(at("192.0.2.1"), "refused", "file", n)
		}
		time.Sleep(Every + time.Second)
		l.Warn(at("192.0.2.1"), "refused", "file", "late")
		time.Sleep(3 * Every) // counted once, then forgotten
		l.Warn(at("::ffff:192.0.2.1"), "refused", "file", "new")
	})
	want(t, got,
		`level=WARN msg=refused file=0`,
		`level=WARN msg=refused file=999 more=999`,
		`level=WARN msg=refused file=late more=1`,
		`level=WARN msg=refused file=new`)
}

func TestKindsAreToldApart(t *testing.T) {
	got := written(t, func(l *Log) {
		l.Warn(at("192.0.2.1"), "refused")
		l.Warn(at("192.0.2.2"), "refused")
		l.Info(at("192.0.2.1"), "other")
		l.Error(at("2001:db8::1"), "refused")
		l.Error(at("2001:db8::2"), "refused") // the same machine
		l.Warn(netip.Addr{}, "refused")
	})
	want(t, got, `level=WARN msg=refused`, `level=WARN msg=refused`, `level=INFO msg=other`, `level=ERROR msg=refused`, `level=WARN msg=refused`,
		`level=ERROR msg=refused more=1`)
}

// Whoever makes up addresses costs neither memory nor lines.
func TestBounds(t *testing.T) {
	const minutes, each = 5, 20000
	got := written(t, func(log *Log) {
		for m := range minutes {
			for n := range each {
				log.Warn(netip.AddrFrom4([4]byte{10, byte(m), byte(n >> 8), byte(n)}), "refused")
			}
			log.mu.Lock()
			kept := len(log.kinds)
			log.mu.Unlock()
			if kept > MaxKinds {
				t.Fatalf("%d kinds are kept", kept)
			}
			time.Sleep(Every)
		}
	})
	if limit := minutes * (2*MaxKinds + 1); len(got) > limit {
		t.Errorf("%d lines in %d minutes, want %d at most", len(got), minutes, limit)
	}
	sum := 0
	for _, line := range got {
		var more int
		if _, counts, ok := strings.Cut(line, " more="); ok {
			if _, err := fmt.Sscan(counts, &more); err != nil {
				t.Fatal(err)
			}
			sum += more
		} else {
			sum++
		}
	}
	if sum != minutes*each {
		t.Errorf("the lines add up to %d, want %d", sum, minutes*each)
	}
	if last := got[len(got)-1]; !strings.Contains(last, "class=flood") {
		t.Errorf("the rest has no class: %s", last)
	}
}

// A line says which code wrote it, not that this package did.
func TestSource(t *testing.T) {
	var out bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{AddSource: true})), slog.Attr{})
	l.Warn(netip.Addr{}, "refused")
	if !strings.Contains(out.String(), "flood_test.go") {
		t.Error(out.String())
	}
}
