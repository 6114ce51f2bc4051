package pxe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/golden"
	"bty/internal/ipxe"
	"bty/internal/machine"
)

// The one table of every decision: each mode, each binding, each state of the cycle, each asker.
// testdata/decisions.txt is the table, testdata/served holds what each kind of answer says.

type binding struct {
	name   string
	apply  func(*machine.Intent)
	image  *catalog.Entry
	nolive bool
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var entry = &catalog.Entry{
	Ref: mustRef("https://images.example/debian.img.zst"), Src: "https://images.example/debian.img.zst",
	ResolvedSrc: "https://images.example/debian.img.zst", Name: "debian.img.zst", Format: catalog.Zstd, Size: 1234,
	Digest: catalog.Digest{0xab},
}

var bindings = []binding{
	{name: "no-image", apply: func(*machine.Intent) {}},
	{name: "orphan", apply: func(i *machine.Intent) { i.Image, i.TargetSerial = entry.Ref, "SER1" }},
	{name: "no-serial", apply: func(i *machine.Intent) { i.Image = entry.Ref }, image: entry},
	{name: "bound", apply: func(i *machine.Intent) { i.Image, i.TargetSerial = entry.Ref, "SER1" }, image: entry},
	{name: "bound-no-live", apply: func(i *machine.Intent) { i.Image, i.TargetSerial = entry.Ref, "SER1" }, image: entry, nolive: true},
}

var cycles = []struct {
	name  string
	facts machine.Facts
}{
	{"fresh", machine.Facts{}},
	{"launched", machine.Facts{Attempts: 1, Launched: true}},
	{"planned", machine.Facts{Attempts: 1, Launched: true, Planned: true}},
	{"asked-again", machine.Facts{Attempts: 1}},
	{"completed", machine.Facts{Attempts: 1, Launched: true, Planned: true, Completed: true}},
	{"failed", machine.Facts{Attempts: 1, Launched: true, Planned: true, Failed: true, Reason: "no disk; rm -rf ${net0} && boot"}},
	{"fifth-launched", machine.Facts{Attempts: 5, Launched: true}},
	{"fifth-planned", machine.Facts{Attempts: 5, Launched: true, Planned: true}},
	{"fifth-over", machine.Facts{Attempts: 5}},
	{"stuck", machine.Facts{Attempts: 5, Stuck: true}},
	{"disk-other-way", machine.Facts{DiskVia: machine.ViaTFTP, DiskAt: noon.Add(-time.Minute)}},
	{"disk-long-ago", machine.Facts{DiskVia: machine.ViaTFTP, DiskAt: noon.Add(-time.Hour)}},
	{"disk-same-way", machine.Facts{DiskAt: noon}},
}

func mustRef(src string) catalog.ImageRef {
	ref, err := catalog.RefOf(src)
	if err != nil {
		panic(err)
	}
	return ref
}

func TestDecisions(t *testing.T) {
	var table bytes.Buffer
	served := map[string][]byte{}
	fmt.Fprintf(&table, "%-16s %-13s %-14s %-8s | %-19s %-45s | %s\n", "mode", "binding", "cycle", "asker", "rule", "served", "next")
	for _, mode := range machine.Modes {
		for _, b := range bindings {
			if !mode.Flashes() && (b.name == "orphan" || b.name == "no-serial") {
				continue // the binding is irrelevant there; "bound" shows it
			}
			for _, c := range cycles {
				for _, asker := range []boot.Asker{boot.Firmware, boot.Live} {
					d := boot.Decide(subject(mode, b, c.facts), knowledge(b), boot.Question{Asker: asker, Now: noon})
					name, text := render(t, d.Offer)
					if old, ok := served[name]; ok && !bytes.Equal(old, text) {
						t.Errorf("%s has two texts:\n%s\n%s", name, old, text)
					}
					served[name] = text
					fmt.Fprintf(&table, "%-16s %-13s %-14s %-8s | %-19s %-45s | %s\n", mode, b.name, c.name, askerName(asker), d.Offer.Rule, name, nextName(c.facts, d.Next.Facts))
				}
			}
		}
	}
	golden.Check(t, "decisions.txt", table.Bytes())
	for name, text := range served {
		golden.Check(t, "served/"+name, text)
	}
}

func subject(mode machine.BootMode, b binding, facts machine.Facts) machine.Machine {
	m := machine.Machine{MAC: machine.MAC{0x52, 0x54, 0, 0, 0, 1}, Facts: facts, CreatedAt: time.Unix(1, 0)}
	m.Intent = machine.Intent{Mode: mode, Labels: []string{"rack-1", "lab"}}
	b.apply(&m.Intent)
	return m
}

func knowledge(b binding) boot.Knowledge {
	know := boot.Knowledge{Image: b.image, Live: boot.LiveFiles{Kernel: "bty-live-x86_64.vmlinuz", Initrd: "bty-live-x86_64.initrd"}}
	if b.nolive {
		know.Live, know.Missing = boot.LiveFiles{}, "bty-live-x86_64.initrd"
	}
	return know
}

func render(t *testing.T, o boot.Offer) (name string, text []byte) {
	t.Helper()
	stem := fmt.Sprintf("%s.%s", o.Machine.Intent.Mode, o.Rule)
	if !o.Machine.Intent.Image.IsZero() {
		stem += ".image"
	}
	if o.Asker == boot.Firmware {
		return stem + ".ipxe", ipxe.Render(o, "bty.example:8080")
	}
	text, err := json.MarshalIndent(Plan(o, "bty.example:8080"), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return stem + ".json", append(text, '\n')
}

func askerName(a boot.Asker) string {
	if a == boot.Firmware {
		return "firmware"
	}
	return "live"
}

func nextName(before, after machine.Facts) string {
	before.Under, after.Under = "", "" // which TestAssigned shows
	if before == after {
		return "same"
	}
	for _, c := range cycles {
		if c.facts == after {
			return c.name
		}
	}
	after.Reason = ""
	return fmt.Sprintf("attempts=%d launched=%t planned=%t completed=%t failed=%t stuck=%t",
		after.Attempts, after.Launched, after.Planned, after.Completed, after.Failed, after.Stuck)
}

// TestDebianLive shows the script for the Debian live environment, whose squashfs has no query.
func TestDebianLive(t *testing.T) {
	m := subject(machine.Inventory, bindings[0], machine.Facts{})
	know := boot.Knowledge{Live: boot.LiveFiles{Kernel: "bty-netboot-pc-x86_64-v0.65.4.vmlinuz",
		Initrd: "bty-netboot-pc-x86_64-v0.65.4.initrd", Squashfs: "bty-netboot-pc-x86_64-v0.65.4.squashfs"}}
	offer := boot.Decide(m, know, boot.Question{Asker: boot.Firmware, Now: noon}).Offer
	golden.Check(t, "served/debian-live.ipxe", ipxe.Render(offer, "bty.example:8080"))
	golden.Check(t, "served/bootstrap.ipxe", ipxe.Bootstrap("bty.example:8080", ""))
	golden.Check(t, "served/autoexec.ipxe", ipxe.Autoexec("bty.example:8080", machine.ViaHTTP))
}
