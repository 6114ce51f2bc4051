package hotplug

import (
	"strings"
	"testing"
)

func TestParseMessage(t *testing.T) {
	msg := "add@/devices/pci0000:00/0000:00:03.0/virtio0\x00ACTION=add\x00DEVPATH=/devices/x\x00SUBSYSTEM=virtio\x00MODALIAS=virtio:d00000001v00001AF4\x00SEQNUM=1\x00"
	e, ok := parseMessage([]byte(msg))
	if want := (uevent{action: "add", subsystem: "virtio", modalias: "virtio:d00000001v00001AF4"}); !ok || e != want {
		t.Errorf("got %+v, %v", e, ok)
	}
	for _, bad := range []string{"", "add@/x", "libudev\x00\xfe\xed\xca\xfe", "\x00", "no path\x00ACTION=add\x00"} {
		if e, ok := parseMessage([]byte(bad)); ok {
			t.Errorf("%q was taken for %+v", bad, e)
		}
	}
}

func TestParseFile(t *testing.T) {
	// An SD card: no modalias file, but this.
	if e := parseFile("MMC_TYPE=SD\nMMC_NAME=QEMU!\nMODALIAS=mmc:block\n"); e.modalias != "mmc:block" || e.driver != "" {
		t.Errorf("got %+v", e)
	}
	if e := parseFile("DRIVER=ahci\nPCI_CLASS=10601\nMODALIAS=pci:v00008086d00002922\n"); e.driver != "ahci" {
		t.Errorf("got %+v", e)
	}
}

func TestWaits(t *testing.T) {
	for modalias, want := range map[string]bool{
		"pci:v00008086d000010D3sv00001AF4sd00001100bc02sc00i00": false, // a NIC
		"pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01": true,  // AHCI
		"pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30": true,  // xHCI
		"pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00": false, // virtio disk: the bus driver
		"virtio:d00000001v00001AF4":                             false,
		"virtio:d00000002v00001AF4":                             true,
		"scsi:t-0x00":                                           true,
		"usb:v46F4p0001":                                        true,
		"vmbus:f8615163df3e46c5913ff2d2f965ed0e":                false,
		"of:NethernetT(null)Cbrcm,bcm2711-genet-v5":             false,
	} {
		if waits(modalias) != want {
			t.Errorf("waits(%s) is not %v", modalias, want)
		}
	}
}

func FuzzUevent(f *testing.F) {
	f.Add([]byte("add@/devices/x\x00ACTION=add\x00MODALIAS=pci:v1\x00"))
	f.Add([]byte("libudev\x00\xfe\xed\xca\xfe"))
	f.Add([]byte("MODALIAS=mmc:block\nDRIVER=\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if e, ok := parseMessage(msg); ok && strings.Contains(e.modalias, "\x00") {
			t.Errorf("%+v", e)
		}
		if e := parseFile(string(msg)); strings.Contains(e.modalias, "\n") {
			t.Errorf("%+v", e)
		}
	})
}
