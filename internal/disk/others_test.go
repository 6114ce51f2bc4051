package disk

import (
	"fmt"
	"testing"
)

// What is no disk is told with the reason, unless it is one of those that every kernel has in store.
func TestOthers(t *testing.T) {
	files := machineTree()
	for name, sectors := range map[string]string{"loop8": "2048", "loop9": "0", "zram7": "4096", "sr7": "8", "sdz": "0", "fd7": "0", "ram7": "8192", "mmcblk9boot0": "8192", "md7": "8"} {
		files["sys/devices/virtual/block/"+name+"/size"] = sectors
		files["sys/block/"+name+" ->"] = "../devices/virtual/block/" + name
	}
	others, err := tree(t, files).Others()
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for _, o := range others {
		why[o.Name] = o.Why
	}
	for name, want := range map[string]string{
		"loop8": "a loop device: a file that looks like a disk", "zram7": "compressed memory, not a disk", "sr7": "an optical drive",
		"sdz": "it has no medium: its size is 0", "mmcblk9boot0": "a boot area of an eMMC", "md7": "a volume that is made of other disks",
		"loop9": "", "fd7": "", "ram7": "", "sda": "",
	} {
		if why[name] != want {
			t.Errorf("%s: %q; want %q", name, why[name], want)
		}
	}
}

// Some machines have hundreds of loop devices.
func TestOthersAreBounded(t *testing.T) {
	files := map[string]string{}
	for i := range 100 {
		files[fmt.Sprintf("sys/block/loop%d/size", i)] = "8"
	}
	others, err := tree(t, files).Others()
	if err != nil || len(others) != maxOthers {
		t.Errorf("%d, %v", len(others), err)
	}
	if _, err := (Host{Sys: t.TempDir()}).Others(); err == nil {
		t.Error("no error")
	}
}
