package pages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/testenv/browser"
)

// programs are what works for the operator of the rack.
func (s *server) programs() {
	s.Helper()
	reader := s.object("POST", "/api/v1/tokens", map[string]any{"name": "Prometheus", "scope": "read"})
	s.object("POST", "/api/v1/tokens", map[string]any{"name": "image pipeline", "scope": "write", "expires_at": "2099-01-01T00:00:00Z"})
	s.curl(reader["secret"].(string), "/machines")
}

// curl asks as a script would, with an API token.
func (s *server) curl(secret, path string) string {
	s.Helper()
	out, err := exec.Command("curl", "-sS", "--max-time", "20", "-H", "Authorization: Bearer "+secret, s.address+path).CombinedOutput()
	if err != nil {
		s.Fatalf("curl: %v %s (apt-get install curl)", err, out)
	}
	return string(out)
}

// TestChangeSetting changes settings as an operator does, sees what came of it, and finds it in
// the file.
func TestChangeSetting(t *testing.T) {
	s := start(t)
	tab := s.tab()
	tab.Go("/ui/settings")
	tab.Type("#display_timezone", "Asia/Tokyo\r")
	tab.Says("[data-flash]", "Saved: the time zone")
	tab.Says("footer", "JST")
	tab.Type("#display_timezone", "Mars/Base\r")
	tab.Says("[data-flash]", "IANA")

	field := `[id="f-boot.max_attempts"]`
	tab.Type(field, "0\r")
	tab.Says("[data-flash]", "boot.max_attempts must be a whole number from 1 to 1000")
	tab.Axe()
	tab.Type(field, "7\r")
	tab.Says("[data-flash]", "Saved in the configuration file")
	tab.Says("#pending", "systemctl restart bty-web")
	tab.Says(`[id="boot.max_attempts"]`, "none.toml:2")
	tab.Axe()
	written, err := os.ReadFile(filepath.Join(filepath.Dir(s.state), "none.toml"))
	if err != nil || string(written) != "[boot]\nmax_attempts = 7\n" {
		t.Errorf("%q %v", written, err)
	}
	tab.Click(`[id="boot.max_attempts"] button[title^="Remove"]`)
	tab.Until(`!document.querySelector("#pending")`) // what was taken back waits for nothing
	tab.Says("[data-flash]", "Saved in the configuration file")
	tab.Clean()
}

// TestToken makes a token that a script uses at once, and takes it back.
func TestToken(t *testing.T) {
	s := start(t)
	tab := s.tab()
	tab.Go("/ui/account")
	tab.Says("main", "No program has a token")
	tab.Axe()
	tab.Type("#name", "ci")
	tab.Choose("#scope", "read")
	tab.Click(`form[action="/ui/account/tokens"] button`)
	tab.Says("main", "Copy it now")
	for _, view := range browser.Views {
		tab.Look(view)
		tab.Axe()
	}
	tab.Look(browser.Desktop)
	secret := browser.Eval[string](tab, `document.querySelector("#secret").textContent`)
	if out := s.curl(secret, "/machines"); out != "[]" {
		t.Errorf("curl with the token: %s", out)
	}
	tab.Go("/ui/account")
	tab.Says("main table", "127.0.0.1")
	tab.Click("main table a[data-dialog]")
	tab.Says("#dialog", "refused from now on")
	tab.Axe()
	tab.Click("#dialog .btn-danger")
	tab.Says("[data-flash]", "revoked")
	if out := s.curl(secret, "/machines"); !strings.Contains(out, "may have been revoked") {
		t.Errorf("curl with a revoked token: %s", out)
	}
	tab.Clean()
}
