package systemd

import (
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"strings"
	"testing"

	"bty/internal/testenv/roots"
)

const secret = "correct-horse-battery-staple"

// The password comes as a credential, is right, and is nowhere else to be seen.
func TestPasswordAsCredential(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.write("/etc/credstore/bty.admin-password", secret+"\n", 0o600)
		h.start()
		h.opens(secret, true)
		h.opens("bty-lab", false)
		h.nowhere(secret)

		// A hash of it, as docs/install.md makes one.
		h.run("sh", "-c", "printf hashed-"+secret+" | bty-web hash-password | install -m 600 /dev/stdin /etc/credstore/bty.admin-password")
		h.run("systemctl", "restart", "bty-web.service")
		h.opens("hashed-"+secret, true)

		// Encrypted for this host, with the drop-in that is shipped.
		h.run("rm", "/etc/credstore/bty.admin-password")
		h.run("sh", "-c", "mkdir -p /etc/credstore.encrypted && printf another-"+secret+" | systemd-creds encrypt --with-key=host --name=bty.admin-password - /etc/credstore.encrypted/bty.admin-password")
		if sealed := h.run("cat", "/etc/credstore.encrypted/bty.admin-password"); strings.Contains(sealed, secret) {
			t.Fatal("it is not encrypted")
		}
		h.useDropIn("bty-web.service.d/encrypted-password.conf")
		h.run("systemctl", "restart", "bty-web.service")
		h.opens("another-"+secret, true)
		h.opens(secret, false)
		h.nowhere("another-" + secret)

		// Imported, as credentials of the firmware are too.
		if h.Suite == roots.Bookworm {
			return // systemd 252 knows no ImportCredential=
		}
		h.run("rm", "/etc/systemd/system/bty-web.service.d/encrypted-password.conf")
		h.useDropIn("bty-web.service.d/import-credentials-254.conf")
		h.run("systemctl", "restart", "bty-web.service")
		h.opens("another-"+secret, true)
	})
}

// A credential that is missing, empty or unreadable never stops the service: machines are served, and
// the journal says what to do. Behind one that cannot be read no password is right.
func TestCredentialsThatCannotBeUsed(t *testing.T) {
	const mend = "to /etc/credstore/bty.admin-password (root, mode 0600) and restart the service"
	each(t, func(t *testing.T, h *host) {
		h.start()
		h.says("bty-web.service", "the well-known default password is in force; set [admin] password in bty.toml")
		h.opens("bty-lab", true)

		h.write("/etc/credstore/bty.admin-password", "\n", 0o600)
		h.run("systemctl", "restart", "bty-web.service")
		h.says("bty-web.service", "credential bty.admin-password is empty, so it counts as not set; write admin.password "+mend)
		h.opens("bty-lab", true)

		h.write("/run/locked/bty.admin-password", secret, 0o600) // root's
		h.dropIn("bty-web.service", "[Service]\nExecStart=\nExecStart=/usr/bin/env CREDENTIALS_DIRECTORY=/run/locked /usr/bin/bty-web")
		h.run("systemctl", "restart", "bty-web.service")
		h.says("bty-web.service", "credential bty.admin-password cannot be read (permission denied), so no value of admin.password is right; write it "+mend)
		h.opens("bty-lab", false)
		h.opens(secret, false)
		h.run("curl", "--fail", "--silent", "http://localhost:8080/pxe/52:54:00:12:34:56")
	})
}

// says waits for nothing: what a daemon says before it is ready is in the journal by then.
func (h *host) says(unit, want string) {
	h.t.Helper()
	h.run("journalctl", "--sync")
	if said := h.said(unit); !strings.Contains(said, want) {
		h.t.Errorf("%s has not said %q:\n%s", unit, want, said)
	}
}

// opens tells whether a password is right.
func (h *host) opens(password string, want bool) {
	h.t.Helper()
	if got := h.signIn(password) != nil; got != want {
		h.t.Errorf("the password %q opens the pages: %v", password, got)
	}
}

// signIn returns an operator's browser on the LAN, nil if the password is wrong.
func (h *host) signIn(password string) *http.Client {
	h.t.Helper()
	client := h.client(false)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar, _ = cookiejar.New(nil) // without options there is nothing that can be wrong
	answer, err := client.PostForm(url("/ui/login"), neturl.Values{"password": {password}})
	if err != nil {
		h.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) == 0 {
		return nil
	}
	return client
}

// nowhere looks where a secret would be seen by others.
func (h *host) nowhere(secret string) {
	h.t.Helper()
	pid := h.property("bty-web.service", "MainPID")
	h.run("journalctl", "--sync")
	for name, text := range map[string]string{
		"the environment":   h.run("cat", "/proc/"+pid+"/environ"),
		"the arguments":     h.run("cat", "/proc/"+pid+"/cmdline"),
		"the unit":          h.run("systemctl", "show", "bty-web.service"),
		"the journal":       h.run("journalctl", "--no-pager", "--quiet", "--output=export"),
		"the status":        h.run("systemctl", "status", "--no-pager", "--lines=100", "bty-web.service"),
		"the state folder":  h.run("sh", "-c", "grep -rl -e '"+secret+"' /var/lib/bty || true"),
		"the list of tasks": h.run("ps", "axeww"),
	} {
		if strings.Contains(text, secret) || strings.HasPrefix(text, "/var/lib/bty") {
			h.t.Errorf("the password is in %s", name)
		}
	}
}

// useDropIn does what the README of the drop-ins says.
func (h *host) useDropIn(name string) {
	h.t.Helper()
	h.run("sh", "-c", "mkdir -p /etc/systemd/system/${1%/*} && cp /usr/share/doc/bty/dropins/$1 /etc/systemd/system/$1 && systemctl daemon-reload", "sh", name)
}
