package checkup

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/wire"
)

var start = time.Unix(1_800_000_000, 0)

func bad(subject string) wire.Finding {
	return wire.Finding{ID: "dhcp.no-bootfile", Severity: wire.SeverityError, Subject: subject, What: "It is bad."}
}

func findingsOf(subjects []string) (list []wire.Finding) {
	for _, s := range subjects {
		list = append(list, bad(s))
	}
	return list
}

// rounds looks every ten seconds for a while and counts what is recorded.
func rounds(w *watch, now *time.Time, d time.Duration, findings ...wire.Finding) (found, gone int) {
	for end := now.Add(d); now.Before(end); *now = now.Add(every) {
		for _, e := range w.compare(findings, *now) {
			switch e.Kind {
			case event.DoctorFound:
				found++
			case event.DoctorGone:
				gone++
			}
		}
	}
	return found, gone
}

func TestWatch(t *testing.T) {
	w, now := newWatch(nil), start
	expect := func(what string, found, gone, wantFound, wantGone int) {
		t.Helper()
		if found != wantFound || gone != wantGone {
			t.Errorf("%s: %d found, %d gone; want %d, %d", what, found, gone, wantFound, wantGone)
		}
	}
	step := func(what string, d time.Duration, wantFound, wantGone int, findings ...wire.Finding) {
		t.Helper()
		found, gone := rounds(w, &now, d, findings...)
		expect(what, found, gone, wantFound, wantGone)
	}
	note := wire.Finding{ID: "dhcp.nothing-seen", Severity: wire.SeverityNote, Subject: "host"}
	step("a note is no event", time.Minute, 0, 0, note)
	step("what goes again at once is none", settles-every, 0, 0, bad("a"))
	step("nor is its end", 5*time.Minute, 0, 0)
	step("what stays is one", time.Hour, 1, 0, bad("a"))
	step("a gap is none", leaves-every, 0, 0)
	step("and goes on", 5*time.Minute, 0, 0, bad("a"))
	step("the end is one", time.Hour, 0, 1)
	step("it comes again", time.Hour, 1, 0, bad("a"))

	var many []wire.Finding
	for i := range 40 {
		many = append(many, bad(fmt.Sprint("many", i)))
	}
	spread, _ := rounds(w, &now, span, append(many, bad("a"))...) // which touches two spans
	if spread < perSpan || spread > 2*perSpan {
		t.Errorf("%d of many at once are told in a span", spread)
	}
	step("until all are told", 3*span+time.Minute, len(many)-spread, 0, append(many, bad("a"))...)
	step("and gone", 6*span, 0, len(many)+1)
	if len(w.known) != 0 {
		t.Errorf("%d are remembered", len(w.known))
	}
}

// After a restart what was recorded is not recorded again, and its end is.
func TestWatchGoesOn(t *testing.T) {
	w, now := newWatch(map[string]wire.Finding{bad("a").Key(): bad("a"), bad("b").Key(): bad("b")}), start
	if found, gone := rounds(w, &now, time.Hour, bad("a")); found != 0 || gone != 1 {
		t.Errorf("%d found, %d gone", found, gone)
	}
}

func TestWatchIsBounded(t *testing.T) {
	w, now := newWatch(nil), start
	for i := range 3 * maxWatched {
		w.compare([]wire.Finding{bad(fmt.Sprint(i))}, now)
	}
	if len(w.known) > maxWatched {
		t.Errorf("%d are remembered", len(w.known))
	}
}

func TestRequests(t *testing.T) {
	r := newRequests()
	a := netip.MustParseAddr("192.0.2.7")
	r.note(a, start)
	for i := range maxRequests {
		r.note(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), start)
	}
	if !r.last(a).Equal(start) {
		t.Error("what is in the older half is forgotten")
	}
	for i := range 3 * maxRequests {
		r.note(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), start)
	}
	if !r.last(a).IsZero() || len(r.now)+len(r.older) > 2*maxRequests {
		t.Errorf("%d are kept", len(r.now)+len(r.older))
	}
}
