package containers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bty/quadlet"
)

// The host's /etc/bty is the configuration of every container, also where only the group bty may read it.
// A reload of a wrong one changes nothing and is in the status.
func TestConfigurationOfTheHost(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.load(daemons...)
	configure := func(text string) {
		h.write("/etc/bty/bty.toml", text, 0o640)
		h.run("chgrp", "bty", "/etc/bty/bty.toml")
	}
	configure("[log]\nlevel = 'debug'\n")
	h.run("systemctl", "start", "bty-web.socket", "bty-tftp.socket", "bty-cache.socket")
	h.run("systemctl", "start", "bty-web.service", "bty-tftp.service", "bty-cache.service")
	h.awaitUnit(20*time.Second, "bty-sniff.service", "ActiveState", "active")
	if debug := h.journal("_SYSTEMD_UNIT=bty-web.service", "PRIORITY=7"); len(debug) == 0 {
		t.Error("bty-web does not log what the configuration asks for")
	}
	for _, unit := range []string{"bty-web.service", "bty-cache.service"} {
		configure("[log]\nlevel = 'loud'\n")
		h.run("systemctl", "reload", unit)
		h.awaitStatus(unit, "reload failed")
		configure("[log]\nlevel = 'info'\n")
		h.run("systemctl", "reload", unit)
		h.awaitStatus(unit, "")
		if n := h.property(unit, "NRestarts"); n != "0" {
			t.Errorf("%s was restarted %s times", unit, n)
		}
	}
}

// The volume that the Settings page writes into is bty-web's alone: what the cache, TFTP or the sniffer goes by
// is not written there, and the page says where it belongs.
func TestSettingsOfOtherContainers(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.load("bty-web")
	h.run("systemctl", "start", "bty-web.socket")
	op := h.operator()
	page, err := op.Page(h.ctx, "/ui/settings")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"BTY_CACHE_MAX_SIZE", "BTY_CACHE_ALLOW", "BTY_TFTP_MAX_TRANSFERS", "BTY_SNIFF_INTERFACES"} {
		if !strings.Contains(page, "in /etc/bty/bty.toml or as "+key+" in the environment of ") {
			t.Errorf("the page does not say where %s belongs", key)
		}
	}
	if strings.Contains(page, `name="section" value="cache"`) || !strings.Contains(page, `name="section" value="boot"`) {
		t.Error("the page has a control for what it cannot change, or none for what it can")
	}
}

// The drop-in for registries brings their passwords where the daemons look for them.
func TestRegistryCredentials(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.load("bty-cache")
	if _, err := h.feed(h.ctx, strings.NewReader(`{"auths":{"registry.example":{"auth":"Ynk6cGFzcw=="}}}`), "podman", "secret", "create", "bty-oras-credentials", "-"); err != nil {
		t.Fatal(err)
	}
	h.lay(quadlet.Files, "dropins/oras-credentials.conf", Quadlets+"/bty-cache.container.d")
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "start", "bty-cache.socket", "bty-cache.service")
	pid := h.process("bty-cache")
	if mode := h.run("stat", "--format=%a %u", fmt.Sprintf("/proc/%d/root/run/secrets/bty.oras-credentials", pid)); mode != "400 1000" {
		t.Errorf("the credentials have mode and owner %s", mode)
	}
	// internal/config takes the file of that name from there.
	if env := h.run("cat", fmt.Sprintf("/proc/%d/environ", pid)); !strings.Contains(env, "CREDENTIALS_DIRECTORY=/run/secrets\x00") {
		t.Errorf("it is not told where: %q", env)
	}
}

// awaitStatus waits until the status line of a unit says that, or with "" that no reload has failed.
func (h *host) awaitStatus(unit, want string) {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := h.property(unit, "StatusText")
		if want == "" && !strings.Contains(got, "reload failed") || want != "" && strings.Contains(got, want) {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("the status of %s is %q, want %q", unit, got, want)
		}
	}
}
