package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"bty/internal/testenv/browser"
)

func TestSignIn(t *testing.T) {
	s := start(t, "BTY_ADMIN_PASSWORD=")
	tab := s.stranger()
	tab.Go("/ui/machines?filter=failed")
	tab.At("/ui/login")
	tab.Says("main", "well-known default password")
	for _, view := range browser.Views {
		tab.Look(view)
		tab.Axe()
		tab.Shot(picture("login", view))
	}
	tab.Look(browser.Desktop)
	tab.Type("#password", "wrong")
	tab.Click("main button")
	tab.Says("main", "Invalid password")
	tab.Axe()
	tab.Type("#password", "bty-lab\r")
	tab.At("/ui/machines?filter=failed") // where it was asked for
	tab.Live()
	tab.Click(`button[title="Log out"]`)
	tab.At("/ui/login")
	tab.Go("/ui/dashboard")
	tab.At("/ui/login")
}

// TestFlash is the life of a machine as its operator sees it: it appears, is claimed, bound and
// flashed before their eyes, fails, and is armed again; no page is loaded anew by itself.
func TestFlash(t *testing.T) {
	s := start(t)
	s.live()
	s.image("debian-13.img.zst", 2_000_000_000)
	const mac = "52:54:00:c0:00:01"

	tab := s.tab()
	tab.Go("/ui/machines")
	tab.Says("#list", "No machine has asked yet")
	tab.Live()
	tab.Axe()
	mark(tab)
	s.do("GET", "/pxe/"+mac, nil)
	tab.Says("#list table", mac)
	s.do("GET", "/pxe/52:54:00:c0:00:02", nil) // another one does not push the rows about
	tab.Says("[data-live-new]", "New machines: 1")
	marked(tab)
	if tab.Count("#list tbody tr") != 1 {
		t.Error("a row was put under the reader's hand")
	}

	tab.Click("#list tbody a.mac")
	tab.At("/ui/machines/" + mac)
	tab.Live()
	tab.Says("#hardware", "has not reported its hardware")
	mark(tab)
	s.discover(mac, "PowerEdge R640", 1)
	tab.Says("#hardware", "PowerEdge R640")
	tab.Until(`document.querySelector("#disk").tagName === "SELECT"`) // nobody had begun to fill in the form
	marked(tab)

	tab.Click(`label[for="mode-bty-flash-once"]`)
	tab.Click("#save")
	tab.Says("[data-flash]", "bty-flash-once writes a disk")
	tab.Axe()
	tab.Click(`label[for="mode-bty-flash-once"]`)
	tab.Choose("#disk", serialOf(mac, 0))
	tab.Choose("#image", browser.Eval[string](tab, `document.querySelector("#image").options[1].value`))
	tab.Type("#labels", "rack-7, lab")
	tab.Click("#save")
	tab.At("/ui/machines?saved=")
	tab.Says("[data-flash]", mac+" is saved.")
	tab.Says("#list", "debian-13.img.zst")
	tab.Says("#list", "rack-7")

	tab.Live()
	mark(tab)
	s.startFlash(mac)
	tab.Says("tr:first-child", "live env running")
	for _, done := range []int64{500_000_000, 1_000_000_000, 1_500_000_000} {
		s.progress(mac, "write", done, 2_000_000_000, 200_000_000)
		tab.Until(fmt.Sprintf(`document.querySelector("tbody progress")?.value === %d`, done/20_000_000))
	}
	tab.Says("tr:first-child", "75 %")
	s.do("POST", "/pxe/"+mac+"/status", map[string]any{"status": "failed", "reason": "no disk has the serial"})
	tab.Says("tr:first-child", "failed")
	marked(tab)

	tab.Go("/ui/dashboard")
	tab.Says("#now", "no disk has the serial")
	tab.Click("#now form button")
	tab.At("/ui/machines/" + mac + "?saved=armed")
	tab.Says("[data-flash]", "Armed")
	tab.Says("#now", "pending flash")
	tab.Live()
	mark(tab)
	s.startFlash(mac)
	s.progress(mac, "write", 1_000_000_000, 2_000_000_000, 200_000_000)
	tab.Until(`document.querySelector("#now progress")?.value === 50`)
	s.do("POST", "/pxe/"+mac+"/status", map[string]any{"status": "done"})
	tab.Says("#now", "flashed; booting disk")
	tab.Says("#events", "has been flashed")
	marked(tab)
}

// mark makes it visible when the page is loaded anew.
func mark(t *browser.Tab) { t.Helper(); browser.Eval[bool](t, "window.marked = true") }

func marked(t *browser.Tab) {
	t.Helper()
	if !browser.Eval[bool](t, "!!window.marked") {
		t.Error("the page was loaded anew")
	}
}

