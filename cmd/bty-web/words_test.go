package main

import (
	"net/url"
	"strings"
	"testing"

	"bty/internal/boot"
	"bty/internal/config"
)

// A live environment of our own is told how registries are asked; one of Debian's has no use for it.
func TestRegistryWords(t *testing.T) {
	const mac = "52:54:00:12:34:56"
	a := start(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": "reg.lan:5000, other.lan", "BTY_ORAS_MIRRORS": "ghcr.io=reg.lan:5000/ghcr", "BTY_NETBOOT_SEND_LOG": "true"})
	a.do("PUT", "/machines/"+mac, map[string]any{"boot_mode": "bty-tui"}).is(t, 200)
	const words = " bty.oras.mirrors=ghcr.io=reg.lan:5000/ghcr bty.oras.plain_http=reg.lan:5000,other.lan bty.log=server"
	for _, file := range []string{"bty-netboot-pc-x86_64-v0.65.4.vmlinuz", "bty-netboot-pc-x86_64-v0.65.4.initrd", "bty-netboot-pc-x86_64-v0.65.4.squashfs"} {
		a.do("PUT", "/boot/"+file, "content").is(t, 200)
	}
	if script := a.anonymous("GET", "/pxe/"+mac+"?arch=x86_64", nil).is(t, 200).body; strings.Contains(script, "bty.oras") || strings.Contains(script, "bty.log") || !strings.Contains(script, "squashfs") {
		t.Errorf("Debian's:\n%s", script)
	}
	for _, file := range []string{"bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd"} {
		a.do("PUT", "/boot/"+file, "content").is(t, 200)
	}
	if script := a.anonymous("GET", "/pxe/"+mac+"?arch=x86_64", nil).is(t, 200).body; !strings.Contains(script, words+" ||") {
		t.Errorf("our own:\n%s", script)
	}
}

func TestWordsHaveALimit(t *testing.T) {
	cfg := &config.Config{}
	live := func(string) (boot.LiveFiles, string) { return boot.LiveFiles{Kernel: "k"}, "" }
	for list, want := range map[string]string{"": "", "a:1": "bty.oras.plain_http=a:1", strings.Repeat("registry.lan,", 100): ""} {
		cfg.ORAS.PlainHTTP = list
		if files, _ := withWords(live, liveWords(cfg))("x86_64"); files.Words != want || files.Kernel != "k" {
			t.Errorf("%.40s: %+v", list, files)
		}
	}
}

// What the operator adds stands at the end of every live environment's command line, ours and
// Debian's, from the moment it is set, and is refused where a script would not carry it as it is.
func TestAppendedWords(t *testing.T) {
	const mac = "52:54:00:12:34:56"
	a := start(t, map[string]string{"BTY_NETBOOT_SEND_LOG": "true"})
	a.do("PUT", "/machines/"+mac, map[string]any{"boot_mode": "bty-tui"}).is(t, 200)
	for _, file := range []string{"bty-netboot-pc-x86_64-v0.65.4.vmlinuz", "bty-netboot-pc-x86_64-v0.65.4.initrd", "bty-netboot-pc-x86_64-v0.65.4.squashfs"} {
		a.do("PUT", "/boot/"+file, "content").is(t, 200)
	}
	script := func() string { return a.anonymous("GET", "/pxe/"+mac+"?arch=x86_64", nil).is(t, 200).body }
	before := script()
	set := func(value string) string { return a.edit("netboot", "append", value) }
	for _, bad := range []string{"a=${net0/ip}", "a || shell", "a\nshell", "a;shell", "quoted=\"x y\"", "# shell", "bty.server=http://elsewhere", "bty.mac=52:54:00:00:00:01", "initrd=x", "gr\u00fc\u00df=1", strings.Repeat("x", 601)} {
		if at := set(bad); !strings.Contains(at, "error") {
			t.Errorf("%q: %s", bad, at)
		}
	}
	if script() != before {
		t.Errorf("a refused word is served:\n%s", script())
	}
	set("bty.vlan=5 console=ttyS1,115200")
	const words = "bty.vlan=5 console=ttyS1,115200 || goto failed"
	if got := script(); !strings.Contains(got, "systemd.gpt_auto=0 bty.server=${bty-base} bty.mac="+mac+" "+words) {
		t.Errorf("Debian's:\n%s", got)
	}
	for _, file := range []string{"bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd"} {
		a.do("PUT", "/boot/"+file, "content").is(t, 200)
	}
	if got := script(); !strings.Contains(got, "bty.log=server "+words) {
		t.Errorf("our own:\n%s", got)
	}
	set("")
	if strings.Contains(script(), "vlan") {
		t.Error("it stays when it is taken away")
	}
}

// A machine's own words stand behind those of all, for this machine only, from the moment they are set.
// Setting them starts no cycle, and a save without them takes them away.
func TestWordsOfOneMachine(t *testing.T) {
	const mac, other = "52:54:00:12:34:56", "52:54:00:12:34:57"
	a := start(t, map[string]string{"BTY_NETBOOT_APPEND": "bty.vlan=5"})
	for _, file := range []string{"bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd"} {
		a.do("PUT", "/boot/"+file, "content").is(t, 200)
	}
	body := func(words any) map[string]any {
		return map[string]any{"boot_mode": "bty-inventory", "kernel_words": words}
	}
	script := func(mac string) string { return a.anonymous("GET", "/pxe/"+mac+"?arch=x86_64", nil).is(t, 200).body }
	a.do("PUT", "/machines/"+mac, body(nil)).is(t, 200)
	a.do("PUT", "/machines/"+other, body(nil)).is(t, 200)
	script(mac)
	a.anonymous("GET", "/boot/bty-live-x86_64.vmlinuz?mac="+mac, nil).is(t, 200) // a cycle has begun
	for _, bad := range []any{"a=${net0/ip}", "a || shell", "a\nb", "bty.server=http://elsewhere", "# x", strings.Repeat("x", 301), 7} {
		if r := a.do("PUT", "/machines/"+mac, body(bad)).is(t, 422); !strings.Contains(r.body, "kernel_words") {
			t.Errorf("%v: %s", bad, r.body)
		}
	}
	if saved := a.do("PUT", "/machines/"+mac, body(" console=ttyS0,57600 ")).is(t, 200).body; !strings.Contains(saved, `"kernel_words":"console=ttyS0,57600"`) || !strings.Contains(saved, `"attempts":1`) {
		t.Error(saved)
	}
	if got := script(mac); !strings.Contains(got, " bty.vlan=5 console=ttyS0,57600 || goto failed") {
		t.Errorf("%s", got)
	}
	if got := script(other); !strings.Contains(got, " bty.vlan=5 || goto failed") {
		t.Errorf("the other machine:\n%s", got)
	}
	if form := a.do("GET", "/ui/machines/"+mac, nil).is(t, 200).body; !strings.Contains(form, `name="kernel_words" value="console=ttyS0,57600"`) {
		t.Errorf("%s", form)
	}
	a.do("POST", "/ui/machines/"+mac, url.Values{"boot_mode": {"bty-inventory"}, "kernel_words": {"loglevel=7"}}).is(t, 303)
	if got := script(mac); !strings.Contains(got, " bty.vlan=5 loglevel=7 || goto failed") {
		t.Errorf("by the form:\n%s", got)
	}
	a.do("PUT", "/machines/"+mac, map[string]any{"boot_mode": "bty-inventory"}).is(t, 200)
	if strings.Contains(script(mac), "loglevel") {
		t.Error("they stay when they are taken away")
	}
}
