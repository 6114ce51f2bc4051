package client

import (
	"strings"
	"unicode/utf8"

	"bty/internal/machine"
	"bty/internal/wire"
)

// Limits of the wire contract. One field over its limit, and the server refuses the whole
// inventory: it is cut here instead.
const (
	MaxDisks = 64
	MaxLSHW  = 4 << 20

	maxPath   = 255
	maxSize   = 32
	maxVendor = 64
	maxModel  = 128
	maxSerial = 128
	maxTran   = 32
)

// Fit returns inv within the limits of the wire: fields trimmed and cut, empty ones null, at
// most 64 disks, and no hardware tree rather than one over 4 MiB.
func Fit(inv wire.Inventory) wire.Inventory {
	fitted := wire.Inventory{Disks: make([]machine.Disk, 0, min(len(inv.Disks), MaxDisks))}
	for _, d := range inv.Disks {
		if len(fitted.Disks) == MaxDisks {
			break
		}
		if d.Path != "" {
			fitted.Disks = append(fitted.Disks, fitDisk(d))
		}
	}
	if len(inv.LSHW) <= MaxLSHW {
		fitted.LSHW = inv.LSHW
	}
	return fitted
}

// FitReason trims reason and cuts it to what the server accepts.
func FitReason(reason string) string {
	return strings.TrimSpace(cut(strings.TrimSpace(reason), wire.MaxReason))
}

// fitPick cuts a pick to what the server accepts.
func fitPick(p wire.Pick) wire.Pick {
	return wire.Pick{Image: cut(p.Image, wire.MaxPicked), Ref: p.Ref, Serial: cut(p.Serial, maxSerial), Disk: cut(p.Disk, maxPath)}
}

func fitDisk(d machine.Disk) machine.Disk {
	d.Path = cut(d.Path, maxPath)
	d.Size = fitText(d.Size, maxSize)
	d.Vendor = fitText(d.Vendor, maxVendor)
	d.Model = fitText(d.Model, maxModel)
	d.Serial = fitText(d.Serial, maxSerial)
	d.Tran = fitText(d.Tran, maxTran)
	return d
}

// fitText trims as the server and the matching of serials do: a padded serial is the same disk.
func fitText(s *string, limit int) *string {
	if s == nil {
		return nil
	}
	text := strings.TrimSpace(cut(strings.TrimSpace(*s), limit))
	if text == "" {
		return nil
	}
	return &text
}

// cut shortens s to at most limit characters, and makes it valid UTF-8 for JSON.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit])
}