func TestAddAndForget(t *testing.T) {
	s := start(t)
	tab := s.tab()
	tab.Go("/ui/machines")
	tab.Type("#mac", "nonsense")
	tab.Press("\r")
	tab.Says("[data-flash]", "is no MAC")
	tab.Type("#mac", "5254.00d0.0001")
	tab.Press("\r")
	tab.At("/ui/machines/52:54:00:d0:00:01?saved=added")
	tab.Says("[data-flash]", "is added")

	tab.Click("#forget")
	tab.Until(`document.querySelector("dialog").open`)
	tab.Axe()
	tab.Press("\x1b") // Escape
	tab.Until(`!document.querySelector("dialog").open`)
	tab.Click("#forget")
	tab.Click("dialog [data-close]")
	tab.Until(`!document.querySelector("dialog").open`)
	tab.Click("#forget")
	tab.Click("dialog .btn-danger")
	tab.Says("[data-flash]", "52:54:00:d0:00:01 is forgotten")
}

// TestThousand filters, sorts and pages a thousand machines. The state of the list is in the URL.
func TestThousand(t *testing.T) {
	s := start(t)
	s.thousand()
	tab := s.tab()
	tab.Go("/ui/machines?per_page=100")
	tab.Says(".pager .range", "1-100 of 1000")
	tab.Axe()
	mark(tab)
	tab.Click("#page-2")
	tab.Says(".pager .range", "101-200 of 1000")
	tab.At("/ui/machines?page=2&per_page=100")
	tab.Click("#sort-mac")
	tab.Says("tbody tr:first-child", "52:54:00:e0:03:e7")
	tab.Click("#filter-assigned")
	tab.Says("#list", "Nothing matches")
	tab.Click("#filter-all")
	tab.Says(".pager .range", "1-100 of 1000")
	tab.Type("#q", "rack-7")
	tab.Says(".pager .range", "1-100 of 100")
	for name, value := range map[string]string{"dir": "desc", "per_page": "100", "q": "rack-7", "sort": "mac", "page": ""} {
		tab.Until(fmt.Sprintf(`(new URLSearchParams(location.search).get(%q) ?? "") === %q`, name, value))
	}
	if focus := browser.Eval[string](tab, "document.activeElement.id"); focus != "q" {
		t.Errorf("the focus went from the search box to %q", focus)
	}
	marked(tab)
	browser.Eval[bool](tab, "(location.reload(), true)")
	tab.Says("tbody tr:first-child", "52:54:00:e0:03:e5") // the newest of rack-7, as before
	tab.Type("#q", "52-54-00-e0-00-2a")
	tab.Says(".pager .range", "1-1 of 1")
	browser.Eval[bool](tab, "(history.back(), true)")
	tab.Says(".pager .range", "1-100 of 100")
}

// thousand adds as many machines, ten racks of them.
func (s *server) thousand() {
	s.Helper()
	var work sync.WaitGroup
	for lane := range 8 {
		work.Go(func() {
			for i := lane; i < 1000; i += 8 {
				request, _ := http.NewRequest("PUT", fmt.Sprintf("%s/machines/52:54:00:e0:%02x:%02x", s.address, i/256, i%256), strings.NewReader(fmt.Sprintf(`{"labels":["rack-%d"]}`, (i+0)%10)))
				request.Header.Set("Content-Type", "application/json")
				answer, err := s.http.Do(request)
				if err != nil || answer.StatusCode != http.StatusOK {
					s.Errorf("%d: %v", i, err)
					return
				}
				answer.Body.Close()
			}
		})
	}
	work.Wait()
}

// TestExpiredSession: that nobody is signed in any more is shown, wherever it comes out.
func TestExpiredSession(t *testing.T) {
	s := start(t)
	s.do("POST", "/ui/machines", url.Values{"mac": {"525400f00001"}})
	tab := s.tab()
	tab.Allow("401 (Unauthorized)", "Error Code 401", "[object Event]") // htmx says it there, too
	tab.Go("/ui/machines")
	tab.Live()
	tab.ForgetCookies()
	s.do("GET", "/pxe/52:54:00:f0:00:01", nil) // the row asks for itself anew
	tab.Says("#signed-out", "You are signed out")
	tab.Until(`document.getElementById("live").innerText === "signed out"`)
	tab.Axe()
	tab.Shot(picture("signed-out", browser.Desktop))
	tab.Click("#signed-out a")
	tab.At("/ui/login?next=%2Fui%2Fmachines")
	tab.Type("#password", password+"\r")
	tab.At("/ui/machines")

	tab.Go("/ui/machines/52:54:00:f0:00:01")
	tab.ForgetCookies()
	tab.Click("#forget") // asks by script
	tab.Says("#signed-out", "You are signed out")
	tab.Go("/ui/login")
	tab.Type("#password", password+"\r")
	tab.At("/ui/dashboard")
	tab.Go("/ui/machines/52:54:00:f0:00:01")
	tab.ForgetCookies()
	tab.Click("#save") // a form
	tab.At("/ui/login?expired=1")
	tab.Says("main", "nothing was saved")
}

// TestServerAway: the page says so, and goes on when it is back.
func TestServerAway(t *testing.T) {
	s := start(t)
	s.do("POST", "/ui/machines", url.Values{"mac": {"525400f00001"}})
	tab := s.tab()
	tab.Allow("ERR_", "[object Event]")
	tab.Go("/ui/machines")
	tab.Live()
	mark(tab)
	s.end()
	tab.Until(`document.getElementById("live").innerText === "offline"`)
	s.begin()
	tab.Live()
	s.do("GET", "/pxe/52:54:00:f0:00:01", nil)
	tab.Says("tbody", "127.0.0.1")
	marked(tab)
}

