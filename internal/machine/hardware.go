package machine

import (
	"encoding/json"
	"strings"
)

// Hardware is what a machine reported about itself last. It is kept beside the machine, because
// it is larger than all the rest; the tree that it was read from is kept apart from both.
type Hardware struct {
	Disks   []Disk `json:"disks"`
	Vendor  string `json:"vendor,omitempty"`  // of the system, as DMI names it
	Product string `json:"product,omitempty"` // likewise
}

// maxDMI is the longest vendor or product that is kept, in characters.
const maxDMI = 64

// Describe takes vendor and product from a hardware tree in the shape of `lshw -json`, whose root
// is the system. Some releases of lshw put the root into a list.
func (h *Hardware) Describe(tree json.RawMessage) {
	var root struct{ Vendor, Product string }
	if json.Unmarshal(tree, &root) != nil {
		var list []json.RawMessage
		if json.Unmarshal(tree, &list) != nil || len(list) == 0 || json.Unmarshal(list[0], &root) != nil {
			return
		}
	}
	h.Vendor, h.Product = dmiText(root.Vendor), dmiText(root.Product)
}

// dmiText is one line of bounded length.
func dmiText(s string) string {
	runes := []rune(strings.Join(strings.Fields(s), " "))
	return string(runes[:min(len(runes), maxDMI)])
}
