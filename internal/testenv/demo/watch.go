package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/wire"
)

// labels are the events of the appliance that belong to the machine's way.
var labels = map[string]string{
	"machine.discovered":       "new",
	"machine.armed":            "armed",
	"netboot.tftp.transfer":    "TFTP",
	"netboot.pxe.offered":      "script",
	"netboot.artifact.fetched": "kernel",
	"netboot.pxe.plan":         "plan",
	"machine.inventory":        "inventory",
	"machine.stage":            "flash",
	"machine.picked":           "picked",
	"machine.flashed":          "done",
	"machine.flash_failed":     "FAILED",
	"machine.stuck":            "STUCK",
	"netboot.live.missing":     "MISSING",
}

// message reads the appliance's live stream.
func (t *timeline) message(m appliance.Message) {
	switch m.Name {
	case "event":
		var e appliance.Event
		if json.Unmarshal(m.Data, &e) == nil && labels[e.Kind] != "" {
			t.add(entry{at: e.At, label: labels[e.Kind], text: about(e.Summary)})
		}
	case "progress":
		var p wire.StreamProgress
		if json.Unmarshal(m.Data, &p) == nil && p.Total > 0 && p.Stage == "write" {
			t.add(entry{at: time.Now(), label: "flash", text: progress(p.Progress), bar: true})
		}
	}
}

// about leaves out what every line of one machine would repeat.
func about(summary string) string {
	return strings.TrimPrefix(strings.TrimLeft(strings.TrimPrefix(summary, mac), ": "), "stage ")
}

func progress(p wire.Progress) string {
	const mebi = 1 << 20
	return fmt.Sprintf("%s %3d%%  %.1f of %.1f MiB  %.1f MiB/s", bar(p.Bytes, p.Total), 100*min(p.Bytes, p.Total)/p.Total,
		float64(p.Bytes)/mebi, float64(p.Total)/mebi, p.Rate/mebi)
}

// sights are lines of the serial console worth showing; the first group completes the text.
var sights = []struct {
	line  *regexp.Regexp
	label string
	text  string
}{
	{regexp.MustCompile(`^>>Start (PXE|HTTP Boot) over IPv4`), "firmware", "starts %s"},
	{regexp.MustCompile(`^ *URI: (\S+)`), "HTTP", "firmware fetches %s"},
	{regexp.MustCompile(`^iPXE initialising devices(.*)`), "iPXE", "the boot program runs%.0s"},
	{regexp.MustCompile(`/boot/(\S+)\.\.\. .*ok$`), "kernel", "%s is loaded"},
	{regexp.MustCompile(`Linux version (\S+)`), "kernel", "Linux %s starts"},
	{regexp.MustCompile(`^bty: live environment up in (.*)`), "live env", "up in %s"},
	{regexp.MustCompile(`^bty: disk (.*)`), "flash", "writes to %s"},
	{regexp.MustCompile(`^bty: flash failed: (.*)`), "FAILED", "%s"},
	{regexp.MustCompile(`reboot: (Restarting system)`), "reboot", "%s"},
	{regexp.MustCompile(`^Booting from (Hard Disk|0000:7c00|ROM)`), "firmware", "boots from %s"},
	{regexp.MustCompile(`BdsDxe: starting Boot\d+ "([^"]+)"`), "firmware", `starts "%s"`},
	{regexp.MustCompile(`^(` + diskLine + `)$`), "disk boot", `it says "%s"`},
}

// console reads the machine's serial console.
func (t *timeline) console(l testenv.Line) {
	for _, s := range sights {
		if match := s.line.FindStringSubmatch(l.Text); match != nil {
			t.add(entry{at: l.At, label: s.label, text: fmt.Sprintf(s.text, match[1])})
			return
		}
	}
}
