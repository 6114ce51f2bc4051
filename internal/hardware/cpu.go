package hardware

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// processors has one node per socket. The kernel knows what runs, the firmware knows the names
// and the empty sockets: sockets of both are paired in order.
func (s Source) processors(table []structure) []Node {
	data, _ := readFile(s.Proc, "cpuinfo", maxCPUInfo)
	running := parseCPUInfo(data)
	var nodes []Node
	for i, p := range ofKind(table, dmiProcessor) {
		if p.byte(0x18)&0x40 == 0 {
			nodes = append(nodes, Node{ID: socketID(i), Class: "processor", Handle: p.name(),
				Description: "CPU [empty]", Slot: p.text(4)})
			continue
		}
		var soc socket
		if len(running) > 0 {
			soc, running = running[0], running[1:]
		}
		nodes = append(nodes, s.processor(p, soc, i))
	}
	if len(nodes) == 0 || !slices.ContainsFunc(nodes, func(n Node) bool { return n.Claimed }) {
		for _, soc := range running {
			nodes = append(nodes, s.processor(structure{}, soc, len(nodes)))
		}
	}
	return nodes
}

func (s Source) processor(p structure, soc socket, i int) Node {
	n := Node{
		ID: socketID(i), Class: "processor", Claimed: true, Handle: p.name(), Description: "CPU",
		BusInfo: "cpu@" + strconv.Itoa(i), PhysID: strconv.FormatInt(int64(i), 16), Width: 64, Slot: p.text(4),
		Product: first(soc.model, p.text(16)), Vendor: first(p.text(7), soc.vendor), Version: p.text(16), Units: "Hz",
	}
	n.Capacity = first64(s.maxHz(soc), uint64(p.word(20))*1e6)
	n.Size = first64(soc.hz, uint64(p.word(22))*1e6, n.Capacity)
	n.set("cores", count(soc.cores, coreCount(p, 0x23, 0x2a)))
	n.set("enabledcores", count(soc.cores, coreCount(p, 0x24, 0x2c)))
	n.set("threads", count(soc.threads, coreCount(p, 0x25, 0x2e)))
	n.set("microcode", soc.microcode)
	return n
}

// coreCount is a byte, or 0xff and a word further on (SMBIOS 3.0, DSP0134, 7.5.6).
func coreCount(p structure, small, large int) int {
	if n := p.byte(small); n != 0xff {
		return int(n)
	}
	return int(p.word(large))
}

// maxHz is the highest frequency of the socket's first thread, from its frequency driver.
func (s Source) maxHz(soc socket) uint64 {
	if soc.threads == 0 {
		return 0
	}
	khz, _ := strconv.ParseUint(s.attr(fmt.Sprintf("devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", soc.firstCPU)), 10, 40)
	return khz * 1000
}

// socket is one processor as /proc/cpuinfo shows it.
type socket struct {
	id, vendor, model, microcode string
	firstCPU                     int
	cores, threads               int
	hz                           uint64
}

// maxSockets bounds what a broken or invented cpuinfo can make of us.
const maxSockets = 256

// parseCPUInfo groups the threads of /proc/cpuinfo by "physical id"; architectures without one
// (arm64) have one socket, whose cores are its threads.
func parseCPUInfo(data []byte) []socket {
	var all []socket
	thread := map[string]string{}
	flush := func() {
		if id, ok := thread["processor"]; ok {
			all = addThread(all, id, thread)
		}
		clear(thread)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 64<<10) // the line of flags is long
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			if strings.TrimSpace(key) == "" {
				flush()
			}
			continue
		}
		thread[strings.TrimSpace(key)] = tidy(value)
	}
	flush()
	return all
}

func addThread(all []socket, id string, t map[string]string) []socket {
	for i := range all {
		if all[i].id == t["physical id"] {
			all[i].threads++
			all[i].cores = max(atoi(t["cpu cores"]), 0)
			if all[i].cores == 0 {
				all[i].cores = all[i].threads
			}
			return all
		}
	}
	if len(all) == maxSockets {
		return all
	}
	mhz, _ := strconv.ParseFloat(t["cpu MHz"], 64)
	if mhz < 0 || mhz > 1e6 || mhz != mhz {
		mhz = 0
	}
	return append(all, socket{
		id: t["physical id"], vendor: t["vendor_id"], model: t["model name"], microcode: t["microcode"],
		firstCPU: atoi(id), cores: max(atoi(t["cpu cores"]), 1), threads: 1, hz: uint64(mhz * 1e6),
	})
}

func socketID(i int) string { return "cpu:" + strconv.Itoa(i) }

// atoi is zero for what is no small natural number.
func atoi(s string) int {
	n, _ := strconv.ParseUint(s, 10, 20)
	return int(n)
}

// count prints the first number that is not zero; lshw writes these as strings.
func count(options ...int) string {
	for _, n := range options {
		if n > 0 {
			return strconv.Itoa(n)
		}
	}
	return ""
}

func first64(options ...uint64) uint64 {
	for _, n := range options {
		if n > 0 {
			return n
		}
	}
	return 0
}
