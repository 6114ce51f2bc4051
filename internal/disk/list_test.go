package disk

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"bty/internal/disk/looptest"

	"github.com/google/go-cmp/cmp"
)

func TestList(t *testing.T) {
	got, err := tree(t, machineTree()).List()
	if err != nil {
		t.Fatal(err)
	}
	want := []Device{
		{Name: "mmcblk0", Size: 61071360 * 512, Model: "DF4032", Serial: "0x1a2b3c4d", Transport: "mmc"},
		{Name: "nvme0n1", Size: 2000409264 * 512, Model: "SAMSUNG MZVLB1T0HALR-000L7", Serial: "S4EMNX0R123456", WWN: "eui.0025385b71b0a1a2", Transport: "nvme",
			Partitions: []Partition{{Name: "nvme0n1p1", Number: 1}}},
		{Name: "sda", Size: 1953525168 * 512, Vendor: "ATA", Model: "Samsung SSD 860", Serial: "S3Z9NB0KA12345", WWN: "0x5002538e4071b4c1",
			Aliases: []string{"naa.5002538e4071b4c1"}, Transport: "sata",
			Partitions: []Partition{{"sda2", 2, 1 << 20, 2 << 20}, {"sda3", 3, 3 << 20, 8192}},
			Uses:       []Use{{"sda2", "mounted on /"}, {"sda3", "swap"}}},
		{Name: "sdb", Size: 60062500 * 512, Vendor: "SanDisk", Model: "Ultra", Serial: "4C530001", Transport: "usb", Removable: true,
			Partitions: []Partition{{Name: "sdb1", Number: 1}}, Uses: []Use{{"sdb1", "mounted on /data set"}}},
		{Name: "sdc", Size: 1172123568 * 512, Vendor: "SEAGATE", Model: "ST600MM0009", Serial: "WAF0QQQQ", WWN: "0x5000c500a1b2c3d4",
			Aliases: []string{"naa.5000c500a1b2c3d4"}, Transport: "sas", Uses: []Use{{"sdc", "held by dm-0 (vg-home)"}, {"dm-0", "mounted on /home"}}},
		{Name: "sdd", Size: 1 << 30, Vendor: "QEMU", Model: "QEMU HARDDISK", Serial: "UDEV48", Aliases: []string{"Drive_X_UDEV48"}},
		{Name: "vda", Size: 20 << 30, Vendor: "0x1af4", Serial: "disk-0001", Transport: "virtio", ReadOnly: true, Uses: []Use{{"vda", "mounted on /home"}}},
	}
	for i := range want {
		want[i].Path, want[i].Logical, want[i].Physical = "/dev/"+want[i].Name, 512, 4096
	}
	// The tree gives vda the number of dm-0, to see that mounts go by number.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := got[4].Busy(); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "dm-0 is mounted on /home") {
		t.Errorf("busy: %v", err)
	}
	if got := got[2].Mountpoints(); len(got) != 1 || got[0] != "/" {
		t.Errorf("mountpoints %q", got)
	}
}

func TestListWithoutSysfs(t *testing.T) {
	if _, err := (Host{Sys: t.TempDir()}).List(); err == nil {
		t.Error("no error")
	}
}

func TestMatch(t *testing.T) {
	devices, err := tree(t, machineTree()).List()
	if err != nil {
		t.Fatal(err)
	}
	twin := devices[2]
	twin.Path = "/dev/sdz"
	blank := Device{Path: "/dev/sdy"}
	for _, tc := range []struct {
		serial string
		with   []Device
		want   string
		err    error
	}{
		{"S3Z9NB0KA12345", devices, "/dev/sda", nil},
		{"  S3Z9NB0KA12345 \n", devices, "/dev/sda", nil},
		{"0x5002538e4071b4c1", devices, "/dev/sda", nil},
		{"naa.5002538e4071b4c1", devices, "/dev/sda", nil},
		{"eui.0025385b71b0a1a2", devices, "/dev/nvme0n1", nil},
		{"UDEV48", devices, "/dev/sdd", nil},
		{"s3z9nb0ka12345", devices, "", ErrNoDisk},
		{"S3Z9NB0KA1234", devices, "", ErrNoDisk},
		{"", append(devices, blank), "", ErrNoDisk},
		{"  ", append(devices, blank), "", ErrNoDisk},
		{"S3Z9NB0KA12345", append(devices, twin), "", ErrAmbiguous},
		{"X", nil, "", ErrNoDisk},
	} {
		got, err := Match(tc.with, tc.serial)
		if got.Path != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%q: %q, %v", tc.serial, got.Path, err)
		}
		if err != nil && len(tc.with) > 0 && !strings.Contains(err.Error(), "/dev/sda (serial S3Z9NB0KA12345, Samsung SSD 860, 931.5G)") {
			t.Errorf("%q: %v does not say what is there", tc.serial, err)
		}
	}
}

