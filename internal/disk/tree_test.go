package disk

import (
	"os"
	"path/filepath"
	"testing"
)

// tree builds a sysfs and procfs of its own: paths under the root with their content. A path
// that ends in " ->" is a symbolic link.
func tree(t *testing.T, files map[string]string) Host {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		link := false
		if p, ok := cutArrow(path); ok {
			path, link = p, true
		}
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if link {
			err = os.Symlink(content, full)
		} else {
			err = os.WriteFile(full, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Host{Sys: filepath.Join(root, "sys"), Proc: filepath.Join(root, "proc"), Dev: "/dev", Udev: filepath.Join(root, "udev")}
}

func cutArrow(s string) (string, bool) {
	const arrow = " ->"
	if len(s) > len(arrow) && s[len(s)-len(arrow):] == arrow {
		return s[:len(s)-len(arrow)], true
	}
	return s, false
}

// machineTree is a machine with one disk of each kind, made after what Linux shows for them.
func machineTree() map[string]string {
	const pci = "devices/pci0000:00/0000:00:"
	files := map[string]string{
		"proc/self/mountinfo": "25 1 8:2 / / rw - ext4 /dev/sda2 rw\n" +
			"26 25 0:31 / /data\\040set rw - btrfs /dev/sdb1 rw\n" +
			"27 25 254:0 / /home rw - ext4 /dev/mapper/vg-home rw\n",
		"proc/swaps":  "Filename\tType\tSize\tUsed\tPriority\n/dev/sda3 partition 8 0 -2\n",
		"udev/b8:48":  "S:disk/by-id/x\nE:ID_SERIAL=Drive_X_UDEV48\nE:ID_SERIAL_SHORT=UDEV48\n",
		"udev/b254:0": "E:ID_X=1\n",
	}
	add := func(name, at string, attrs map[string]string) {
		files["sys/block/"+name+" ->"] = "../" + at + "/block/" + name
		for k, v := range attrs {
			dir := at + "/block/" + name + "/"
			files["sys/"+dir+k] = v
		}
	}
	disk := func(dev, sectors string, more map[string]string) map[string]string {
		m := map[string]string{
			"dev": dev + "\n", "size": sectors + "\n", "removable": "0\n", "ro": "0\n",
			"queue/logical_block_size": "512\n", "queue/physical_block_size": "4096\n",
		}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	add("sda", pci+"17.0/ata1/host0/target0:0:0/0:0:0:0", disk("8:0", "1953525168", map[string]string{
		"device/vendor": "ATA     \n", "device/model": "Samsung SSD 860 \n", "device/wwid": "naa.5002538e4071b4c1\n",
		"device/vpd_pg80": "\x00\x80\x00\x14      S3Z9NB0KA12345", "sda2/partition": "2\n", "sda2/dev": "8:2\n", "sda2/start": "2048\n", "sda2/size": "4096\n",
		"sda3/partition": "3\n", "sda3/dev": "8:3\n", "sda3/start": "6144\n", "sda3/size": "16\n",
	}))
	add("sdb", pci+"14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0", disk("8:16", "60062500", map[string]string{
		"removable": "1\n", "device/vendor": "SanDisk \n", "device/model": "Ultra           \n", "sdb1/partition": "1\n", "sdb1/dev": "8:17\n",
	}))
	files["sys/"+pci+"14.0/usb2/2-1/idVendor"] = "0781\n"
	files["sys/"+pci+"14.0/usb2/2-1/serial"] = "4C530001\n"
	add("sdc", pci+"02.0/host1/port-1:0/end_device-1:0/target1:0:0/1:0:0:0", disk("8:32", "1172123568", map[string]string{
		"device/vendor": "SEAGATE \n", "device/model": "ST600MM0009     \n", "device/wwid": "naa.5000c500a1b2c3d4\n",
		"device/vpd_pg80": "\x00\x80\x00\x08WAF0QQQQ", "holders/dm-0": "",
	}))
	add("sdd", pci+"03.0/host2/target2:0:0/2:0:0:0", disk("8:48", "2097152", map[string]string{
		"device/vendor": "QEMU    \n", "device/model": "QEMU HARDDISK   \n", "device/wwid": "t10.ATA     X",
	}))
	add("sde", pci+"04.0/usb3/3-2/3-2:1.0/host7/target7:0:0/7:0:0:0", disk("8:64", "0", map[string]string{"removable": "1\n"}))
	add("nvme0n1", pci+"1d.0/0000:3c:00.0/nvme/nvme0", disk("259:0", "2000409264", map[string]string{
		"wwid": "eui.0025385b71b0a1a2\n", "device/model": "SAMSUNG MZVLB1T0HALR-000L7             \n", "device/serial": "S4EMNX0R123456      \n",
		"nvme0n1p1/partition": "1\n", "nvme0n1p1/dev": "259:1\n",
	}))
	add("nvme1c0n1", pci+"1e.0/nvme/nvme1", disk("259:5", "100", map[string]string{"hidden": "1\n"}))
	add("vda", pci+"05.0/virtio2", disk("254:0", "41943040", map[string]string{"serial": "disk-0001", "device/vendor": "0x1af4\n", "ro": "1\n"}))
	add("mmcblk0", pci+"1a.0/mmc_host/mmc0/mmc0:0001", disk("179:0", "61071360", map[string]string{"device/serial": "0x1a2b3c4d\n", "device/name": "DF4032\n"}))
	add("mmcblk0boot0", pci+"1a.0/mmc_host/mmc0/mmc0:0001/mmcblk0", disk("179:8", "8192", nil))
	add("dm-0", "devices/virtual", disk("254:0", "1000", map[string]string{"dm/name": "vg-home"}))
	for _, name := range []string{"loop0", "zram0", "ram0", "md127", "sr0", "nbd0"} {
		add(name, "devices/virtual", disk("7:0", "1000", nil))
	}
	add("pmem9", "devices/virtual", disk("259:9", "1000", nil))
	return files
}
