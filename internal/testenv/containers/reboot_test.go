package containers

import (
	"strings"
	"testing"
	"time"
)

// After a reboot it is as before the first packet: sockets, the sniffer, and what machines are known.
func TestReboot(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	const mac = "52:54:00:00:00:17"
	h.get("/pxe/" + mac)
	if err := h.Reboot(h.ctx); err != nil {
		t.Fatal(err)
	}
	h.awaitUnit(30*time.Second, "bty-sniff.service", "ActiveState", "active")
	if running := h.run("podman", "ps", "--format={{.Names}}"); running != "bty-sniff" {
		t.Errorf("after the reboot these run: %q", running)
	}
	if m, err := h.operator().Machine(h.ctx, mac); err != nil || m.BootMode == "" {
		t.Errorf("the machine is not known any more: %+v, %v", m, err)
	}
	if failed := h.run("systemctl", "--failed", "--plain", "--no-legend"); strings.Contains(failed, "bty") {
		t.Errorf("units have failed:\n%s", failed)
	}
}
