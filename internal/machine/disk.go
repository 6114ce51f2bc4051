package machine

import "strings"

// Disk is one block device as a machine reported it. The JSON names are those of the wire;
// a nil pointer is "not known" and stays null.
type Disk struct {
	Path      string  `json:"path"`
	Size      *string `json:"size"` // for people, as lsblk prints it: "953.9G"
	Vendor    *string `json:"vendor"`
	Model     *string `json:"model"`
	Serial    *string `json:"serial"`
	Tran      *string `json:"tran"`
	Removable bool    `json:"removable"`
	ReadOnly  bool    `json:"readonly"`
}

// SerialOrEmpty is the trimmed serial, "" when there is none.
func (d Disk) SerialOrEmpty() string {
	if d.Serial == nil {
		return ""
	}
	return strings.TrimSpace(*d.Serial)
}
