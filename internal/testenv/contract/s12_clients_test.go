package contract

import (
	"fmt"
	"strings"
	"testing"
)

// TestSection12_UpstreamPXEChainTest is the old system's own acceptance script, request by request.
func TestSection12_UpstreamPXEChainTest(t *testing.T) {
	c := on(t)
	c.Anonymous("GET", "/healthz", nil).Is(200, `{"status":"ok"}`)
	cookie := c.SignIn()
	do := func(method, path string, body any) Answer { return c.send(method, path, body, nil, cookie) } // the cookie and nothing else
	version := "0.65.4"
	base := "bty-netboot-pc-x86_64-v" + version
	for _, suffix := range []string{".vmlinuz", ".initrd", ".squashfs"} {
		do("PUT", "/boot/"+base+suffix, Text{"application/octet-stream", "the bytes of " + suffix[1:]}).Is(200)
	}
	mac := c.FreshMAC()
	image := "chain-" + strings.ReplaceAll(mac, ":", "") + ".img.gz"
	digest := strings.Repeat("12", 32)
	do("PUT", "/boot/"+image, Text{"application/octet-stream", "image"}).Is(200)
	do("PUT", "/boot/"+image+".sha256", Text{"application/octet-stream", digest + "  " + image + "\n"}).Is(200)
	src := c.URL + "/boot/" + image
	c.forget(src)
	entry := do("POST", "/catalog/entries", map[string]string{"image_url": src, "sha_url": src + ".sha256"}).Is(201).Object()
	ref, _ := entry["bty_image_ref"].(string)
	if len(ref) != 64 || entry["disk_image_sha"] != digest {
		t.Fatalf("%v", entry)
	}
	do("PUT", "/machines/"+mac, JSON(fmt.Sprintf(`{"boot_mode":"bty-flash-always","bty_image_ref":%q,"target_disk_serial":"QM0001"}`, ref))).Is(200)

	c.Anonymous("GET", "/pxe-bootstrap.ipxe", nil).Is(200, "/pxe/${mac:hexhyp}")
	script := strings.ReplaceAll(c.Script(mac), "${buildarch}", "x86_64")
	if !Starts(script) {
		t.Fatal(script)
	}
	if !strings.Contains(script, base) || !strings.Contains(script, ".squashfs") {
		differs(t, "this server boots a live environment of its own, which needs no squashfs")
	}
	c.Boot(mac)
	c.Anonymous("GET", "/boot/"+base+".squashfs", nil).Is(200, "the bytes of squashfs")
	if plan := c.Plan(mac); plan["mode"] != "flash" || plan["image"] != src || plan["disk_image_sha"] != digest {
		t.Errorf("%v", plan)
	}
	c.Anonymous("HEAD", "/boot/"+image, nil).Is(200)
	c.Anonymous("GET", "/boot/"+image, nil).Is(200, "image")
	c.Report(mac, "done")
	if c.Machine(mac)["last_flashed_at"] == nil || Starts(c.Script(mac)) {
		t.Error("flashed, it boots its disk")
	}
}

// TestSection12_PythonClient sends what the old client sends, as urllib sends it.
func TestSection12_PythonClient(t *testing.T) {
	c := on(t)
	urllib := []string{"User-Agent", "Python-urllib/3.13", "Accept-Encoding", "identity", "Connection", "close"}
	mac := c.FreshMAC()
	c.Script(mac)
	inventory := JSON(`{"disks": [{"path": "/dev/sda", "size": "953.9G", "vendor": "ATA", "model": "Samsung SSD", "serial": "S5Y1", "tran": "sata", "removable": false, "readonly": false, ` +
		`"type": "disk", "mountpoints": []}], "lshw": {"id": "host", "class": "system", "children": [{"id": "core"}]}}`)
	for range 2 { // in the background at the start, and before the reboot
		c.Anonymous("POST", "/pxe/"+mac+"/inventory", inventory, urllib...).Is(204)
	}
	plan := func() map[string]any {
		return c.Anonymous("GET", "/pxe/"+mac+"/plan", nil, append(urllib, "Accept", "application/json")...).Is(200).Object()
	}
	if got := plan(); len(got) != 1 || got["mode"] != "inventory" {
		t.Errorf("%v", got)
	}
	entry := c.Bind(mac, "bty-flash-once")
	if got := plan(); got["mode"] != "flash" || got["image"] == "" || got["target_disk_serial"] != "SER1" {
		t.Errorf("%v", got)
	}
	_ = entry
	c.Anonymous("POST", "/pxe/"+mac+"/status", JSON(`{"status": "failed", "reason": "no disk with serial SER1"}`), urllib...).Is(204)
	catalog := c.Anonymous("GET", "/catalog.toml", nil, urllib...).Is(200, "version = 1")
	if len(catalog.Body) > 4<<20 {
		t.Error("the client reads at most 4 MiB")
	}
	c.Anonymous("POST", "/pxe/"+mac+"/status", JSON(`{"status": "done"}`), urllib...).Is(204)
	if answer := c.Anonymous("HEAD", "/", nil, "User-Agent", "curl/8.14.1"); answer.Header.Get("Date") == "" {
		t.Error("the clock helper needs a Date")
	}
}
