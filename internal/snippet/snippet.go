// Package snippet has ready configurations for the DHCP servers of other people: what each has to
// say so that machines boot from this appliance. The texts are files; the appliance's address and
// port are filled in.
package snippet

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"text/template"
)

//go:embed files
var files embed.FS

var texts = template.Must(template.New("").Option("missingkey=error").ParseFS(files, "files/*"))

// Site is what the texts are filled with.
type Site struct {
	Host   netip.Addr   // IPv4 address of the appliance
	Port   int          // of bty-web
	Subnet netip.Prefix // of the LAN that the machines are in
}

// Snippet is what there is to do for one product.
type Snippet struct {
	ID    string // for links: "dnsmasq-proxy"
	Title string
	When  string // when it is the right one
	Steps []string
	Texts []Text
}

// Text is something to copy.
type Text struct {
	ID    string
	Title string
	Body  string
}

// Products returns all products with what each text is for, and no texts.
func Products() []Snippet { return products() }

// Snippets returns all products, filled in for a site.
func Snippets(s Site) ([]Snippet, error) {
	list := products()
	for i := range list {
		for j := range list[i].Texts {
			text := &list[i].Texts[j]
			var b bytes.Buffer
			if err := texts.ExecuteTemplate(&b, text.ID+".txt", s); err != nil {
				return nil, fmt.Errorf("fill in %s: %w", text.ID, err)
			}
			text.Body = b.String()
		}
	}
	return list, nil
}

// Fill returns one text of the files, filled in for a site.
func Fill(id string, s Site) (string, error) {
	list, err := Snippets(s)
	for _, product := range list {
		for _, text := range product.Texts {
			if text.ID == id {
				return text.Body, nil
			}
		}
	}
	if err == nil {
		err = fmt.Errorf("there is no text %q", id)
	}
	return "", err
}

// URL is the folder of the boot files, for UEFI HTTP Boot.
func (s Site) URL() string {
	return "http://" + netip.AddrPortFrom(s.Host, uint16(s.Port)).String() + "/boot"
}

// Network is the address of the LAN.
func (s Site) Network() string { return s.Subnet.Masked().Addr().String() }

// Netmask is the LAN's mask in dotted form.
func (s Site) Netmask() string {
	bits := s.Subnet.Bits()
	mask := ^uint32(0) << (32 - bits)
	return netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
}

// First and Last are the ends of a pool that leaves room for fixed addresses.
func (s Site) First() string { return s.host(0.4) }

// Last is the other end.
func (s Site) Last() string { return s.host(0.8) }

// host is an address of the LAN, part of the way from its first to its last.
func (s Site) host(part float64) string {
	a := s.Subnet.Masked().Addr().As4()
	base := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	size := uint64(1) << (32 - s.Subnet.Bits())
	n := base + uint32(float64(size)*part)
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String()
}
