package netup

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

// addVLAN puts an interface for tagged frames on a NIC. The kernel asks for its module (8021q) by
// itself.
func addVLAN(parent Link, id int) (Link, error) {
	vlan := vlanOn(parent, id)
	if err := netlink.LinkAdd(vlan); err != nil && !errors.Is(err, os.ErrExist) {
		return Link{}, fmt.Errorf("VLAN %d on %s: %w", id, parent.Name, err)
	}
	made, err := netlink.LinkByName(vlan.Name)
	if err != nil {
		return Link{}, fmt.Errorf("VLAN %d on %s: %w", id, parent.Name, err)
	}
	if err := netlink.LinkSetUp(made); err != nil {
		return Link{}, fmt.Errorf("bring up %s: %w", vlan.Name, err)
	}
	return Link{Index: made.Attrs().Index, Name: vlan.Name, MAC: parent.MAC}, nil
}

// vlanOn is named like eth0.5; the kernel has room for 15 letters.
func vlanOn(parent Link, id int) *netlink.Vlan {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = fmt.Sprintf("%.10s.%d", parent.Name, id), parent.Index
	return &netlink.Vlan{LinkAttrs: attrs, VlanId: id, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
}
