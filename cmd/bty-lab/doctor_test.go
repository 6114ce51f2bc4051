package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/wire"
)

// diagnosed runs bty-lab doctor with ports of its own.
func diagnosed(t *testing.T, vars map[string]string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), env{args: append([]string{"doctor"}, args...), stdout: &out, stderr: &out, getenv: func(name string) string { return vars[name] }})
	return out.String(), err
}

// Without bty-web it says so, and what can be seen on the host: a port that is taken, with the
// program's name and pid.
func TestDoctorWithoutServer(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	vars := map[string]string{"BTY_PATHS_RUN_DIR": dir, "BTY_PATHS_STATE_DIR": dir, "BTY_TFTP_PORT": fmt.Sprint(taken.LocalAddr().(*net.UDPAddr).Port), "BTY_SERVER_PORT": "1"}
	if err := os.WriteFile(filepath.Join(dir, "state.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "boot"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := diagnosed(t, vars)
	if err == nil || !strings.Contains(err.Error(), "errors were found") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"bty-web could not be asked: nobody listens on its control socket", fmt.Sprintf("(pid %d", os.Getpid()),
		"Nobody listens on TCP port 1.", "systemctl enable --now bty-tftp.socket", "bty-live-x86_64.vmlinuz is missing", "bty-lab import " + dir + "/state.db", "GB are free for the state"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	out, err = diagnosed(t, vars, "--json")
	var d wire.Diagnosis
	if json.Unmarshal([]byte(out), &d) != nil || err == nil || d.At.IsZero() || d.Findings[0].Severity != wire.SeverityError {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := diagnosed(t, vars, "more"); err == nil || !strings.Contains(err.Error(), "arguments") {
		t.Errorf("%v", err)
	}
}

// What bty-web finds comes with what is seen here.
func TestDoctorAsksServer(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	status, severity := http.StatusOK, "warning"
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/api/v1/doctor" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"at":"2026-01-02T03:04:05Z","findings":[{"id":"dhcp.servers-disagree","severity":"`+severity+`","subject":"x","title":"Servers disagree","what":"Two servers say this and that.","why":"Luck.","next":"Switch one off.",
			"machines":["52:54:00:00:00:01"],"snippets":["kea-arch"]},{"id":"host.clock","severity":"error","subject":"host","what":"It is 1970.","why":"","next":""}],
			"servers":[{"server":"192.0.2.254","link":"eth0","vlan":30,"offers":[{"client":"iPXE","bootfile":"ipxe.efi"}]}]}`)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	vars := map[string]string{"BTY_PATHS_RUN_DIR": dir, "BTY_TFTP_PORT": "1", "BTY_SERVER_PORT": "1"}
	out, err := diagnosed(t, vars)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"WARNING  Servers disagree: Two servers say this and that.", "-> Switch one off.", "Seen: 52:54:00:00:00:01", "kea-arch", "192.0.2.254  eth0 VLAN 30  iPXE", "Nobody listens on UDP port 1."} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "1970") || strings.Contains(out, "could not be asked") {
		t.Errorf("what root sees better is not in place of what bty-web said:\n%s", out)
	}
	severity = "error"
	if _, err := diagnosed(t, vars); err == nil {
		t.Error("an error of bty-web's is none here")
	}
	status = http.StatusServiceUnavailable
	if out, err := diagnosed(t, vars); err == nil || !strings.Contains(out, "could not be asked") {
		t.Errorf("%v\n%s", err, out)
	}
}
