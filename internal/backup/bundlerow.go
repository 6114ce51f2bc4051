package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"bty/internal/fleet"
	"bty/internal/machine"
)

// Limits of one machine in a bundle: those of the inventory that machines send.
const maxDisks = 64

// readRow reads one machine. A row that cannot be used says why in Problem.
func readRow(raw json.RawMessage) fleet.ImportRow {
	var in struct {
		MAC     json.RawMessage `json:"mac"`
		Disks   json.RawMessage `json:"known_disks"`
		DisksAt any             `json:"known_disks_at"`
		LSHW    json.RawMessage `json:"hw_lshw"`
		LSHWAt  any             `json:"hw_lshw_at"`
	}
	row := fleet.ImportRow{}
	if err := json.Unmarshal(raw, &in); err != nil {
		row.Problem = "it is no object with the fields of a machine"
		return row
	}
	var text string
	err := json.Unmarshal(in.MAC, &text)
	if row.Given = shorten(text); err != nil {
		row.Given = shorten(string(in.MAC))
	}
	if row.MAC, err = machine.ParseTypedMAC(text); err != nil {
		row.Problem = fmt.Sprintf("invalid MAC: %q", row.Given)
		return row
	}
	if row.Disks, err = ReadDisks(native(in.Disks)); err != nil {
		row.Problem = fmt.Sprintf("known_disks: %v", err)
		return row
	}
	if row.Tree, err = ReadTree(native(in.LSHW)); err != nil {
		row.Note = fmt.Sprintf("hw_lshw was left out: %v", err)
	}
	row.At = ReadTime(in.DisksAt)
	if row.At.IsZero() {
		row.At = ReadTime(in.LSHWAt)
	}
	return row
}

// native takes JSON that was put into a JSON string, as old databases have it, for what it says.
func native(raw json.RawMessage) json.RawMessage {
	var inner string
	if json.Unmarshal(raw, &inner) != nil {
		return raw
	}
	if inner == "" {
		return nil
	}
	return json.RawMessage(inner)
}

// ReadDisks reads the disks of an inventory and holds them to the limits of the wire; nil if there is
// none.
func ReadDisks(raw json.RawMessage) ([]machine.Disk, error) {
	if isNull(raw) {
		return nil, nil
	}
	disks := []machine.Disk{}
	if err := json.Unmarshal(raw, &disks); err != nil {
		return nil, errors.New("it is no list of disks")
	}
	if len(disks) > maxDisks {
		return nil, fmt.Errorf("it lists %d disks, and %d is the limit", len(disks), maxDisks)
	}
	for _, d := range disks {
		if err := checkDisk(d); err != nil {
			return nil, err
		}
	}
	return disks, nil
}

// checkDisk holds a disk to the limits of the wire.
func checkDisk(d machine.Disk) error {
	if d.Path == "" {
		return errors.New("a disk has no path")
	}
	for _, f := range []struct {
		name  string
		value *string
		limit int
	}{{"path", &d.Path, 255}, {"size", d.Size, 32}, {"vendor", d.Vendor, 64}, {"model", d.Model, 128}, {"serial", d.Serial, 128}, {"tran", d.Tran, 32}} {
		if f.value != nil && utf8.RuneCountInString(*f.value) > f.limit {
			return fmt.Errorf("the %s of a disk has more than %d characters", f.name, f.limit)
		}
	}
	return nil
}

// ReadTree returns the hardware tree as the store keeps it: compact, with sorted keys.
func ReadTree(raw json.RawMessage) (json.RawMessage, error) {
	if isNull(raw) {
		return nil, nil
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, errors.New("it is not JSON")
	}
	switch tree.(type) {
	case map[string]any, []any:
	default:
		return nil, errors.New("it is neither an object nor a list")
	}
	canonical, err := json.Marshal(tree)
	if len(canonical) > fleet.MaxTree {
		return nil, fmt.Errorf("it has %d bytes, and %d is the limit", len(canonical), fleet.MaxTree)
	}
	return canonical, err
}

func isNull(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// ReadTime reads a time in any of the spellings of ISO 8601 that bty has written; zero if it is none.
func ReadTime(v any) time.Time {
	text, _ := v.(string)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) > 60 {
		return string([]rune(s)[:60]) + "..."
	}
	return s
}
