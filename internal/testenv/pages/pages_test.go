package pages

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bty/internal/testenv/browser"
	"bty/internal/web"
)

// aPage is one page in the state that its picture shows.
type aPage struct {
	name string // of its pictures
	path string
	says string // words that its main part must say
}

// pages are looked at with every view: no trouble in the console, nothing that axe-core finds
// serious, a picture. A new page is one line here, and what it shows is made in furnish.
var pages = []aPage{
	{"dashboard", "/ui/dashboard", "Needs attention"},
	{"machines", "/ui/machines", flashed},
	{"machine-writing", "/ui/machines/" + writing, "60 %"},
	{"machine-failed", "/ui/machines/" + failed, "digest of the image"},
	{"machine-fresh", "/ui/machines/" + fresh, "Samsung"},
	{"machine-typed", "/ui/machines/" + typed, "has not reported its hardware"},
	{"machine-forget", "/ui/machines/" + typed + "/delete", "Its assignment"},
	{"machines-no-match", "/ui/machines?q=nothing-like-it", "Nothing matches"},
	{"events", "/ui/events", "asked what to boot"},
	{"events-narrowed", "/ui/events?filter=failed&actor=operator", "Nothing matches"},
	{"netboot", "/ui/netboot", "which is for BIOS"},
	{"netboot-tftp-stop", "/ui/netboot/tftp/stop", "Its port is closed"},
	{"api", "/ui/api", "/catalog/import"},
	{"api-route", "/ui/api/putMachinesMac", "at most 16"},
	{"api-no-match", "/ui/api?q=nothing-like-it", "No route is like that"},
	{"netboot-delete", "/ui/netboot/files/bty-live-x86_64.initrd/delete", "start this live environment"},
	{"images", "/ui/images", "debian-13-x86_64.img.zst"},
	{"image", "/ui/images/" + imageRef, "What it is"},
	{"images-add", "/ui/images/add", "One image by its URL"},
	{"image-uncache", "/ui/images/cache/delete?sha256=" + strings.Repeat("ab", 32), "The catalog keeps the image"},
	{"image-delete", "/ui/images/" + imageRef + "/delete", "bound to it"},
	{"backups", "/ui/backups", "verified"},
	{"settings", "/ui/settings", "Where things are fetched from"},
	{"account", "/ui/account", "Prometheus"},
	{"account-sign-out", "/ui/account/sign-out", "has to log in again"},
	{"api", "/ui/api", "/pxe/{mac}"},
	{"not-found", "/ui/nothing", "404"},
}

// documented are the pages whose pictures the documentation has.
var documented = []string{"dashboard", "machines", "machine-writing", "machine-failed", "images", "rules", "netboot", "events", "backups", "settings", "account", "login"}

// picture is where a picture goes: into the documentation if that is to be updated.
func picture(name string, view browser.View) string {
	folder := "../../../build/screenshots"
	if os.Getenv("UPDATE") != "" && slices.Contains(documented, name) {
		folder = "../../../docs/screenshots"
	}
	return filepath.Join(folder, name+"-"+view.Name+".png")
}

func TestPages(t *testing.T) {
	s := start(t)
	furnish(s)
	tab := s.tab()
	tab.Allow("404 (Not Found)") // the page that is not there
	for _, p := range pages {
		t.Run(p.name, func(t *testing.T) {
			tab.TB = t
			look(tab, p)
		})
	}
	tab.TB = t
}

func look(tab *browser.Tab, p aPage) {
	tab.Helper()
	tab.Look(browser.Desktop)
	tab.Go(p.path)
	tab.Says("main", p.says)
	for _, view := range browser.Views {
		tab.Look(view)
		if view != browser.PhoneDark { // has the colours of one and the layout of another
			tab.Axe()
		}
		if view.Phone {
			fits(tab)
		}
		tab.Shot(picture(p.name, view))
	}
	tab.Clean()
}

// fits fails when the page is wider than the phone: what is wide scrolls by itself.
func fits(tab *browser.Tab) {
	tab.Helper()
	if over := browser.Eval[int](tab, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
		tab.Errorf("%s: %d pixels wider than the phone", tab.Path(), over)
	}
}

// elsewhere are the routes under /ui/ that answer a GET and are no page of the table, and why.
var elsewhere = map[string]string{
	"GET /ui/login":                      "TestSignIn looks at it",
	"GET /ui/session":                    "answers a script",
	"GET /ui/machines/{mac}/row":         "is a part of a page",
	"GET /ui/images/cache":               "is a part of a page",
	"GET /ui/netboot/now":                "is a part of a page",
	"GET /ui/netboot/tftp":               "is a part of a page",
	"GET /ui/netboot/doctor":             "is a part of a page",
	"GET /ui/backups/{id}/download":      "is a download",
	"GET /ui/backups/now":                "is a part of a page",
	"GET /ui/backups/{id}/restore":       "TestBackUpAndRestore looks at it",
	"GET /ui/backups/{id}/delete":        "TestBackUpAndRestore looks at it",
	"GET /ui/account/tokens/{id}/revoke": "TestToken looks at it",
	"GET /ui/rules/{id}":                 "TestRules looks at it",
}

// TestEveryPageIsLookedAt: who adds a page adds its line.
func TestEveryPageIsLookedAt(t *testing.T) {
	mux := http.NewServeMux()
	missing := map[string]bool{}
	for _, pattern := range web.Patterns(web.Config{}) {
		if strings.HasPrefix(pattern, "GET /ui/") && elsewhere[pattern] == "" {
			missing[pattern] = true
			mux.Handle(pattern, http.NotFoundHandler())
		}
	}
	for _, p := range slices.Concat(pages, rulePages) {
		_, pattern := mux.Handler(httptest.NewRequest("GET", p.path, nil))
		delete(missing, pattern)
	}
	for pattern := range missing {
		t.Errorf("%s is in no line of the table of pages", pattern)
	}
}
