package main

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestNetbootPage(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	a := start(t, map[string]string{"BTY_TFTP_PORT": strconv.Itoa(silent.LocalAddr().(*net.UDPAddr).Port)})
	a.anonymous("GET", "/ui/netboot", nil).is(t, 303)
	empty := a.do("GET", "/ui/netboot", nil, "Host", "10.9.8.7:8080").is(t, 200, "The boot folder is empty", "not ready", "bty-lab liveenv build --install",
		"bty-live-x86_64.vmlinuz</code> is missing", "being asked", "dhcp-boot=ipxe.efi,,10.9.8.7")
	port := a.vars["BTY_SERVER_PORT"]
	for _, want := range []string{"http://10.9.8.7:" + port + "/boot/ipxe.efi", "dhcp-range=10.9.8.0,proxy,255.255.255.0", "Set-DhcpServerv4OptionValue", "uci set dhcp.bty.filename"} {
		if !strings.Contains(empty.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	a.do("GET", "/ui/netboot?address=172.16.0.5&lan=172.16.0.0/20", nil).is(t, 200, "dhcp-boot=ipxe.efi,,172.16.0.5", "dhcp-range=172.16.0.0,proxy,255.255.240.0")
	a.do("GET", "/ui/netboot?address=%3Cscript%3E&lan=::/0", nil).is(t, 200)
	if strings.Contains(a.log.String(), "tftp_probe_host") {
		t.Error(a.log)
	}

	body, media := filesForm(t, "file", [2]string{"bty-live-x86_64.vmlinuz", "kernel"}, [2]string{"bty-live-x86_64.initrd", "initrd"})
	a.do("POST", "/ui/netboot/upload", body, "Content-Type", media).leads(t, "/ui/netboot", "saved=uploaded")
	a.do("GET", "/ui/netboot?saved=uploaded", nil).is(t, 200, "The files are in the boot folder", "built by bty-lab")
	if n := a.count("kind=netboot.artifact.uploaded"); n != 2 {
		t.Errorf("%d uploads are recorded", n)
	}
	body, media = filesForm(t, "file")
	a.do("POST", "/ui/netboot/upload", body, "Content-Type", media).leads(t, "/ui/netboot", "there is no file in the upload")
	a.do("POST", "/ui/netboot/upload", url.Values{"file": {"x"}}).leads(t, "/ui/netboot", "the request is no form")
	a.eventually("the digest", func() bool {
		return strings.Contains(a.do("GET", "/ui/netboot/now", nil).body, "6923dd1bc046") // sha256 of "kernel", by sha256sum
	})
	a.eventually("the TFTP server was asked", func() bool { return strings.Contains(a.do("GET", "/ui/netboot/now", nil).body, "no answer") })

	const initrd = "/ui/netboot/files/bty-live-x86_64.initrd/delete"
	a.do("GET", initrd, nil).is(t, 200, "Delete bty-live-x86_64.initrd?", "start this live environment", `action="`+initrd+`"`)
	a.do("POST", initrd, nil).leads(t, "/ui/netboot", "saved=deleted")
	a.do("POST", initrd, nil).leads(t, "/ui/netboot", "no such file")
	if got := a.boots(); !slices.Equal(got, []string{"bty-live-x86_64.vmlinuz"}) {
		t.Errorf("%v", got)
	}
}

func TestNetbootPageFetches(t *testing.T) {
	mirror, open := gate(t, artifacts("v0.65.4"))
	a := start(t, fromMirror(mirror))
	a.do("POST", "/ui/netboot/fetch", url.Values{"tag": {"a b"}}).leads(t, "/ui/netboot", "invalid release tag")
	a.do("POST", "/ui/netboot/fetch", url.Values{"tag": {"latest"}}).leads(t, "/ui/netboot", "saved=asked")
	a.eventually("it is shown at work", func() bool {
		now := a.do("GET", "/ui/netboot/now", nil).body
		return strings.Contains(now, "Fetching release latest") && strings.Contains(now, "running")
	})
	a.do("POST", "/ui/netboot/fetch/cancel", url.Values{"tag": {"latest"}}).leads(t, "/ui/netboot", "saved=cancelled")
	a.do("POST", "/ui/netboot/fetch/cancel", url.Values{"tag": {"v7"}}).leads(t, "/ui/netboot", "no active release fetch")

	// The form of the old pages waits until it is over.
	open()
	a.do("POST", "/ui/netboot/fetch-release", url.Values{"tag": {""}}).is(t, 200, "The release is installed", "Debian, from a release")
	done := a.events("kind=netboot.artifacts.fetched")[0]
	details := done["details"].(map[string]any)
	if done["actor"] != "operator" || done["source_ip"] != "127.0.0.1" || len(details["artifacts"].([]any)) != 4 || details["total_bytes"].(float64) < 100 {
		t.Errorf("%v", done)
	}
	a.do("POST", "/ui/netboot/fetch-release", url.Values{"tag": {"v9"}}).is(t, 200, "answered 404", "nothing was installed")
	a.do("POST", "/ui/netboot/fetch-release", url.Values{"tag": {"a b"}}).is(t, 200, "invalid release tag")
	a.do("GET", "/ui/netboot", nil).is(t, 200, "The fetch of release v9 failed")
}
