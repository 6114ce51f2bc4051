package containers

import (
	"bufio"
	"context"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	operators "bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
	"bty/internal/testenv/imagehost"
	"bty/internal/testenv/systemd"
)

// From power-on to a flashed disk through containers alone: the firmware's TFTP, the script and the live
// environment over HTTP, the image by way of the cache; the sniffer saw the machine first.
func TestFlash(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	ctx, cancel := context.WithTimeout(h.ctx, 4*time.Minute)
	defer cancel()
	if _, err := h.LAN.DHCP(ctx, testenv.BootFiles{BIOS: "undionly.kpxe", UEFI: "ipxe.efi", Server: systemd.IP}, ""); err != nil {
		t.Fatal(err)
	}
	op := h.operator()
	for _, file := range []string{"bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd"} {
		if err := op.Upload(ctx, file, filepath.Join(buildFolder(t), "live", file)); err != nil {
			t.Fatal(err)
		}
	}
	const mac, serial = "52:54:00:b7:00:01", "TARGET1"
	raw, packed, ref := h.publish(ctx, op)
	if err := op.Bind(ctx, mac, operators.Binding{Mode: "bty-flash-once", Image: ref, Serial: serial}); err != nil {
		t.Fatal(err)
	}
	disk, err := testenv.NewDisk(filepath.Join(h.LAN.Dir, "disk"), serial, 96<<20)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.LAN.NewMachine(ctx, testenv.MachineConfig{Name: "m", MAC: mac, Firmware: testenv.UEFI, Disks: []testenv.Disk{disk}, NoReboot: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.PowerCut(); t.Failed() {
			t.Log(m.Console.Tail(60))
		}
	})
	begun := time.Now()
	if err := m.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Console.Expect(ctx, 4*time.Minute, `^bty: flash complete`); err != nil {
		t.Fatal(err)
	}
	t.Logf("flashed after %.0f s", time.Since(begun).Seconds())
	if err := m.WaitOff(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := disk.Digest(raw.Size); err != nil || got != raw.SHA256 {
		t.Errorf("the disk's digest is %s, the image's %s: %v", got, raw.SHA256, err)
	}
	h.checkFlashed(ctx, op, mac)
	h.checkCached(packed)
}

// publish puts an image on a server of the LAN and into the catalog.
func (h *host) publish(ctx context.Context, op *operators.Client) (raw, packed diskimg.Image, ref string) {
	h.t.Helper()
	dir := h.t.TempDir()
	raw, err := diskimg.Build(ctx, filepath.Join(dir, "image.img"), diskimg.Spec{Line: "the flashed disk is running", Size: 64 << 20})
	if err != nil {
		h.t.Fatal(err)
	}
	packed, err = diskimg.Pack(ctx, raw, ".zst")
	if err != nil {
		h.t.Fatal(err)
	}
	origin := imagehost.New(h.LAN, testenv.ServerIP+":8090", dir)
	if err := origin.Up(ctx); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(origin.Down)
	at, digestAt, err := origin.PublishAs(packed, packed.SHA256)
	if err == nil {
		ref, err = op.AddImage(ctx, at, digestAt)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return raw, packed, ref
}

// checkFlashed reads what each container has to say about it.
func (h *host) checkFlashed(ctx context.Context, op *operators.Client, mac string) {
	h.t.Helper()
	events, err := op.Events(ctx, mac)
	if err != nil {
		h.t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	for _, kind := range []string{"machine.flashed", "netboot.pxe.plan"} {
		if !slices.Contains(kinds, kind) {
			h.t.Errorf("there is no event %s, but %v", kind, kinds)
		}
	}
	if seen := h.journal("BTY_MAC="+mac, "MESSAGE_ID=342af62852724da7837f1fa0434649c2"); len(seen) == 0 {
		h.t.Error("the sniffer did not see the machine ask for an address")
	}
}

// checkCached holds when the bytes went through bty-cache: it holds the image, and gave all of it to the
// machine; its own figures say so.
func (h *host) checkCached(packed diskimg.Image) {
	h.t.Helper()
	answer, err := h.client().Get("http://" + net.JoinHostPort(systemd.IP, "3000") + "/metrics")
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	figures := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		end := max(0, strings.LastIndex(lines.Text(), " "))
		if n, err := strconv.ParseFloat(strings.TrimSpace(lines.Text()[end:]), 64); err == nil {
			figures[lines.Text()[:end]] = n
		}
	}
	size := float64(packed.Size)
	if images, held := figures["bty_cache_images"], figures["bty_cache_held_bytes"]; images != 1 || held < size {
		h.t.Errorf("bty-cache holds %v images of %v bytes, want the one of %v", images, held, size)
	}
	if given, sent := figures[`bty_cache_answers_total{outcome="given"}`], figures["bty_cache_sent_bytes_total"]; given < 1 || sent < size {
		h.t.Errorf("bty-cache gave %v answers of %v bytes, want at least one of %v", given, sent, size)
	}
}
