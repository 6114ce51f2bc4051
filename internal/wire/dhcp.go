package wire

import (
	"strings"
	"time"
)

// Observations is the body of POST /sightings on the report socket: DHCP traffic that was seen on
// the wire since the last one.
type Observations struct {
	Sightings []Sighting   `json:"sightings"`
	Answers   []DHCPAnswer `json:"answers"`
}

// Sighting is what a machine's DHCP request said. What an option did not say is empty.
type Sighting struct {
	At        time.Time `json:"at"`
	MAC       string    `json:"mac"`
	Message   string    `json:"message"`             // DISCOVER, REQUEST, INFORM (53)
	Class     string    `json:"class"`               // vendor class identifier (60): PXEClient..., HTTPClient...
	UserClass string    `json:"user_class"`          // user class (77): iPXE, once that asks
	Arch      string    `json:"arch"`                // client system architecture (93), in words
	ArchCode  *uint16   `json:"arch_code,omitempty"` // the same as its number, RFC 4578 section 2.1
	UUID      string    `json:"uuid"`                // client machine identifier (97)
	Hostname  string    `json:"hostname"`            // host name (12)
	Address   string    `json:"address"`             // that it has (ciaddr) or asks for (50)
	Link      string    `json:"link"`                // network interface of the appliance
	VLAN      uint16    `json:"vlan,omitempty"`      // 802.1Q tag, 0 without one
	Count     int       `json:"count"`               // requests that were coalesced into this one, with no pause of minutes
}

// FromIPXE reports whether it is iPXE that asked, and no longer the firmware.
func (s Sighting) FromIPXE() bool { return s.UserClass == "iPXE" }

// IsNetboot reports whether it asks for something to boot, and not as a system that runs.
func (s Sighting) IsNetboot() bool {
	return strings.HasPrefix(s.Class, "PXEClient") || strings.HasPrefix(s.Class, "HTTPClient") || s.FromIPXE()
}

// DHCPAnswer is what a DHCP server, or a proxyDHCP server, said to a machine.
type DHCPAnswer struct {
	At         time.Time `json:"at"`
	MAC        string    `json:"mac"`         // of the machine
	Message    string    `json:"message"`     // OFFER, ACK, NAK (53)
	From       string    `json:"from"`        // source address of the packet
	Server     string    `json:"server"`      // server identifier (54)
	Class      string    `json:"class"`       // vendor class identifier (60): the echo that PXE and HTTP Boot need
	Address    string    `json:"address"`     // yiaddr; empty from a proxy
	NextServer string    `json:"next_server"` // siaddr
	TFTPServer string    `json:"tftp_server"` // TFTP server name (66), or sname
	Bootfile   string    `json:"bootfile"`    // bootfile name (67), or file
	Link       string    `json:"link"`
	VLAN       uint16    `json:"vlan,omitempty"`
	Count      int       `json:"count"`
	To         *Asker    `json:"to,omitempty"` // what it answers, if the request was seen
}

// Asker is which program of a machine asked: its firmware, iPXE, a system.
type Asker struct {
	Class     string  `json:"class"`               // 60
	UserClass string  `json:"user_class"`          // 77
	ArchCode  *uint16 `json:"arch_code,omitempty"` // 93
}

// Asker is which program of the machine sent a request.
func (s Sighting) Asker() Asker { return Asker{s.Class, s.UserClass, s.ArchCode} }
