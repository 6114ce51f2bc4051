package containers

import (
	"testing"
	"time"
)

// Health is what the program says of itself, also in the container without a network.
func TestHealth(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	h.overTFTP("ipxe.efi")
	h.get("/healthz")
	h.run("systemctl", "start", "bty-cache.service")
	for _, daemon := range daemons {
		h.awaitUnit(20*time.Second, daemon+".service", "ActiveState", "active")
		h.run("podman", "healthcheck", "run", daemon)
		if state := h.run("podman", "inspect", "--format={{.State.Health.Status}}", daemon); state != "healthy" {
			t.Errorf("%s is %s", daemon, state)
		}
	}
	// A daemon that stands still is not healthy, and not for long: the watchdog ends it.
	h.halt(h.process("bty-tftp"))
	if out, err := h.Try(h.ctx, "podman", "healthcheck", "run", "bty-tftp"); err == nil {
		t.Errorf("it stands still, and is healthy: %s", out)
	}
}
