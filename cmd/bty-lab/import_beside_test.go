package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where a setting is for the server that is asked: a compose project's container sees no folder of the host.
func TestWhereLiveVersionIsSet(t *testing.T) {
	old := t.TempDir()
	if err := os.MkdirAll(filepath.Join(old, "boot"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "boot/bty-netboot-pc-x86_64-v0.66.1.vmlinuz"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for socket, want := range map[string]string{
		"/run/bty/control.sock": `artifact_version = "0.66.1" in [netboot] of /etc/bty/bty.toml, and systemctl restart bty-web`,
		"/var/lib/containers/storage/volumes/bty-control/_data/control.sock": `artifact_version = "0.66.1" in [netboot] on the page Settings, and podman restart bty-web`,
	} {
		i := &importing{appliance: &appliance{env: env{getenv: func(string) string { return "" }}, socket: socket}}
		lines := otherLive(filepath.Join(old, "boot"), "0.65.4", i.whereSet())
		if len(lines) != 1 || !strings.HasSuffix(lines[0], want) {
			t.Errorf("%s: %q", socket, lines)
		}
	}
}
