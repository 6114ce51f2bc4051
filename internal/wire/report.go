package wire

import "time"

// Transfer is the body of POST /transfers on the report socket: one finished TFTP transfer.
type Transfer struct {
	Client   string        `json:"client"` // address without port
	File     string        `json:"file"`   // as asked
	Served   string        `json:"served"` // what was sent: a file's name or "script"
	Bytes    int64         `json:"bytes"`
	Duration time.Duration `json:"duration_ns"`
	Error    string        `json:"error,omitempty"` // empty: acknowledged to the last block
}

// Sighting is the body of POST /sightings on the report socket: the DHCP request of a machine that
// boots from the network, seen on the wire. What an option did not say is empty.
type Sighting struct {
	MAC       string `json:"mac"`
	Class     string `json:"class"`      // vendor class identifier (60): PXEClient..., HTTPClient...
	UserClass string `json:"user_class"` // user class (77): iPXE, once that asks
	Arch      string `json:"arch"`       // client system architecture (93), in words
}

// FromIPXE reports whether it is iPXE that asked, and no longer the firmware.
func (s Sighting) FromIPXE() bool { return s.UserClass == "iPXE" }

// Client is the answer to GET /clients/{address} on the report socket.
type Client struct {
	IPXE bool `json:"ipxe"` // a recent sighting of this address had user class (77) "iPXE"
}
