package systemd

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/browser"
	"bty/internal/testenv/roots"
	"bty/internal/tftp/probe"
)

// The Netboot page's start, stop and restart, through the API and D-Bus as the user bty; what polkit
// lets that user do and what not; and what is said where it cannot be done.
func TestTFTPControls(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.enable()
		o := signIn(h)
		t.Run("stop, start, restart", func(t *testing.T) { controls(t, h, o) })
		if h.Suite == roots.Trixie { // the page is the same on both
			t.Run("on the page", func(t *testing.T) { onThePage(t, h, o) })
		}
		t.Run("polkit allows no more", func(t *testing.T) { allowed(t, h) })
		t.Run("port taken", func(t *testing.T) { portTaken(t, h, o) })
		t.Run("without polkit", func(t *testing.T) { withoutPolkit(t, h, o) })
		t.Run("without D-Bus", func(t *testing.T) { withoutBus(t, h, o) })
	})
}

// operator is who signed in on the pages, somewhere on the LAN.
type operator struct {
	h    *host
	http *http.Client
}

func signIn(h *host) operator {
	h.t.Helper()
	client := h.client(false)
	client.Jar, _ = cookiejar.New(nil)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.PostForm(url("/ui/login"), neturl.Values{"password": {"bty-lab"}})
	if err != nil {
		h.t.Fatal(err)
	}
	answer.Body.Close()
	return operator{h, client}
}

func (o operator) do(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := o.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(raw)
}

// is sends a request whose answer must have a status and texts.
func (o operator) is(t *testing.T, method, path string, status int, says ...string) string {
	t.Helper()
	got, body := o.do(t, method, path, "")
	if got != status {
		t.Fatalf("%s %s: %d, want %d: %.500s", method, path, got, status, body)
	}
	for _, text := range says {
		if !strings.Contains(body, text) {
			t.Errorf("%s %s does not say %q: %.900s", method, path, text, body)
		}
	}
	return body
}

// told is what the tests read of GET /api/v1/tftp.
type told struct {
	Known   bool     `json:"known"`
	Reason  string   `json:"reason"`
	Refused string   `json:"refused"`
	Socket  toldUnit `json:"socket"`
	Service toldUnit `json:"service"`
}

type toldUnit struct {
	Active string `json:"active_state"`
	Sub    string `json:"sub_state"`
}

func (o operator) tftp(t *testing.T) (state told) {
	t.Helper()
	time.Sleep(time.Second) // a look counts for less
	if err := json.Unmarshal([]byte(o.is(t, "GET", "/api/v1/tftp", 200)), &state); err != nil {
		t.Fatal(err)
	}
	return state
}

