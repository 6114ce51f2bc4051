package systemd

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/message"
	"bty/internal/testenv"
)

// The journal as an administrator uses it: a machine's life with an explanation of each line, what
// the daemons say of themselves, and what a flood leaves of it.
func TestJournal(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		if said := h.run("sh", "-c", "journalctl --update-catalog 2>&1"); said != "" {
			t.Errorf("journalctl does not take the catalog in silence: %s", said)
		}
		h.enable()
		t.Run("a machine's life", func(t *testing.T) { machineLife(t, h) })
		t.Run("a configuration that cannot be used", func(t *testing.T) { badConfiguration(t, h) })
		t.Run("a database that cannot be used", func(t *testing.T) { badDatabase(t, h) })
		t.Run("flood", func(t *testing.T) { bogusRequests(t, h) })
	})
}

// entry is one line of the journal with its fields.
type entry map[string]any

func (e entry) field(name string) string { s, _ := e[name].(string); return s }

// journal is what journalctl finds, in order, once journald has written what it was sent.
func (h *host) journal(matches ...string) (entries []entry) {
	h.t.Helper()
	h.run("journalctl", "--sync")
	for line := range strings.Lines(h.run("journalctl", append([]string{"--no-pager", "--quiet", "--output=json"}, matches...)...)) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			h.t.Fatalf("%v: %s", err, line)
		}
		entries = append(entries, e)
	}
	return entries
}

const lifeMAC = "52:54:00:aa:bb:01"

// machineLife plays a machine that boots, fails, is armed and succeeds.
func machineLife(t *testing.T, h *host) {
	h.start()
	for _, name := range []string{"bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd", "ipxe.efi"} {
		h.write("/var/lib/bty/boot/"+name, "some bytes", 0o644)
	}
	o := signIn(h)
	say := func(method, path, body string, want int) {
		t.Helper()
		request, err := http.NewRequest(method, url(path), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := o.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Fatalf("%s %s: %s", method, path, answer.Status)
		}
	}
	say("GET", "/pxe/52-54-00-AA-BB-01", "", 200)
	if _, err := h.read(h.ctx, request{to: IP, name: "ipxe.efi"}); err != nil {
		t.Fatal(err)
	}
	say("GET", "/boot/bty-live-x86_64.vmlinuz?mac="+lifeMAC, "", 200)
	say("GET", "/pxe/"+lifeMAC+"/plan", "", 200)
	say("POST", "/pxe/"+lifeMAC+"/inventory", `{"disks":[{"path":"/dev/sda","serial":"S1","size_bytes":1000}]}`, 204)
	say("PUT", "/machines/"+lifeMAC, `{"boot_mode":"bty-flash-once","target_disk_serial":"S1"}`, 200)
	say("POST", "/pxe/"+lifeMAC+"/status", `{"status":"failed","reason":"the disk S1 is in use"}`, 204)
	say("POST", "/api/v1/machines/"+lifeMAC+"/arm", "", 200)
	say("POST", "/pxe/"+lifeMAC+"/status", `{"status":"done"}`, 204)
	want := []event.Kind{event.MachineDiscovered, event.PXEOffered, event.ArtifactFetched, event.FlasherArmed, event.PXEPlan,
		event.MachineInventory, event.MachineUpserted, event.MachineFlashFailed, event.MachineArmed, event.MachineFlashed}
	var life []entry
	for end := time.Now().Add(10 * time.Second); len(life) <= len(want) && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		life = h.journal("BTY_MAC=" + lifeMAC)
	}
	var kinds []event.Kind // in order, but for the transfer: bty-tftp reports it when it has time
	transfers := 0
	for _, e := range life {
		kind := event.Kind(e.field("BTY_EVENT"))
		if kind == event.TFTPTransfer {
			transfers++
		} else {
			kinds = append(kinds, kind)
		}
		if e.field("MESSAGE_ID") != message.OfKind(kind).Value.String() || e.field("_SYSTEMD_UNIT") != "bty-web.service" ||
			e.field("BTY_EVENT_ID") == "" || !strings.Contains(e.field("CODE_FILE"), ".go") || e.field("SYSLOG_IDENTIFIER") != "bty-web" {
			t.Errorf("this line lacks something: %v", e)
		}
		byMachine := e.field("BTY_ACTOR") == string(event.Client) && kind != event.FlasherArmed
		if byMachine && e.field("BTY_REMOTE") != testenv.ServerIP {
			t.Errorf("%s from %q", kind, e.field("BTY_REMOTE"))
		}
		if alarm := kind == event.MachineFlashFailed; alarm != (e.field("PRIORITY") == "4") || alarm != (e.field("BTY_ERR") == "the disk S1 is in use") {
			t.Errorf("%s has priority %s and the error %q", kind, e.field("PRIORITY"), e.field("BTY_ERR"))
		}
	}
	if transfers != 1 || !slices.Equal(kinds, want) {
		t.Errorf("the journal tells of %d transfers and %v\nwant 1 and %v", transfers, kinds, want)
	}
	explained(t, h, len(life))
}

// explained looks at what journalctl -x says of the machine's life.
func explained(t *testing.T, h *host, lines int) {
	said := h.run("journalctl", "--no-pager", "--quiet", "--catalog", "BTY_MAC="+lifeMAC)
	if n := strings.Count(said, "-- Defined-By: bty\n"); n != lines {
		t.Errorf("%d of %d lines are explained", n, lines)
	}
	for _, want := range []string{
		"-- Subject: Machine " + lifeMAC + " was not flashed\n", "--     the disk S1 is in use\n", "-- What to do: Mend the cause", "/ui/machines/" + lifeMAC + " or with",
		"-- Subject: Machine " + lifeMAC + " was flashed\n", "-- Subject: " + testenv.ServerIP + " fetched ipxe.efi by TFTP\n", "reported 1 disks",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("journalctl -x does not say %q", want)
		}
	}
	if left := regexp.MustCompile(`@[A-Z_]*@|from  |: \(rule \)`).FindString(said); left != "" {
		t.Errorf("something was not put in: %q", left)
	}
	if t.Failed() {
		t.Log(said)
	}
}

