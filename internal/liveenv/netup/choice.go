package netup

import (
	"slices"

	"bty/internal/machine"

	"github.com/vishvananda/netlink"
)

// Choice says which NIC to use; the zero value leaves it to the network.
type Choice struct {
	MAC  *machine.MAC
	Name string // the kernel's: "eth0"
}

// IsZero is true where any NIC will do.
func (c Choice) IsZero() bool { return c.MAC == nil && c.Name == "" }

// takes also knows the address that the card was made with: firmware may have used it while a
// driver or a hypervisor set another.
func (c Choice) takes(attrs *netlink.LinkAttrs) bool {
	if c.MAC != nil {
		return slices.Equal(attrs.HardwareAddr, c.MAC[:]) || slices.Equal(attrs.PermHWAddr, c.MAC[:])
	}
	return c.Name == "" || attrs.Name == c.Name
}

func (c Choice) String() string {
	if c.MAC != nil {
		return "the address " + c.MAC.String()
	}
	return "the name " + c.Name
}