// asks asks for a file over TFTP, as a machine on the LAN.
func asks(t *testing.T, h *host) (a probe.Answer) {
	t.Helper()
	err := h.LAN.Inside(func() error { a = probe.Ask(t.Context(), IP, 69, "autoexec.ipxe"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// open reports whether anything listens on UDP port 69 (0x45), as the kernel says.
func isOpen(h *host) bool {
	h.t.Helper()
	return strings.Contains(h.run("cat", "/proc/net/udp", "/proc/net/udp6"), ":0045 ")
}

func controls(t *testing.T, h *host, o operator) {
	state := o.tftp(t)
	if !state.Known || state.Refused != "" || state.Socket.Active != "active" || state.Socket.Sub != "listening" || state.Service.Active != "inactive" {
		t.Fatalf("at first: %+v", state)
	}
	if a := asks(t, h); a.Outcome != probe.Serves {
		t.Fatalf("%+v", a)
	}
	if state = o.tftp(t); state.Service.Active != "active" {
		t.Errorf("after a request: %+v", state.Service)
	}
	o.is(t, "GET", "/ui/netboot", 200, "running", "Restart", "bty-tftp.service", "active (running)")

	o.is(t, "POST", "/api/v1/tftp/stop", 200)
	for _, unit := range []string{"bty-tftp.socket", "bty-tftp.service"} {
		if got := h.property(unit, "ActiveState"); got != "inactive" {
			t.Errorf("%s is %s after a stop", unit, got)
		}
	}
	if isOpen(h) {
		t.Error("the port is open after a stop")
	}
	if a := asks(t, h); a.Outcome != probe.Silent || isOpen(h) {
		t.Errorf("%+v after a stop", a)
	}
	o.is(t, "GET", "/ui/netboot", 200, "stopped", "Start")
	o.is(t, "POST", "/api/v1/tftp/restart", 409, "start it instead")

	o.is(t, "POST", "/api/v1/tftp/start", 200)
	if got := h.property("bty-tftp.socket", "ActiveState"); got != "active" || !isOpen(h) {
		t.Errorf("the socket is %s after a start", got)
	}
	if a := asks(t, h); a.Outcome != probe.Serves {
		t.Errorf("the first request after a start: %+v", a)
	}
	before := h.property("bty-tftp.service", "MainPID")
	o.is(t, "POST", "/api/v1/tftp/restart", 200)
	if after := h.property("bty-tftp.service", "MainPID"); after == before || after == "0" {
		t.Errorf("a restart: process %s before, %s after", before, after)
	}
	if a := asks(t, h); a.Outcome != probe.Serves {
		t.Errorf("after a restart: %+v", a)
	}
	for _, kind := range []string{"started", "stopped", "restarted"} {
		o.is(t, "GET", "/events?kind=netboot.tftp."+kind, 200, `"kind":"netboot.tftp.`+kind+`"`)
	}
	o.is(t, "GET", "/events?kind=netboot.tftp.control.failed", 200, "start it instead")
}

// onThePage has the operator do it in a browser, and look on while others do something at a terminal.
func onThePage(t *testing.T, h *host, o operator) {
	b, err := browser.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	tab := b.Tab(t, browser.URL("http://"+door(t, h)))
	at, _ := neturl.Parse(url("/"))
	for _, c := range o.http.Jar.Cookies(at) {
		tab.Cookie(c.Name, c.Value)
	}
	tab.Look(browser.Desktop)
	tab.Go("/ui/netboot")
	tab.Live()
	tab.Says("#tftp", "bty-tftp.service")
	const scrolled = `scrollTo(0, 400), window.here = scrollY`
	browser.Eval[float64](tab, scrolled)
	h.run("systemctl", "stop", "bty-tftp.socket", "bty-tftp.service")
	tab.Until(`document.querySelector("#tftp .card-head .tag").textContent === "stopped" && document.getElementById("tftp-start") !== null`)
	if moved := browser.Eval[float64](tab, `scrollY - window.here`); moved != 0 { // NaN were it another page
		t.Errorf("the page jumped by %v", moved)
	}
	tab.Click("#tftp-start")
	tab.Says(".notice.good", "The TFTP daemon listens")

	fetch, err := h.LAN.Start(testenv.Program{Path: "curl", Args: []string{"--silent", "--show-error", "--output", "/dev/null", "tftp://" + IP + "/autoexec.ipxe"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fetch.Wait(t.Context()); err != nil {
		t.Fatal(err, fetch.Log.Tail(5))
	}
	tab.Until(`document.querySelector("#tftp").textContent.includes("autoexec.ipxe") && document.querySelector("#tftp .card-head .tag").textContent === "running"`)
	tab.Click("#tftp-restart")
	tab.Says(".notice.good", "The TFTP daemon was restarted")
	for _, view := range []browser.View{browser.Desktop, browser.PhoneDark} {
		tab.Look(view)
		tab.Axe()
		tab.Shot(filepath.Join(buildDir(t), "screenshots", "netboot-systemd-"+view.Name+".png"))
	}
	tab.Look(browser.Desktop)
	tab.Click("#tftp-stop")
	tab.Says("#dialog", "Stop the TFTP daemon?")
	tab.Click("#dialog .btn-danger")
	tab.Says(".notice.good", "its port is closed")
	tab.Until(`document.getElementById("now").textContent.includes("no answer")`) // it was asked again
	if isOpen(h) {
		t.Error("the port is open")
	}
	tab.Click("#tftp-start")
	tab.Says(".notice.good", "The TFTP daemon listens")
	tab.Clean()
}

// door is an address on this machine that leads to the appliance's pages.
func door(t *testing.T, h *host) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			outer, err := listener.Accept()
			if err != nil {
				return
			}
			inner, err := h.LAN.DialContext(t.Context(), "tcp", net.JoinHostPort(IP, "8080"))
			if err != nil {
				outer.Close()
				continue
			}
			go func() { _, _ = io.Copy(inner, outer); inner.Close() }()
			go func() { _, _ = io.Copy(outer, inner); outer.Close() }()
		}
	}()
	return listener.Addr().String()
}

// allowed asks systemd directly, as the user bty and as another.
func allowed(t *testing.T, h *host) {
	call := func(user, method string, args ...string) error {
		_, err := h.try("runuser", append([]string{"-u", user, "--", "busctl", "--system", "call", "org.freedesktop.systemd1",
			"/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", method}, args...)...)
		return err
	}
	for _, yes := range [][2]string{{"StopUnit", "bty-tftp.socket"}, {"StopUnit", "bty-tftp.service"}, {"StartUnit", "bty-tftp.socket"}, {"RestartUnit", "bty-tftp.service"}} {
		if err := call("bty", yes[0], "ss", yes[1], "replace"); err != nil {
			t.Errorf("bty may not %v: %v", yes, err)
		}
		if err := call("nobody", yes[0], "ss", yes[1], "replace"); err == nil {
			t.Errorf("nobody may %v", yes)
		}
	}
	for _, no := range [][2]string{
		{"StopUnit", "bty-web.service"}, {"StopUnit", "bty-web.socket"}, {"RestartUnit", "bty-web.service"}, {"StartUnit", "bty-tftp.service"},
		{"RestartUnit", "bty-tftp.socket"}, {"TryRestartUnit", "bty-tftp.socket"}, {"ReloadUnit", "bty-tftp.service"}, {"StopUnit", "dbus.service"},
		{"StartUnit", "rescue.target"}, {"StopUnit", "bty-tftp@x.socket"}, {"StartUnit", "bty-tftp.socket@../../x.service"}, {"StopUnit", "bty-tftp.socket.service"},
		{"StopUnit", "/etc/bty-tftp.socket"}, {"StartUnit", "bty-tftp.socket bty-web.service"},
	} {
		if err := call("bty", no[0], "ss", no[1], "replace"); err == nil {
			t.Errorf("bty may %v", no)
		}
	}
	for _, no := range [][]string{
		{"KillUnit", "ssi", "bty-tftp.service", "all", "9"}, {"MaskUnitFiles", "asbb", "1", "bty-tftp.socket", "true", "false"},
		{"DisableUnitFiles", "asb", "1", "bty-tftp.socket", "true"}, {"Reload", ""}, {"Reboot", ""},
		{"SetUnitProperties", "sba(sv)", "bty-tftp.service", "true", "1", "MemoryMax", "t", "1"},
		{"StartTransientUnit", "ssa(sv)a(sa(sv))", "bty-tftp.socket", "replace", "0", "0"},
	} {
		if err := call("bty", no[0], no[1:]...); err == nil {
			t.Errorf("bty may %v", no)
		}
	}
	if got := h.property("bty-tftp.socket", "ActiveState") + h.property("bty-web.socket", "ActiveState"); got != "activeactive" {
		t.Error("after all of that:", got)
	}
}

func portTaken(t *testing.T, h *host, o operator) {
	o.is(t, "POST", "/api/v1/tftp/stop", 200)
	h.run("systemd-run", "--quiet", "--unit=taken", "perl", "-MIO::Socket::INET", "-e",
		`my $taken = IO::Socket::INET->new(Proto => "udp", LocalPort => 69) or die $@; sleep`) // without SO_REUSEADDR
	for limit := time.Now().Add(10 * time.Second); !isOpen(h); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("nobody takes the port")
		}
	}
	o.is(t, "POST", "/api/v1/tftp/start", 503, "another program may have UDP port 69", "ss -lnup")
	if state := o.tftp(t); state.Socket.Active != "failed" {
		t.Errorf("%+v", state.Socket)
	}
	o.is(t, "GET", "/ui/netboot", 200, `title="systemctl status bty-tftp.socket bty-tftp.service says why."`)
	h.run("systemctl", "stop", "taken.service")
	o.is(t, "POST", "/api/v1/tftp/start", 200)
	if a := asks(t, h); a.Outcome != probe.Serves {
		t.Errorf("%+v", a)
	}
}

// withoutPolkit: at first it cannot be started, then it is not there at all.
func withoutPolkit(t *testing.T, h *host, o operator) {
	const stop = "systemctl stop bty-tftp.socket bty-tftp.service"
	h.run("systemctl", "mask", "--runtime", "--now", "polkit.service")
	o.is(t, "POST", "/api/v1/tftp/stop", 403, "polkit does not allow it", stop)
	h.run("rm", "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service")
	h.run("busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
	if state := o.tftp(t); !state.Known || !strings.Contains(state.Refused, "polkit is not installed") || state.Socket.Active != "active" {
		t.Errorf("%+v", state)
	}
	o.is(t, "POST", "/api/v1/tftp/stop", 409, "polkit is not installed", stop)
	page := o.is(t, "GET", "/ui/netboot", 200, "bty-tftp.socket", "polkit is not installed", stop)
	if strings.Contains(page, `action="/ui/netboot/tftp/`) {
		t.Error("the page offers what cannot be done")
	}
	if h.property("bty-tftp.socket", "ActiveState") != "active" {
		t.Error("it was stopped")
	}
}

func withoutBus(t *testing.T, h *host, o operator) {
	h.run("systemctl", "stop", "dbus.socket", "dbus.service")
	if state := o.tftp(t); state.Known || !strings.Contains(state.Reason, "D-Bus") {
		t.Errorf("%+v", state)
	}
	o.is(t, "POST", "/api/v1/tftp/restart", 409, "D-Bus", "systemctl restart bty-tftp.service")
	o.is(t, "GET", "/ui/netboot", 200, "not known", "systemctl restart bty-tftp.service")
	if a := asks(t, h); a.Outcome != probe.Serves {
		t.Errorf("%+v", a)
	}
}