// badConfiguration: a reload that is refused, and then a start.
func badConfiguration(t *testing.T, h *host) {
	h.write("/etc/bty/bty.toml", "[server]\nport = \"much\"\n", 0o644)
	if _, err := h.try("systemctl", "reload", "bty-web.service"); err == nil {
		t.Error("the reload did not fail")
	}
	if _, err := h.try("systemctl", "restart", "bty-tftp.service"); err == nil {
		t.Error("bty-tftp starts with it")
	}
	for class, want := range map[string]string{message.ReloadFailed.Value.String(): "bty-web.service", message.ConfigRefused.Value.String(): "bty-tftp.service"} {
		var found []entry
		for end := time.Now().Add(5 * time.Second); len(found) == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			found = h.journal("MESSAGE_ID="+class, "--lines=1")
		}
		if len(found) != 1 || found[0].field("_SYSTEMD_UNIT") != want || found[0].field("PRIORITY") != "3" || !strings.Contains(found[0].field("MESSAGE"), "/etc/bty/bty.toml") {
			t.Errorf("%s: %v", want, found)
		}
	}
	h.run("rm", "/etc/bty/bty.toml")
	h.run("systemctl", "reload", "bty-web.service")
	h.run("systemctl", "restart", "bty-tftp.service")
	if found := h.journal("MESSAGE_ID="+message.ConfigReloaded.Value.String(), "--lines=1"); len(found) != 1 {
		t.Errorf("%d lines say that the configuration was reloaded", len(found))
	}
}

// badDatabase: the daemon refuses it, and journalctl -x names the command that helps.
func badDatabase(t *testing.T, h *host) {
	h.run("systemctl", "stop", "bty-web.service")
	h.run("sh", "-c", "cd /var/lib/bty && cp -p bty.db whole.db && dd if=/dev/urandom of=bty.db bs=4096 count=4 conv=notrunc status=none")
	if _, err := h.try("systemctl", "start", "bty-web.service"); err == nil {
		t.Error("bty-web starts with it")
	}
	class := "MESSAGE_ID=" + message.DatabaseRefused.Value.String()
	if found := h.journal(class, "--lines=1"); len(found) != 1 || found[0].field("_SYSTEMD_UNIT") != "bty-web.service" || found[0].field("PRIORITY") != "3" ||
		!strings.Contains(found[0].field("MESSAGE"), "bty-lab restore") {
		t.Errorf("the journal has %v", found)
	}
	said := h.run("journalctl", "--no-pager", "--quiet", "--catalog", "--lines=1", class)
	if !strings.Contains(said, "-- Subject: The database was refused\n") || !strings.Contains(said, "Damaged: restore the newest backup") {
		t.Errorf("journalctl -x says:\n%s", said)
	}
	h.run("mv", "/var/lib/bty/whole.db", "/var/lib/bty/bty.db")
	h.run("systemctl", "restart", "bty-web.service")
}

// bogusRequests sends 100,000 requests for files that there are not and as many packets that are no
// requests, and counts lines. The transfer of a machine succeeds meanwhile.
func bogusRequests(t *testing.T, h *host) {
	const requests = 100_000
	conn, err := h.packetConn("")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go drain(conn)
	before := len(h.journal("--unit=bty-tftp.service", "--unit=bty-web.service", "--unit=bty-tftp.socket"))
	begun := time.Now()
	to := netip.AddrPortFrom(netip.MustParseAddr(IP), 69)
	for n := range requests {
		conn.WriteToUDPAddrPort(fmt.Appendf(nil, "\x00\x01none-%d\x00octet\x00", n), to)
		conn.WriteToUDPAddrPort([]byte{0xff, byte(n >> 8), byte(n)}, to)
		if n == requests/2 {
			if _, err := h.read(h.ctx, request{to: IP, name: "ipxe.efi"}); err != nil {
				t.Errorf("a machine in the flood: %v", err)
			}
		}
	}
	took := time.Since(begun)
	h.run("systemctl", "stop", "bty-tftp.socket", "bty-tftp.service") // which counts out what is left
	h.run("systemctl", "start", "bty-tftp.socket")
	lines := h.journal("--unit=bty-tftp.service", "--unit=bty-web.service", "--unit=bty-tftp.socket")[before:]
	counted := 0
	for _, e := range lines {
		var more int
		fmt.Sscan(e.field("BTY_MORE"), &more)
		if id := e.field("MESSAGE_ID"); id == message.TFTPFailed.Value.String() || id == message.TFTPMalformed.Value.String() || id == message.TFTPBusy.Value.String() {
			counted += max(more, 1)
		}
	}
	t.Logf("%d packets in %s: %d lines, which tell of %d refusals", 2*requests, took.Round(time.Millisecond), len(lines), counted)
	if minutes := int(took/time.Minute) + 1; len(lines) >= 100*minutes {
		t.Errorf("%d lines in %d minutes", len(lines), minutes)
	}
	if counted < 1000 {
		t.Errorf("only %d refusals are told of", counted)
	}
}

// drain reads answers that nobody looks at.
func drain(conn *net.UDPConn) {
	buf := make([]byte, 2048)
	for {
		if _, _, err := conn.ReadFromUDPAddrPort(buf); err != nil {
			return
		}
	}
}
