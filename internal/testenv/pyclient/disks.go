package pyclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// listed is a disk as lsblk prints it.
type listed struct {
	Name        string    `json:"name"`
	Path        string    `json:"path"`
	Size        string    `json:"size"`
	Type        string    `json:"type"`
	Vendor      *string   `json:"vendor"`
	Model       *string   `json:"model"`
	Serial      *string   `json:"serial"`
	RM          bool      `json:"rm"`
	RO          bool      `json:"ro"`
	MountPoints []*string `json:"mountpoints"`
	Tran        *string   `json:"tran"`
}

// disk is one as it is reported.
type disk struct {
	Path        string   `json:"path"`
	Size        string   `json:"size"`
	Type        string   `json:"type"`
	Vendor      *string  `json:"vendor"`
	Model       *string  `json:"model"`
	Serial      *string  `json:"serial"`
	Tran        *string  `json:"tran"`
	Removable   bool     `json:"removable"`
	ReadOnly    bool     `json:"readonly"`
	MountPoints []string `json:"mountpoints"`
}

// RealLsblk is what the client runs.
func RealLsblk(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "lsblk", "-J", "-o", "NAME,PATH,SIZE,TYPE,VENDOR,MODEL,SERIAL,RM,RO,MOUNTPOINTS,TRAN").Output()
}

// As makes disks of some of the loop devices that the real lsblk lists, with serial numbers, and
// leaves out all other devices of this machine.
func As(serials map[string]string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		raw, err := RealLsblk(ctx)
		if err != nil {
			return nil, err
		}
		var all struct {
			Devices []map[string]any `json:"blockdevices"`
		}
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, err
		}
		kept := []map[string]any{}
		for _, d := range all.Devices {
			path, _ := d["path"].(string)
			if serial, ok := serials[path]; ok {
				d["type"], d["serial"], d["model"], d["tran"] = "disk", serial+"  ", "Loop  ", "sata"
				kept = append(kept, d)
			}
		}
		return json.Marshal(map[string]any{"blockdevices": kept})
	}
}

func (c *Client) disks(ctx context.Context) ([]disk, error) {
	list := c.Lsblk
	if list == nil {
		list = RealLsblk
	}
	raw, err := list(ctx)
	if err != nil {
		return nil, fmt.Errorf("lsblk: %w", err)
	}
	var all struct {
		Devices []listed `json:"blockdevices"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("lsblk: %w", err)
	}
	disks := []disk{}
	for _, d := range all.Devices {
		if d.Type == "disk" {
			disks = append(disks, d.reported())
		}
	}
	return disks, nil
}

func (d listed) reported() disk {
	mounts := []string{}
	for _, m := range d.MountPoints {
		if m != nil {
			mounts = append(mounts, *m)
		}
	}
	path := d.Path
	if path == "" {
		path = "/dev/" + d.Name
	}
	return disk{Path: path, Size: d.Size, Type: d.Type, Vendor: trimmed(d.Vendor), Model: trimmed(d.Model), Serial: trimmed(d.Serial),
		Tran: trimmed(d.Tran), Removable: d.RM, ReadOnly: d.RO, MountPoints: mounts}
}

// trimmed: what is empty becomes null.
func trimmed(s *string) *string {
	if s == nil || strings.TrimSpace(*s) == "" {
		return nil
	}
	t := strings.TrimSpace(*s)
	return &t
}

// match takes the first disk with the serial; one without a serial never matches.
func match(disks []disk, serial string) (disk, bool) {
	for _, d := range disks {
		if d.Serial != nil && *d.Serial == strings.TrimSpace(serial) {
			return d, true
		}
	}
	return disk{}, false
}

// inventory reports the hardware.
func (c *Client) inventory(ctx context.Context) error {
	disks, err := c.disks(ctx)
	if err != nil {
		return err
	}
	body := map[string]any{"disks": disks}
	if c.LSHW != nil {
		body["lshw"] = c.LSHW
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = c.urlopen(ctx, http.MethodPost, c.base()+"/pxe/"+c.MAC+"/inventory", raw, 10*time.Second, 1<<20)
	return err
}
