package hardware

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// maxNICs bounds the walk over /sys/class/net: a host of containers has thousands of entries.
const maxNICs = 256

// networks has the NICs that hardware stands behind: an entry of /sys/class/net with a device.
func (s Source) networks() []Node {
	entries, _ := fs.ReadDir(s.Sys, "class/net")
	var nodes []Node
	for _, e := range entries {
		dir := path.Join("class/net", e.Name())
		if _, err := fs.Stat(s.Sys, dir+"/device"); err != nil {
			continue // lo, bridges, veth: made by software
		}
		if len(nodes) == maxNICs {
			break
		}
		nodes = append(nodes, s.network(dir, e.Name(), len(nodes)))
	}
	if len(nodes) == 1 {
		nodes[0].ID = "network" // lshw numbers siblings only when there are several
	}
	return nodes
}

func (s Source) network(dir, name string, i int) Node {
	uevent := parseUevent(s.raw(dir + "/device/uevent"))
	n := Node{
		ID: "network:" + strconv.Itoa(i), Class: "network", Claimed: true, LogicalName: tidy(name),
		Description: "Ethernet interface", Serial: s.attr(dir + "/address"), PhysID: strconv.FormatInt(int64(i), 16),
		Version: strings.TrimPrefix(s.attr(dir+"/device/revision"), "0x"),
	}
	if _, err := fs.Stat(s.Sys, dir+"/wireless"); err == nil {
		n.Description = "Wireless interface"
	}
	if slot := uevent["PCI_SLOT_NAME"]; slot != "" {
		n.Handle, n.BusInfo = "PCI:"+slot, "pci@"+slot
	}
	n.Vendor, n.Product = s.pciNames(dir)
	// speed is -1, or reading it fails, while there is no link.
	if mbits, err := strconv.ParseUint(s.attr(dir+"/speed"), 10, 32); err == nil && mbits > 0 && mbits < 1<<31 {
		n.Units, n.Size = "bit/s", mbits*1e6
		n.set("speed", fmt.Sprintf("%dMbit/s", mbits))
	}
	n.set("driver", uevent["DRIVER"])
	n.set("duplex", s.attr(dir+"/duplex"))
	n.set("link", s.link(dir))
	n.set("mtu", s.attr(dir+"/mtu"))
	return n
}

// pciNames is as much as can be said without the database of PCI names: the numbers.
func (s Source) pciNames(dir string) (vendor, product string) {
	v, d := s.attr(dir+"/device/vendor"), s.attr(dir+"/device/device")
	if v == "" || d == "" {
		return "", ""
	}
	v, d = strings.TrimPrefix(v, "0x"), strings.TrimPrefix(d, "0x")
	return first(pciVendors[v], "["+v+"]"), "[" + v + ":" + d + "]"
}

func (s Source) link(dir string) string {
	switch s.attr(dir + "/carrier") {
	case "1":
		return "yes"
	case "0":
		return "no"
	}
	return ""
}

func (s Source) raw(name string) []byte {
	data, _ := readFile(s.Sys, name, maxAttr)
	return data
}

// parseUevent reads the KEY=value lines of a device's uevent file.
func parseUevent(data []byte) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, "="); ok {
			values[tidy(key)] = tidy(value)
		}
	}
	return values
}

// pciVendors names the makers of nearly every NIC that boots from a network.
var pciVendors = map[string]string{
	"8086": "Intel Corporation", "10ec": "Realtek Semiconductor Co., Ltd.", "14e4": "Broadcom Inc.",
	"15b3": "Mellanox Technologies", "1af4": "Red Hat, Inc.", "1d6a": "Aquantia Corp.", "1077": "QLogic Corp.",
	"177d": "Cavium, Inc.", "1924": "Solarflare Communications", "1969": "Qualcomm Atheros",
	"11ab": "Marvell Technology Group Ltd.", "1022": "Advanced Micro Devices, Inc.", "15ad": "VMware",
	"1425": "Chelsio Communications Inc", "19e5": "Huawei Technologies Co., Ltd.", "1dd8": "Pensando Systems",
	"1d0f": "Amazon.com, Inc.", "1ae0": "Google, Inc.", "1414": "Microsoft Corporation",
}
