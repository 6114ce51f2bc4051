package host

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"bty/internal/doctor"
)

// Addresses are the IPv4 addresses of this host with their networks and links. They are read from
// the kernel's tables as text: the sandbox of bty-web has no netlink sockets, and of /proc only the
// folders of processes.
func Addresses() ([]doctor.Address, error) {
	trie, err := os.ReadFile("/proc/self/net/fib_trie")
	if err != nil {
		return nil, err
	}
	routes, err := os.ReadFile("/proc/self/net/route")
	if err != nil {
		return nil, err
	}
	return addresses(trie, routes), nil
}

func addresses(trie, routes []byte) (list []doctor.Address) {
	networks := connected(routes)
	for _, own := range local(trie) {
		best := doctor.Address{Prefix: netip.PrefixFrom(own, 32)}
		if own.IsLoopback() {
			best = doctor.Address{Prefix: netip.PrefixFrom(own, 8), Link: "lo"}
		}
		widest := -1
		for _, n := range networks {
			if n.Contains(own) && n.Bits() > widest {
				widest = n.Bits()
				best = doctor.Address{Prefix: netip.PrefixFrom(own, n.Bits()), Link: n.Link}
			}
		}
		list = append(list, best)
	}
	return list
}

// local reads the addresses that packets are for when they are for this host: a line with the
// address, and under it one that says so.
func local(trie []byte) (list []netip.Addr) {
	seen := map[netip.Addr]bool{}
	var last netip.Addr
	lines := bufio.NewScanner(bytes.NewReader(trie))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if text, ok := strings.CutPrefix(line, "|-- "); ok {
			last, _ = netip.ParseAddr(text) // not valid: nothing of it is taken
			continue
		}
		if line == "/32 host LOCAL" && last.IsValid() && !seen[last] {
			seen[last] = true
			list = append(list, last)
		}
	}
	return list
}

// connected reads the networks that links are in, which are those without a gateway.
func connected(routes []byte) (list []doctor.Address) {
	lines := bufio.NewScanner(bytes.NewReader(routes))
	for lines.Scan() {
		cells := strings.Fields(lines.Text())
		if len(cells) < 8 || cells[2] != "00000000" {
			continue
		}
		to, okTo := hexAddr(cells[1])
		mask, okMask := hexAddr(cells[7])
		if !okTo || !okMask || to.IsUnspecified() {
			continue
		}
		m := mask.As4()
		list = append(list, doctor.Address{Prefix: netip.PrefixFrom(to, bits.OnesCount32(binary.BigEndian.Uint32(m[:]))), Link: cells[0]})
	}
	return list
}

// hexAddr reads an address as /proc/net writes it: a number in the byte order of the host.
func hexAddr(s string) (netip.Addr, bool) {
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil || len(s) != 8 {
		return netip.Addr{}, false
	}
	var a [4]byte
	binary.NativeEndian.PutUint32(a[:], uint32(n))
	return netip.AddrFrom4(a), true
}
