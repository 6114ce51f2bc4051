package pages

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The machines of the rack, by what became of them.
const (
	flashed = "52:54:00:a0:00:01"
	writing = "52:54:00:a0:00:02"
	failed  = "52:54:00:a0:00:03"
	fresh   = "52:54:00:a0:00:04" // discovered, has reported its hardware
	typed   = "52:54:00:a0:00:05" // added by hand, never seen
	syncing = "52:54:00:a0:00:06"
)

// furnish fills the server with what a rack has: images, machines in every state, events.
func furnish(s *server) {
	s.Helper()
	s.programs()
	s.live()
	debian := s.image("debian-13-generic-amd64.img.zst", 1_840_000_000)
	fedora := s.image("fedora-server-43-x86_64.img.gz", 2_300_000_000)
	s.discover(fresh, "PowerEdge R640", 2)
	for i, mac := range []string{flashed, writing, failed, syncing} {
		s.discover(mac, "ProLiant DL360 Gen10", 1)
		s.bind(mac, []string{debian, fedora}[i%2], "bty-flash-once", "rack-a", fmt.Sprintf("u%02d", 10+i))
		s.startFlash(mac)
	}
	s.do("POST", "/pxe/"+flashed+"/status", map[string]any{"status": "done"})
	s.do("GET", "/pxe/"+flashed, nil)
	s.progress(writing, "write", 1_120_000_000, 1_840_000_000, 236_000_000)
	s.progress(syncing, "sync", 2_300_000_000, 2_300_000_000, 0)
	s.do("POST", "/pxe/"+failed+"/status", map[string]any{"status": "failed", "reason": "the digest of the image is not the one in the catalog: the download is damaged or the image was replaced"})
	s.machineLog(failed, "bty: open "+strings.Repeat("https://images.example/a/long/way/", 6)+"debian.img.zst\nbty: 60 % of 1.84 GB\nbty: the digest of the image is not the one in the catalog\n")
	s.do("POST", "/ui/machines", url.Values{"mac": {typed}})
	for i := range 6 {
		s.do("GET", fmt.Sprintf("/pxe/52:54:00:b0:00:%02x", i), nil)
	}
	furnishImages(s)
	furnishBackups(s)
	furnishDoctor(s)
}

// machineLog sends what a machine's live environment logs.
func (s *server) machineLog(mac, text string) {
	s.Helper()
	answer, err := http.Post(s.address+"/pxe/"+mac+"/log", "text/plain; charset=utf-8", strings.NewReader(text))
	if err != nil || answer.StatusCode != http.StatusNoContent {
		s.Fatalf("%v %v", answer, err)
	}
	answer.Body.Close()
}

// live puts boot programs and a live environment into the boot folder.
func (s *server) live() {
	s.Helper()
	for _, name := range []string{"bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd", "ipxe.efi", "undionly.kpxe"} {
		if err := os.WriteFile(filepath.Join(s.state, "boot", name), []byte(name), 0o644); err != nil {
			s.Fatal(err)
		}
	}
}

// image adds an image of a size to the catalog, from an origin that has only its head.
func (s *server) image(name string, size int64) (ref string) {
	s.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "SHA256SUMS") {
			fmt.Fprintf(w, "%064x  %s\n", size, name)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}))
	origin.Listener = l
	origin.Start()
	s.Cleanup(origin.Close)
	base := "http://" + l.Addr().String()
	added := s.object("POST", "/catalog/entries", map[string]any{"image_url": base + "/" + name, "sha_url": base + "/SHA256SUMS"})
	return added["bty_image_ref"].(string)
}

// discover is a machine that asks for the first time and reports its hardware.
func (s *server) discover(mac, product string, disks int) {
	s.Helper()
	s.do("GET", "/pxe/"+mac, nil)
	var list []map[string]any
	for i := range disks {
		list = append(list, map[string]any{"path": fmt.Sprintf("/dev/nvme%dn1", i), "size": "953.9G", "model": "Samsung SSD 980 PRO 1TB", "serial": serialOf(mac, i), "tran": "nvme"})
	}
	list = append(list, map[string]any{"path": "/dev/sda", "size": "14.9G", "model": "Internal SD-CARD", "serial": nil, "tran": "usb", "removable": true})
	s.do("POST", "/pxe/"+mac+"/inventory", map[string]any{"disks": list, "lshw": map[string]any{
		"id": "host", "class": "system", "vendor": "Example Inc.", "product": product, "serial": "SN" + strings.ReplaceAll(mac[9:], ":", ""),
		"children": []map[string]any{
			{"id": "cpu:0", "class": "processor", "product": "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", "configuration": map[string]string{"enabledcores": "16"}},
			{"id": "cpu:1", "class": "processor", "product": "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", "configuration": map[string]string{"enabledcores": "16"}},
			{"id": "memory", "class": "memory", "children": []map[string]any{{"id": "bank:0", "size": 32 << 30}, {"id": "bank:1", "size": 32 << 30}}},
			{"id": "network:0", "class": "network", "logicalname": "eno1", "serial": mac, "vendor": "Broadcom", "product": "NetXtreme BCM5720"},
			{"id": "network:1", "class": "network", "logicalname": "eno2", "serial": mac[:15] + "f1", "vendor": "Broadcom", "product": "NetXtreme BCM5720"},
		}}})
}

func serialOf(mac string, disk int) string {
	return fmt.Sprintf("S5GX%s%d", strings.ToUpper(strings.ReplaceAll(mac[9:], ":", "")), disk)
}

func (s *server) bind(mac, ref, mode string, labels ...string) {
	s.Helper()
	s.do("PUT", "/machines/"+mac, map[string]any{"boot_mode": mode, "bty_image_ref": ref, "target_disk_serial": serialOf(mac, 0), "labels": labels})
}

// startFlash is what a machine asks for until its live environment has its plan.
func (s *server) startFlash(mac string) {
	s.Helper()
	s.do("GET", "/pxe/"+mac, nil)
	s.do("GET", "/boot/bty-live-x86_64.vmlinuz?mac="+mac, nil)
	s.do("GET", "/boot/bty-live-x86_64.initrd?mac="+mac, nil)
	s.do("GET", "/pxe/"+mac+"/plan", nil)
}

func (s *server) progress(mac, stage string, bytes, total int64, rate float64) {
	s.Helper()
	s.do("POST", "/pxe/"+mac+"/progress", map[string]any{"stage": stage, "bytes": bytes, "total": total, "rate": rate})
}