// TestHiddenTab: a tab that nobody looks at holds no connection, and catches up when somebody does.
func TestHiddenTab(t *testing.T) {
	s := start(t)
	s.thousand()
	tab := s.tab()
	tab.Go("/ui/machines?per_page=50")
	tab.Live()
	mark(tab)
	hidden := func(is bool) {
		browser.Eval[bool](tab, fmt.Sprintf(`(Object.defineProperty(document, "hidden", {value: %v, configurable: true}), document.dispatchEvent(new Event("visibilitychange")))`, is))
	}
	hidden(true)
	tab.Until(`document.getElementById("live").innerText === "paused"`)
	s.do("GET", "/pxe/52:54:00:e0:00:03", nil)
	hidden(false)
	tab.Live()
	tab.Says("#m-52-54-00-e0-00-03", "127.0.0.1")
	s.do("GET", "/pxe/52:54:00:e0:00:04", nil) // and stays up to date
	tab.Says("#m-52-54-00-e0-00-04", "127.0.0.1")
	marked(tab)
}

// TestWithoutScripts: the pages work without any.
func TestWithoutScripts(t *testing.T) {
	s := start(t)
	s.live()
	ref := s.image("debian-13.img.zst", 2_000_000_000)
	s.discover("52:54:00:f0:00:01", "PowerEdge", 1)
	tab := s.tab()
	tab.WithoutScripts()
	tab.Go("/ui/machines")
	tab.Click("tbody a.mac")
	tab.At("/ui/machines/52:54:00:f0:00:01")
	tab.Click(`label[for="mode-bty-tui"]`)
	tab.Click("#save")
	tab.At("/ui/machines?saved=")
	tab.Says("tbody", "tui")
	tab.Go("/ui/machines/52:54:00:f0:00:01/delete")
	tab.Click(".btn-danger")
	tab.Says("[data-flash]", "is forgotten")
	_ = ref
}

// TestKeyboard: who uses no mouse gets everywhere, and sees where they are.
func TestKeyboard(t *testing.T) {
	s := start(t)
	s.do("POST", "/ui/machines", url.Values{"mac": {"525400f00001"}})
	tab := s.tab()
	tab.Go("/ui/machines")
	tab.Press("\t")
	if text := browser.Eval[string](tab, "document.activeElement.innerText"); text != "Skip to the content" {
		t.Errorf("the first stop is %q", text)
	}
	tab.Until(`document.activeElement.getBoundingClientRect().top >= 0`)
	tab.Press("\r")
	tab.Until(`location.hash === "#main"`)
	for range 40 {
		tab.Press("\t")
		if browser.Eval[bool](tab, `document.activeElement.matches("tbody a.mac")`) {
			break
		}
		if outline := browser.Eval[string](tab, `getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).boxShadow`); outline == "nonenone" {
			t.Errorf("nothing shows that the focus is on %s", browser.Eval[string](tab, "document.activeElement.outerHTML"))
		}
	}
	tab.Press("\r")
	tab.At("/ui/machines/52:54:00:f0:00:01")
}

// TestSmallThings: copying over plain HTTP, colours that are remembered, a form that is sent once.
func TestSmallThings(t *testing.T) {
	s := start(t)
	s.do("POST", "/ui/machines", url.Values{"mac": {"525400f00001"}})
	tab := s.tab()
	tab.Go("/ui/machines/52:54:00:f0:00:01")
	if browser.Eval[bool](tab, "isSecureContext") {
		t.Fatal("this is not how the appliance is reached")
	}
	tab.Click("h1 [data-copy]")
	tab.Until(`document.querySelector("h1 .copied")`)
	tab.Click("[data-theme-toggle]")
	tab.Until(`document.documentElement.dataset.bsTheme === "dark"`)
	tab.Go("/ui/dashboard")
	tab.Until(`document.documentElement.dataset.bsTheme === "dark"`)
	tab.Click("[data-theme-toggle]")
	tab.Until(`document.documentElement.dataset.bsTheme === "light"`)

	tab.Go("/ui/machines/52:54:00:f0:00:01")
	browser.Eval[bool](tab, `(document.querySelector(".assign").requestSubmit(), document.querySelector(".assign").requestSubmit(), true)`)
	tab.At("/ui/machines?saved=")
	if saved := strings.Count(s.do("GET", "/events?kind=machine.upserted", nil), `"kind":`); saved != 1 {
		t.Errorf("the form was sent %d times", saved)
	}
	tab.Look(browser.Phone)
	tab.Go("/ui/dashboard")
	tab.Click(".navbar-toggler")
	tab.Until(`document.querySelector("#nav.show")`)
	tab.Axe()
	tab.Shot(picture("menu", browser.Phone))
	tab.Click(`#nav a[href="/ui/machines"]`)
	tab.At("/ui/machines")
}
