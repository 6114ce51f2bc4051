package main

import (
	"cmp"
	"fmt"
	"regexp"

	"bty/internal/testenv"
)

// dhcpLog reads dnsmasq's log, which has several lines per packet. They share a transaction id.
type dhcpLog struct {
	leases map[string]*lease
}

// lease is what is known of one transaction.
type lease struct {
	asker, bootfile string
	iPXE            bool
}

var (
	dhcpLine  = regexp.MustCompile(`^dnsmasq-dhcp\[\d+\]: (\d+) (.*)`)
	dhcpClass = regexp.MustCompile(`^vendor class: (\S+)`)
	dhcpUser  = regexp.MustCompile(`^user class: iPXE`)
	dhcpFile  = regexp.MustCompile(`^sent size: .* bootfile-name +(\S+)`)
	dhcpAck   = regexp.MustCompile(`^DHCPACK\(\S+\) (\S+) ` + mac)
	dhcpArch  = regexp.MustCompile(`^(PXEClient|HTTPClient):Arch:0*(\d+)`)
)

func (d *dhcpLog) reader(t *timeline) func(testenv.Line) {
	return func(l testenv.Line) {
		if text := d.read(l.Text); text != "" {
			t.add(entry{at: l.At, label: "DHCP", text: text})
		}
	}
}

// read returns what to say about a line, "" for most.
func (d *dhcpLog) read(text string) string {
	parts := dhcpLine.FindStringSubmatch(text)
	if parts == nil {
		return ""
	}
	if d.leases == nil {
		d.leases = map[string]*lease{}
	}
	if d.leases[parts[1]] == nil {
		d.leases[parts[1]] = &lease{}
	}
	of := d.leases[parts[1]]
	if match := dhcpClass.FindStringSubmatch(parts[2]); match != nil {
		of.asker = match[1]
	} else if dhcpUser.MatchString(parts[2]) {
		of.iPXE = true
	} else if match := dhcpFile.FindStringSubmatch(parts[2]); match != nil {
		of.bootfile = match[1] // already in the offer
	} else if match := dhcpAck.FindStringSubmatch(parts[2]); match != nil {
		return of.describe(match[1])
	}
	return ""
}

func (l *lease) describe(address string) string {
	asker := cmp.Or(l.asker, "the live environment")
	if match := dhcpArch.FindStringSubmatch(l.asker); match != nil {
		asker = fmt.Sprintf("%s, architecture %s", match[1], match[2])
	}
	if l.iPXE {
		asker += ", iPXE"
	}
	if l.bootfile != "" && l.asker != "" {
		return fmt.Sprintf("%s to %s; bootfile %s", address, asker, l.bootfile)
	}
	return fmt.Sprintf("%s to %s", address, asker)
}
