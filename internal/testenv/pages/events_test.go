package pages

import (
	"testing"

	"bty/internal/testenv/browser"
)

// New events are counted while the reader looks at the list, and come in when asked for; several
// are acknowledged at once, with a script and without.
func TestEventsPage(t *testing.T) {
	s := start(t)
	s.do("GET", "/pxe/52:54:00:00:00:01", nil)
	s.do("POST", "/pxe/52:54:00:00:00:01/status", map[string]any{"status": "failed"})
	tab := s.tab()
	tab.Look(browser.Desktop)
	tab.Go("/ui/events")
	tab.Live()
	tab.Says("main", "asked what to boot")
	rows := tab.Count("tr [name=ids]")
	s.do("GET", "/pxe/52:54:00:00:00:02", nil)
	tab.Until(`!document.querySelector("[data-live-new]").hidden && Number(document.querySelector("[data-live-new] [data-number]").textContent) >= 2`)
	if n := tab.Count("tr [name=ids]"); n != rows {
		t.Errorf("%d rows moved in under the reader's hand", n-rows)
	}
	tab.Click("[data-live-new] a")
	tab.Says("#list", "52:54:00:00:00:02 seen for the first time")

	tab.Click("[data-all]")
	tab.Until(`[...document.querySelectorAll("tr [name=ids]")].every((b) => b.checked)`)
	tab.Click(`button[name="acknowledged"][value="1"]`)
	tab.Says("main", "Acknowledged.")
	if open := tab.Count("button[name=ack]"); open != 0 {
		t.Errorf("%d events are not acknowledged", open)
	}
	tab.Clean()

	plain := s.tab()
	plain.WithoutScripts()
	plain.Go("/ui/events?actor=pxe-client")
	plain.Click("tr:first-child [name=ids]")
	plain.Click(`button[name="acknowledged"][value="0"]`)
	plain.Says("main", "Not acknowledged any more.")
	plain.At("/ui/events")
	plain.Click(`button[name="acknowledged"][value="1"]`)
	plain.Says("main", "no event is selected")
	plain.Clean()
}
