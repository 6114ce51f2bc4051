package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/store"
)

func TestBulkAcknowledge(t *testing.T) {
	a := start(t, nil)
	a.live()
	for i := range 5 {
		a.anonymous("POST", fmt.Sprintf("/pxe/52:54:00:00:01:%02x/status", i), jsonText(`{"status":"failed"}`))
	}
	a.signIn()
	ids := func(list ...string) url.Values { return url.Values{"ids": list, "acknowledged": {"1"}} }
	seen := func() (n int) {
		for _, e := range a.events("limit=500") {
			if e["acknowledged"] == true {
				n++
			}
		}
		return n
	}
	a.do("POST", "/ui/events/acknowledge", ids("1", "2", "2", "999999")).is(t, 200, `{"updated":3,"acknowledged":true}`)
	if n := seen(); n != 2 {
		t.Errorf("%d events are acknowledged", n)
	}
	for _, no := range []string{"0", "false", ""} {
		a.do("POST", "/ui/events/acknowledge", ids("2")).is(t, 200)
		a.do("POST", "/ui/events/acknowledge", url.Values{"ids": {"2"}, "acknowledged": {no}}).is(t, 200, `{"updated":1,"acknowledged":false}`)
		if n := seen(); n != 1 {
			t.Errorf("%q: %d events are acknowledged", no, n)
		}
	}
	a.do("POST", "/ui/events/acknowledge", url.Values{"acknowledged": {"1"}}).is(t, 422)
	a.do("POST", "/ui/events/acknowledge", ids("x")).is(t, 422)
	a.do("POST", "/ui/events/acknowledge", ids(strings.Split(strings.Repeat("1,", 1001), ",")...)).is(t, 422)
	a.anonymous("POST", "/ui/events/acknowledge", ids("1")).is(t, 303)

	form := func(v url.Values, where, says string) {
		t.Helper()
		v.Set("back", "/ui/events?filter=failed")
		r := a.do("POST", "/ui/events/acknowledge", v, "Accept", "text/html").is(t, 303)
		if to := r.Header.Get("Location"); to != where {
			t.Errorf("leads to %s, want %s", to, where)
		}
		a.do("GET", where, nil).is(t, 200, says)
	}
	form(ids("3"), "/ui/events?filter=failed&saved=acknowledged", "Acknowledged.")
	form(url.Values{"ids": {"3"}, "unack": {"3"}}, "/ui/events?filter=failed&saved=unacknowledged", "Not acknowledged any more.")
	form(url.Values{"acknowledged": {"1"}}, "/ui/events?filter=failed&error=no%20event%20is%20selected%3A%20tick%20the%20events%20first%2C%20then%20choose%20what%20becomes%20of%20them", "no event is selected")
}

func TestEventsPage(t *testing.T) {
	a := start(t, nil)
	a.live()
	a.signIn()
	for i := range 40 {
		a.anonymous("GET", fmt.Sprintf("/pxe/52:54:00:00:01:%02x", i), nil)
	}
	a.anonymous("POST", "/pxe/52:54:00:00:01:05/status", jsonText(`{"status":"failed","reason":"<b>no disk"}`))
	page := func(query string, rows int, says ...string) {
		t.Helper()
		r := a.do("GET", "/ui/events?"+query, nil).is(t, 200, says...)
		if n := strings.Count(r.body, `name="ids"`); n != rows {
			t.Errorf("%s: %d rows, want %d", query, n, rows)
		}
	}
	page("", 25, "1-25 of 82", "Needs attention (1)", `data-live-new="*"`)
	page("page=4", 7, "76-82 of 82")
	page("page=99&per_page=100", 82)
	page("q=52:54:00:00:01:05", 3, "&lt;b&gt;no disk")
	page("q=FLASH_failed", 1)
	page("kind=machine.discovered&per_page=50", 40)
	page("filter=failed", 1)
	page("filter=attention", 1)
	a.do("GET", "/ui/dashboard", nil).is(t, 200, `<span class="figure">1</span><span>failure not acknowledged</span>`)
	page("subject_id=52:54:00:00:01:06", 2)
	page("actor=operator", 1, "signed in")
	page("source_ip=9.9.9.9", 0, "Nothing matches")
	page("before_id=4", 3)
	page("filter=nonsense&kind=&page=-1&before_id=x", 25)
	if n := a.count("q=52:54:00:00:01:05&unacknowledged=1"); n != 3 {
		t.Errorf("the API finds %d events", n)
	}
}

func TestWorkerAndMachineStreams(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	a.live()
	a.signIn()
	machines, _ := a.listen(t.Context(), "/events/machines", "")
	frames := func() {
		t.Helper()
		for _, name := range []string{"machines-update", "dashboard-machine", "dashboard-images"} {
			if m := next(t, machines); m.name != name || m.id != "" || m.retry != "" {
				t.Fatalf("%+v, want %s", m, name)
			}
		}
	}
	frames()
	a.anonymous("GET", "/pxe/"+mac1, nil)
	frames()
	put(a, mac1, `{"boot_mode":"ipxe-exit"}`)
	frames()
	a.listen(t.Context(), "/events/workers", "")
	for _, path := range []string{"/events/machines", "/events/workers"} {
		a.anonymous("GET", path, nil).is(t, 401)
	}
}

// After old contacts were folded, a server knows from the rows that stand for them when a machine
// was seen last.
func TestFoldedContacts(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -3)
	const machines, each = 20, 30
	path := filepath.Join(state, "bty.db")
	a := start(t, map[string]string{"BTY_PATHS_STATE_DIR": state})
	for i := range machines {
		put(a, fmt.Sprintf("52:54:00:00:02:%02x", i), `{"boot_mode":"ipxe-exit"}`)
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	withStore(t, path, func(s *store.Store) {
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			for i := range machines * each {
				e := event.Event{At: day.Add(time.Duration(i) * time.Minute), Kind: event.PXEOffered, SubjectKind: event.Machine, SubjectID: fmt.Sprintf("52:54:00:00:02:%02x", i%machines),
					Actor: event.Client, Details: ledger.Details(map[string]string{"offer_kind": "ipxe-exit"})}
				if err := tx.AppendEvent(&e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		book := ledger.Book{Store: bookStore{s}, Keep: 100_000}
		if err := s.Index(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := book.FoldContacts(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	a = start(t, map[string]string{"BTY_PATHS_STATE_DIR": state})
	folded := a.events("limit=500&kind=netboot.contacts.folded")
	total := 0
	for _, e := range folded {
		var details ledger.Folded
		raw, _ := json.Marshal(e["details"])
		if err := json.Unmarshal(raw, &details); err != nil || details.OfferKind != "ipxe-exit" {
			t.Fatalf("%v: %v", e, err)
		}
		total += details.Count
	}
	if len(folded) != machines || total != machines*each {
		t.Errorf("%d rows stand for %d contacts", len(folded), total)
	}
	want := day.Add((machines*each - 1) * time.Minute).Format("2006-01-02T15:04:05Z")
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if a.machine(fmt.Sprintf("52:54:00:00:02:%02x", machines-1))["last_seen_at"] == want {
			break
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("%v, want %s", a.machine(fmt.Sprintf("52:54:00:00:02:%02x", machines-1)), want)
		}
	}
}

func withStore(t *testing.T, path string, fn func(*store.Store)) {
	t.Helper()
	s, err := store.Open(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(context.Background())
	fn(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