func TestToMachineDisk(t *testing.T) {
	d := Device{Path: "/dev/sda", Size: 1024209543168, Model: strings.Repeat("é", 200), Serial: "S\xff", Transport: "nvme"}
	got, err := json.Marshal(d.ToMachineDisk())
	want := `{"path":"/dev/sda","size":"953.9G","vendor":null,"model":"` + strings.Repeat("é", 128) +
		`","serial":"S?","tran":"nvme","removable":false,"readonly":false}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// lsblk is the judge of how a size is written, and of what the kernel says of a disk.
func TestAgainstLsblk(t *testing.T) {
	for _, size := range []int64{512, 1024 * 1000, 1 << 20, 3<<20 + 512, 1047552, 1<<30 - 512, 1<<30 + 54*(1<<20), 5368709120 + 512*1024, 1<<40 + 1<<39, 953<<30 + 870<<20} {
		path, _ := looptest.New(t, size, looptest.Options{})
		out, err := exec.Command("lsblk", "-dno", "SIZE", path).Output()
		if err != nil {
			t.Fatalf("lsblk: %v (apt-get install util-linux)", err)
		}
		d, err := System().Inspect(path)
		if err != nil || d.Size != size {
			t.Fatalf("%s: %d bytes, want %d, %v", path, d.Size, size, err)
		}
		if got, want := HumanSize(size), strings.TrimSpace(string(out)); got != want {
			t.Errorf("%d is %s, lsblk says %s", size, got, want)
		}
	}
}

func TestListOfThisMachineHasNoLoops(t *testing.T) {
	path, _ := looptest.New(t, 1<<20, looptest.Options{})
	devices, err := System().List()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		if d.Path == path || strings.HasPrefix(d.Name, "zram") || d.Size == 0 {
			t.Errorf("%s is listed", d.Path)
		}
	}
}

func TestParseIdentity(t *testing.T) {
	id := make([]byte, 512)
	put := func(word int, s string) { copy(id[2*word:], s) }
	put(10, "      S3Z9NB0KA12345")
	put(27, "Samsung SSD 860 EVO 1TB                 ")
	if got, ok := parseATA(id); !ok || got.serial != "S3Z9NB0KA12345" || got.model != "Samsung SSD 860 EVO 1TB" {
		t.Errorf("%+v", got)
	}
	if _, ok := parseATA(make([]byte, 512)); ok {
		t.Error("an empty identity has a serial number")
	}
	for page, want := range map[string]string{
		"\x00\x80\x00\x04ABCDEF": "ABCD", "\x00\x80\x00\x40AB": "AB", "\x00\x80\x00\x00": "", "\x00\x83\x00\x02AB": "", "": "",
		"\x00\x80\x00\x06\x00A B \x00": "A B",
	} {
		if got := parseUnitSerial([]byte(page)); got != want {
			t.Errorf("%q: %q", page, got)
		}
	}
}

func FuzzMountinfo(f *testing.F) {
	f.Add([]byte("25 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"))
	f.Add([]byte("26 25 0:31 / /a\\040b\\134 rw - btrfs /dev/sdb1 rw\n- - -\n"))
	if b, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range parseMountinfo(bytes.NewReader(b)) {
			if m.dev == "" || m.point == "" || m.source == "" {
				t.Fatalf("%+v", m)
			}
		}
		parseSwaps(bytes.NewReader(b))
	})
}

func FuzzIdentity(f *testing.F) {
	f.Add([]byte("\x00\x80\x00\x04ABCDEF"))
	f.Add(make([]byte, 512))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseUnitSerial(b)
		parseATA(b)
	})
}
