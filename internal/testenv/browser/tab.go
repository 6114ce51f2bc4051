package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a tab waits for what it is told to expect.
const patience = 30 * time.Second

// Tab is a page that somebody looks at, with cookies and storage of its own.
type Tab struct {
	testing.TB
	ctx  context.Context
	base string

	mu      sync.Mutex
	trouble []string
	allowed []string
}

// Tab opens one on a server, in the desktop's size and light colours.
func (b *Browser) Tab(t testing.TB, base string) *Tab {
	t.Helper()
	tab := &Tab{TB: t, base: base}
	ctx, leave := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(tab.listen))
	tab.ctx = ctx
	t.Cleanup(func() {
		leave()
		tab.Clean()
	})
	if _, err := chromedp.Run(ctx, chromedp.Title()); err != nil { // a tab lives as long as the context of its first action
		t.Fatalf("open a tab: %v", err)
	}
	call(tab, log.Enable, cdp.Empty{})
	tab.Look(Desktop)
	return tab
}

// listen takes note of what went wrong.
func (t *Tab) listen(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
			t.note("console: %s", arguments(ev.Args))
		}
	case *runtime.EventExceptionThrown:
		t.note("exception: %s", exception(ev.ExceptionDetails))
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			t.note("%s: %s %s", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(ev.Request.URL); err == nil && strings.HasPrefix(u.Scheme, "http") && u.Hostname() != Host {
			t.note("asks another origin: %s", ev.Request.URL)
		}
	case *network.EventLoadingFailed:
		if !ev.Canceled && ev.ErrorText != "net::ERR_ABORTED" {
			t.note("failed: %s", ev.ErrorText)
		}
	}
}

func arguments(args []*runtime.RemoteObject) string {
	var said []string
	for _, a := range args {
		if a.Description != "" {
			said = append(said, a.Description)
		} else {
			said = append(said, string(a.Value))
		}
	}
	return strings.Join(said, " ")
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Exception.Description
	}
	return d.Text
}

func (t *Tab) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trouble = append(t.trouble, fmt.Sprintf(format, args...))
}

// Allow expects trouble that says one of the texts: a test that ends a session gets a 401.
func (t *Tab) Allow(texts ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.allowed = append(t.allowed, texts...)
}

// Clean fails the test for what went wrong so far.
func (t *Tab) Clean() {
	t.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.trouble {
		if !t.allows(one) {
			t.Errorf("browser: %s", one)
		}
	}
	t.trouble = nil
}

func (t *Tab) allows(trouble string) bool {
	for _, text := range t.allowed {
		if strings.Contains(trouble, text) {
			return true
		}
	}
	return false
}

func (t *Tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, t.state())
	}
}

// call sends a command of the protocol that chromedp has no action for.
func call[P, R any](t *Tab, command cdp.Command[P, R], params P) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		t.Fatalf("%s: %v", command.Method, err)
	}
}

// state is what the tab shows, for a test that failed.
func (t *Tab) state() string {
	ctx, cancel := context.WithTimeout(t.ctx, 2*time.Second)
	defer cancel()
	shown, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return shown[:min(len(shown), 3000)]
}

// Go opens a page and waits until it is loaded.
func (t *Tab) Go(path string) {
	t.Helper()
	t.do("open "+path, chromedp.Navigate(t.base+path))
}

// Path is where the tab is.
func (t *Tab) Path() string {
	t.Helper()
	return strings.TrimPrefix(Eval[string](t, "location.href"), t.base)
}

