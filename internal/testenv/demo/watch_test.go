package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
)

func TestDHCPLog(t *testing.T) {
	log := `dnsmasq-dhcp[9]: 77 vendor class: PXEClient:Arch:00007:UNDI:003010
dnsmasq-dhcp[9]: 77 user class: iPXE
dnsmasq-dhcp[9]: 77 DHCPOFFER(lan) 10.77.0.55 52:54:00:b7:00:01
dnsmasq-dhcp[9]: 77 sent size:  9 option: 67 bootfile-name  ipxe.efi
dnsmasq-dhcp[9]: 78 DHCPACK(lan) 10.77.0.56 52:54:00:b7:00:99
dnsmasq-dhcp[9]: 77 DHCPACK(lan) 10.77.0.55 52:54:00:b7:00:01
dnsmasq-dhcp[9]: 79 DHCPACK(lan) 10.77.0.55 52:54:00:b7:00:01`
	var said []string
	var d dhcpLog
	for line := range strings.Lines(log) {
		if text := d.read(strings.TrimSpace(line)); text != "" {
			said = append(said, text)
		}
	}
	want := "10.77.0.55 to PXEClient, architecture 7, iPXE; bootfile ipxe.efi\n10.77.0.55 to the live environment"
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What three observers saw is shown in the order in which it happened, once.
func TestTimeline(t *testing.T) {
	start := time.Now()
	var out bytes.Buffer
	line := newTimeline(&screen{out: &out}, start)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	event, err := json.Marshal(appliance.Event{At: at(2), Kind: "machine.stage", Summary: mac + ": stage write"})
	if err != nil {
		t.Fatal(err)
	}
	line.message(appliance.Message{Name: "event", Data: event})
	line.console(testenv.Line{At: at(1), Text: "[    0.000000] Linux version 6.1.0 (gcc)"})
	line.console(testenv.Line{At: at(1.5), Text: "noise"})
	line.console(testenv.Line{At: at(-1), Text: diskLine}) // of the power cycle before
	for _, bytes := range []int64{10, 11, 50, 100} {
		line.add(entry{at: at(3), label: "flash", text: bar(bytes, 100), bar: true})
	}
	line.print(at(10))
	want := []string{"1.0 s  kernel     Linux 6.1.0 starts", "2.0 s  flash      write", "3.0 s  flash      ███████████████░", "██████████████████████████████"}
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(got) != len(want) {
		t.Fatalf("got\n%s", out.String())
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("line %d is %q; want %q in it", i, got[i], want[i])
		}
	}
}

func TestCompareFindsOneWrongByte(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("disk image"), 0o600); err != nil {
		t.Fatal(err)
	}
	disk := testenv.Disk{File: file}
	digest, err := disk.Digest(10)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{disk: disk, raw: diskimg.Image{Size: 10, SHA256: digest}}
	if err := w.compare(&screen{out: &bytes.Buffer{}}); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("disk imagf"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.compare(&screen{out: &bytes.Buffer{}}); err == nil {
		t.Error("a wrong byte was not found")
	}
}
