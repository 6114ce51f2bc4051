package systemd

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// wrong is a set of socket units that does not fit a daemon.
type wrong struct {
	what    string
	program string
	sockets map[string]string // FileDescriptorName to what it listens on
	says    []string          // in its only line
	command string            // "" for the program alone
}

var wrongSets = []wrong{
	{what: "unknown name", program: "bty-web", sockets: map[string]string{"web": "ListenStream=9001"},
		says: []string{`"web" is not known`, `"http": a listening stream socket`, "FileDescriptorName="}},
	{what: "swapped kinds, web", program: "bty-web", sockets: map[string]string{"http": "ListenDatagram=9001"},
		says: []string{`"http" must be a listening stream socket`, "a UDP socket"}},
	{what: "swapped kinds, TFTP", program: "bty-tftp", sockets: map[string]string{"tftp": "ListenStream=9001"},
		says: []string{`"tftp" must be a UDP socket`, "a listening stream socket"}},
	{what: "control on TCP", program: "bty-web", sockets: map[string]string{"http": "ListenStream=9001", "control": "ListenStream=9002"},
		says: []string{`"control" must be a listening unix socket`}},
	{what: "no http among them", program: "bty-web", sockets: map[string]string{"control": "ListenStream=/run/wrong.sock"},
		says: []string{`no socket named "http"`, "bty-web.socket"}},
	{what: "one too many, web", program: "bty-web", sockets: map[string]string{"http": "ListenStream=9001", "tftp": "ListenDatagram=9001"},
		says: []string{`"tftp" is not known`, `"http": a listening stream socket`}},
	{what: "one too many, TFTP", program: "bty-tftp", sockets: map[string]string{"tftp": "ListenDatagram=9001", "http": "ListenStream=9001"},
		says: []string{`"http" is not known`, `"tftp": a UDP socket`}},
	{what: "swapped kinds, cache", program: "bty-cache", sockets: map[string]string{"http": "ListenStream=/run/wrong.sock", "control": "ListenStream=9001"},
		says: []string{`"control" must be a listening unix socket`}},
	{what: "no http among them, cache", program: "bty-cache", sockets: map[string]string{"control": "ListenStream=/run/wrong.sock"},
		says: []string{`no socket named "http"`, "bty-cache.socket"}},
	{what: "no socket but a pipe", program: "bty-tftp", sockets: map[string]string{"tftp": "ListenFIFO=/run/wrong.fifo"},
		says: []string{`"tftp" must be a UDP socket`, "no socket at all"}},
}

// A daemon that gets other sockets than it takes ends with status 2 and one line that says what it
// takes. It opens nothing of its own instead.
func TestWrongDescriptors(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		for i, w := range wrongSets {
			t.Run(w.what, func(t *testing.T) { h.as(t).checkRefused(strconv.Itoa(i), w) })
		}
		t.Run("a wrapper that forks", func(t *testing.T) {
			h.as(t).checkRefused("forks", wrong{program: "bty-web", sockets: map[string]string{"http": "ListenStream=9001"},
				command: "/bin/sh -c '/usr/bin/bty-web; exit $?'", says: []string{"LISTEN_PID=", "a wrapper must exec the daemon"}})
		})
		for _, port := range []string{":8080", ":69 ", ":3000"} {
			if open := h.run("ss", "-lntu"); strings.Contains(open, port) {
				t.Errorf("a daemon opened a port of its own:\n%s", open)
			}
		}
	})
}

func (h *host) unit(name, content string) {
	h.t.Helper()
	h.write("/run/systemd/system/"+name, content, 0o644)
}

// checkRefused starts the daemon with those sockets, in units of its own: the journal knows what a
// short life has said by the unit alone.
func (h *host) checkRefused(name string, w wrong) {
	h.t.Helper()
	unit := "wrong" + name + ".service"
	var sockets []string
	for name, listen := range w.sockets {
		socket := "wrong-" + name + ".socket"
		h.unit(socket, fmt.Sprintf("[Socket]\n%s\nFileDescriptorName=%s\nService=%s\n", listen, name, unit))
		sockets = append(sockets, socket)
	}
	if w.command == "" {
		w.command = "/usr/bin/" + w.program
	}
	h.unit(unit, fmt.Sprintf("[Service]\nType=oneshot\nTimeoutStartSec=20s\nExecStart=%s\nSockets=%s\nUser=bty\n", w.command, strings.Join(sockets, " ")))
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", append([]string{"start"}, sockets...)...)
	defer h.run("sh", "-c", "systemctl stop "+unit+" "+strings.Join(sockets, " ")+"; rm -f /run/systemd/system/wrong* /run/wrong*")
	if _, err := h.try("systemctl", "start", unit); err == nil {
		h.t.Error("the daemon took what it does not take")
	}
	if status := h.property(unit, "ExecMainStatus"); status != "2" {
		h.t.Errorf("exit status %s, want 2", status)
	}
	h.run("journalctl", "--sync")
	said := h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "_SYSTEMD_UNIT="+unit)
	if strings.Count(said, "\n") > 0 || !strings.HasPrefix(said, w.program+": ") {
		h.t.Errorf("want one line of %s: %q", w.program, said)
	}
	for _, part := range w.says {
		if !strings.Contains(said, part) {
			h.t.Errorf("%q does not say %q", said, part)
		}
	}
}
