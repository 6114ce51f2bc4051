package containers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
)

// Until somebody asks, systemd listens and no container runs but the sniffer's. The first packet starts the
// one that it is for, and what machines are known by is their own address.
func TestFirstPacketStartsTheContainer(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	h.awaitUnit(20*time.Second, "bty-sniff.service", "ActiveState", "active")
	if running := h.run("podman", "ps", "--format={{.Names}}"); running != "bty-sniff" {
		t.Fatalf("nobody has asked yet, and these run: %q", running)
	}
	want, err := os.ReadFile(filepath.Join(buildFolder(t), "ipxe", "ipxe.efi"))
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if got := h.overTFTP("ipxe.efi"); !bytes.Equal(got, want) {
		t.Errorf("TFTP gave %d bytes, not the boot program of the image", len(got))
	}
	t.Logf("first answer of bty-tftp, with the start of its container, after %v", time.Since(begun).Round(time.Millisecond))
	begun = time.Now()
	const mac = "52:54:00:00:00:17"
	if script := h.get("/pxe/" + mac); !strings.HasPrefix(script, "#!ipxe") {
		t.Errorf("the machine got %.60q", script)
	}
	t.Logf("first script of bty-web after %v", time.Since(begun).Round(time.Millisecond))
	if got := h.get("/boot/ipxe.efi"); got != string(want) {
		t.Errorf("HTTP gave %d bytes, not the boot program of the image", len(got))
	}
	for _, daemon := range daemons[:2] {
		h.awaitUnit(20*time.Second, daemon+".service", "ActiveState", "active")
	}
	// The machine's life, by the fields of the journal; by its own address, not a bridge's.
	life := h.journal("BTY_MAC=" + mac)
	if len(life) == 0 || life[0]["_SYSTEMD_UNIT"] != "bty-web.service" || life[0]["MESSAGE_ID"] == "" || life[0]["BTY_REMOTE"] != testenv.ServerIP {
		t.Errorf("journalctl BTY_MAC=%s: %v", mac, life)
	}
	transfers := h.journal("BTY_FILE=ipxe.efi", "BTY_REMOTE="+testenv.ServerIP)
	if len(transfers) == 0 {
		t.Errorf("nobody has logged a transfer to %s:\n%s", testenv.ServerIP, h.run("journalctl", "--no-pager", "--unit=bty-tftp", "--unit=bty-web"))
	}
}

// journal are the entries that match, field by field.
func (h *host) journal(matches ...string) (entries []map[string]string) {
	h.t.Helper()
	out := h.run("journalctl", append([]string{"--no-pager", "--output=json"}, matches...)...)
	for line := range strings.Lines(out) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			h.t.Fatalf("%v: %s", err, line)
		}
		entry := map[string]string{}
		for name, value := range fields {
			entry[name] = fmt.Sprint(value)
		}
		entries = append(entries, entry)
	}
	return entries
}

// The password comes as a secret and is nowhere else: not in what Podman shows of the container, not in
// its environment, not in the unit, not in the journal.
func TestPasswordIsASecret(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	h.operator()
	pid := h.process("bty-web")
	for _, place := range [][]string{
		{"podman", "inspect", "bty-web"}, {"systemctl", "cat", "bty-web.service"}, {"systemctl", "show", "bty-web.service"},
		{"cat", fmt.Sprintf("/proc/%d/environ", pid)}, {"cat", fmt.Sprintf("/proc/%d/cmdline", pid)}, {"journalctl", "--no-pager", "--all"},
	} {
		if said := h.run(place[0], place[1:]...); strings.Contains(said, password) {
			t.Errorf("%s shows the password", strings.Join(place, " "))
		}
	}
	if mode := h.run("stat", "--format=%a %u", fmt.Sprintf("/proc/%d/root/run/secrets/bty.admin-password", pid)); mode != "400 1000" {
		t.Errorf("the secret's file has mode and owner %s", mode)
	}
}

// A daemon that hangs is ended by systemd and started anew: its watchdog reaches into the container.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.load(daemons...)
	h.write("/etc/systemd/system/bty-web.service.d/test.conf", "[Service]\nWatchdogSec=3s\n", 0o644)
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "start", "bty-web.socket")
	h.get("/healthz")
	time.Sleep(7 * time.Second) // twice the watchdog's time: it is fed
	if n := h.property("bty-web.service", "NRestarts"); n != "0" {
		t.Fatalf("it works, and was restarted %s times", n)
	}
	hangs := h.process("bty-web")
	h.halt(hangs)
	begun := time.Now()
	h.get("/healthz") // waits in the socket meanwhile
	t.Logf("answered again %v after it hung", time.Since(begun).Round(time.Millisecond))
	if n := h.property("bty-web.service", "NRestarts"); n != "1" || h.process("bty-web") == hangs {
		t.Errorf("it hung, and was restarted %s times", n)
	}
}

// halt has a process stand still, and returns when it does.
func (h *host) halt(pid int) {
	h.t.Helper()
	h.run("kill", "-STOP", fmt.Sprint(pid))
	for end := time.Now().Add(10 * time.Second); !strings.Contains(h.run("cat", fmt.Sprintf("/proc/%d/status", pid)), "State:\tT"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("process %d does not stand still", pid)
		}
	}
}

// What bty-web cannot know in a container, it says, with what to do instead. That it is in the host's network
// it does know.
func TestPagesInAContainer(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	h.overTFTP("ipxe.efi")
	op := h.operator()
	text := func(path string) string {
		page, err := op.Page(h.ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(<[^>]*>|\s)+`).ReplaceAllString(page, " ")
	}
	netboot := text("/ui/netboot")
	if want := "systemd did not start this server"; !strings.Contains(netboot, want) {
		t.Errorf("the Netboot page does not say %q:\n%s", want, netboot)
	}
	if not := "a network of its own"; strings.Contains(netboot, not) {
		t.Errorf("the Netboot page says %q of a container with the host's:\n%s", not, netboot)
	}
	h.run("systemctl", "stop", "bty-cache.socket", "bty-cache-control.socket", "bty-cache.service")
	h.run("rm", "/run/bty/cache.sock")
	if images := text("/ui/images"); !strings.Contains(images, "on the host of this container: bty-lab deploy --without none") {
		t.Errorf("the Images page does not say how to have a cache:\n%s", images)
	}
}