// Click clicks on the element that a CSS selector names, as a mouse does.
func (t *Tab) Click(selector string) {
	t.Helper()
	t.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type types into a field, after what is there is taken out.
func (t *Tab) Type(selector, text string) {
	t.Helper()
	t.do("clear "+selector, chromedp.Clear(chromedp.CSS(selector)))
	t.do("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Press presses a key or types without a field in mind.
func (t *Tab) Press(keys string) {
	t.Helper()
	t.do("press", chromedp.KeyEvent(keys))
}

// Choose picks the option of a select that has the value.
func (t *Tab) Choose(selector, value string) {
	t.Helper()
	ok := Eval[bool](t, fmt.Sprintf(`(() => { const s = document.querySelector(%s); if (!s) return false; s.value = %s;
		s.dispatchEvent(new Event("input", {bubbles: true})); s.dispatchEvent(new Event("change", {bubbles: true})); return s.value === %[2]s; })()`,
		quote(selector), quote(value)))
	if !ok {
		t.Fatalf("%s has no option %q\n%s", selector, value, t.state())
	}
}

// Upload gives a file to a file field.
func (t *Tab) Upload(selector, path string) {
	t.Helper()
	t.do("upload to "+selector, chromedp.SetUploadFiles(chromedp.CSS(selector), []string{path}))
}

// Text is what the element says.
func (t *Tab) Text(selector string) string {
	t.Helper()
	return Eval[string](t, fmt.Sprintf(`document.querySelector(%s)?.innerText ?? ""`, quote(selector)))
}

// Count is how many elements a selector names.
func (t *Tab) Count(selector string) int {
	t.Helper()
	return Eval[int](t, fmt.Sprintf(`document.querySelectorAll(%s).length`, quote(selector)))
}

// Eval is the value of an expression of the page's script.
func Eval[T any](t *Tab, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Until waits until an expression is true. A page that is on its way out has no value.
func (t *Tab) Until(expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.readyState !== "loading" && !!(`+expression+`)`, chromedp.EvalAwaitPromise))
		if err == nil && ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("never true: %s (%v)\n%s", expression, err, t.state())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Says waits until the element says the text.
func (t *Tab) Says(selector, text string) {
	t.Helper()
	t.Until(fmt.Sprintf(`[...document.querySelectorAll(%s)].some(e => e.innerText.includes(%s))`, quote(selector), quote(text)))
}

// At waits until the tab is at a path; what follows the path is ignored unless it is given.
func (t *Tab) At(path string) {
	t.Helper()
	t.Until(fmt.Sprintf(`(location.pathname + location.search).startsWith(%s) && document.readyState === "complete"`, quote(path)))
}

// Live waits until the page's live stream is open.
func (t *Tab) Live() { t.Helper(); t.Until(`document.getElementById("live").dataset.state === "live"`) }

// Cookie sets a cookie for the server.
func (t *Tab) Cookie(name, value string) {
	t.Helper()
	call(t, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: t.base, HTTPOnly: new(true)})
}

// ForgetCookies is what the end of a session is to a browser.
func (t *Tab) ForgetCookies() {
	t.Helper()
	call(t, network.ClearBrowserCookies, cdp.Empty{})
}

// WithoutScripts turns the page's scripts off, from the next page on.
func (t *Tab) WithoutScripts() {
	t.Helper()
	call(t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// View is what a page is looked at with.
type View struct {
	Name          string
	Width, Height int64
	Dark, Phone   bool
}

// The views that every page is looked at with.
var (
	Desktop     = View{Name: "desktop-light", Width: 1280, Height: 860}
	DesktopDark = View{Name: "desktop-dark", Width: 1280, Height: 860, Dark: true}
	Phone       = View{Name: "phone-light", Width: 390, Height: 844, Phone: true}
	PhoneDark   = View{Name: "phone-dark", Width: 390, Height: 844, Phone: true, Dark: true}
)

// Views is all of them.
var Views = []View{Desktop, DesktopDark, Phone, PhoneDark}

// Look changes the view.
func (t *Tab) Look(v View) {
	t.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[v.Dark]
	var options []chromedp.EmulateViewportOption
	if v.Phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	t.do("look at "+v.Name, chromedp.EmulateViewport(v.Width, v.Height, options...))
	call(t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

func quote(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return string(raw)
}
