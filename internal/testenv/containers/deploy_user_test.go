package containers

import (
	"strings"
	"testing"

	"bty/internal/testenv"
)

// An ordinary user has Quadlets of their own systemd: sockets that listen before anything runs, the true
// addresses of machines, a journal that the user may read, and a purge that leaves nothing.
func TestDeployUser(t *testing.T) {
	t.Parallel()
	h := boot(t)
	alice, err := h.AddUser(h.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	h.giveLab()
	run := func(script string) string {
		t.Helper()
		out, err := alice.Try(h.ctx, script+" 2>&1")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	const listing = "find ~ -xdev -not -path '*/containers/storage/*' -not -path '*/containers/cache*' | sort; podman volume ls --quiet; podman ps --all --quiet; podman secret ls --quiet; podman images --quiet; ls $XDG_RUNTIME_DIR | grep bty; true"
	run("podman info")
	before := run(listing)

	out := run("bty-lab deploy --mode quadlet --images " + imagesInside)
	h.signIn(shownPassword(t, out))
	for _, want := range []string{"As an ordinary user this leaves out", "TFTP (bty-tftp)", "DHCP (bty-sniff)", "users of their own", "sudo bty-lab deploy", "What bty-lab doctor finds:"} {
		if !strings.Contains(out, want) {
			t.Errorf("an ordinary user is not told %q:\n%s", want, out)
		}
	}
	for _, port := range []string{"TCP port 8080 is held by bty-web.", "TCP port 3000 is held by bty-cache."} {
		if !strings.Contains(out, port) || strings.Contains(out, "Nobody listens") {
			t.Errorf("the doctor does not know that %s\n%s", port, out)
		}
	}
	if out := run("bty-lab deploy && bty-lab status"); !strings.Contains(out, "Nothing was changed") {
		t.Errorf("deploy again says:\n%s", out)
	}

	run("systemctl --user stop bty-web.service bty-cache.service")
	if state := run("systemctl --user is-active bty-web.service bty-web.socket; true"); state != "inactive\nactive" {
		t.Errorf("before anybody asks: %s", state)
	}
	h.get("/pxe/52:54:00:00:03:01")
	if said := run("journalctl --user BTY_MAC=52:54:00:00:03:01"); !strings.Contains(said, "remote="+testenv.ServerIP) {
		t.Errorf("the journal does not know the machine by its address:\n%s", said)
	}
	h.await(strings.Replace(url("/healthz"), ":8080", ":3000", 1))
	if said := run("bty-lab backup && bty-lab backups && bty-lab reload && systemctl --user start bty-backup.service"); !strings.Contains(said, "1 machines") {
		t.Errorf("the backup says:\n%s", said)
	}
	run("bty-lab restore --yes $(ls $(podman volume inspect --format={{.Mountpoint}} bty-data)/backups)")
	h.get("/readyz")
	run("echo '[boot]\nmax_attempts = 7' >~/.config/bty/bty.toml && bty-lab reload")
	if out := run("bty-lab show-config --set"); !strings.Contains(out, "/home/alice/.config/bty/bty.toml:2") {
		t.Errorf("show-config does not know the user's file:\n%s", out)
	}
	run("rm ~/.config/bty/bty.toml")
	if _, err := h.Try(h.ctx, "bty-lab", "status", alice.Home+"/bty"); err == nil || !strings.Contains(err.Error(), "Run it as that user") {
		t.Errorf("root, and a user's deployment: %v", err)
	}

	if units := run("bty-lab support-bundle b.tar.gz && tar -xzOf b.tar.gz --wildcards '*/units.txt' && rm b.tar.gz"); !strings.Contains(units, "/home/alice/.config/systemd/user/bty-web.socket") {
		t.Errorf("the bundle has not the user's units:\n%s", units)
	}

	// Nobody has signed in since the host started, and nothing runs but sockets.
	if err := h.Reboot(h.ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.OpenDevices(h.ctx); err != nil {
		t.Fatal(err)
	}
	h.get("/pxe/52:54:00:00:03:01")
	if said := run("bty-lab status"); !strings.Contains(said, "mode quadlet") {
		t.Errorf("after a boot status says:\n%s", said)
	}

	run("bty-lab purge --yes")
	if now := run(listing); now != before {
		t.Errorf("the purge leaves\n%s\nand before there was\n%s", now, before)
	}
	if units := run("systemctl --user list-units --all --no-legend --plain 'bty*'"); units != "" {
		t.Errorf("the purge leaves units: %s", units)
	}
}
