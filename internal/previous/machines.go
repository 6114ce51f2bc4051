package previous

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bty/internal/machine"
	"bty/internal/wire"
)

// The largest inventories that are read, in bytes. The previous system kept a tree of 4 MiB at most,
// and 64 disks.
const (
	maxDisksText = 1 << 20
	maxTreeText  = 4 << 20
)

var machineColumns = []column{
	{name: "mac"}, {name: "boot_mode"}, {name: "bty_image_ref"}, {name: "target_disk_serial"}, {name: "sanboot_drive"},
	{name: "saw_flasher_boot"}, {name: "last_flashed_at"}, {name: "discovered_at"}, {name: "created_at"}, {name: "last_seen_at"},
	{name: "last_seen_ip"}, {name: "known_disks_at"}, {name: "hw_lshw_at"},
	{name: "known_disks", limit: maxDisksText}, {name: "hw_lshw", limit: maxTreeText},
}

func (r *reader) machines() error {
	columns := machineColumns
	if r.columns["machines"]["hostname"] {
		columns = append(slices.Clip(columns), column{name: "hostname"})
	}
	return r.eachRow("machines", columns, "rowid", func(cells []cell) {
		r.state.Machines = append(r.state.Machines, machineOf(cells))
	})
}

func machineOf(cells []cell) wire.PreviousMachine {
	var bad problems
	m := wire.PreviousMachine{MAC: macOf(cells[0], &bad)}
	for i, to := range []*string{&m.Mode, &m.Image, &m.Serial, &m.Drive} {
		*to = bad.text(cells[1+i])
	}
	m.Started = bad.whole(cells[5]) != 0
	for i, to := range []*string{&m.FlashedAt, &m.DiscoveredAt, &m.CreatedAt, &m.SeenAt, &m.SeenFrom, &m.DisksAt, &m.TreeAt} {
		*to = bad.text(cells[6+i])
	}
	m.Disks = jsonOf(cells[13], &m.Notes)
	m.Tree = jsonOf(cells[14], &m.Notes)
	if len(cells) > 15 {
		if name := bad.text(cells[15]); name != "" {
			m.Labels = []string{name}
			m.Notes = append(m.Notes, fmt.Sprintf("its host name %q is a label here", clip(name)))
		}
	}
	m.Problem = bad.String()
	return m
}

// macOf is how the MAC is written there, for reports too: a past release took any.
func macOf(c cell, bad *problems) string {
	if c.kind == "null" {
		bad.add("it has no MAC")
		return "(no MAC)"
	}
	if mac := bad.text(c); mac != "" || len(*bad) == 0 {
		return clip(mac)
	}
	return clip(string(c.raw))
}

// jsonOf is an inventory. What is no JSON the previous system showed as none: so it is here, with
// a note.
func jsonOf(c cell, notes *[]string) json.RawMessage {
	switch {
	case c.kind == "null":
		return nil
	case c.over:
		*notes = append(*notes, fmt.Sprintf("%s was left out: it has %d bytes", c.name, c.size))
	case !json.Valid(c.raw):
		*notes = append(*notes, c.name+" was left out: it is not JSON")
	default:
		return c.raw
	}
	return nil
}

// labels adds them to their machines. Some may have been left by a machine that was deleted.
func (r *reader) labels() error {
	if r.columns["machine_labels"] == nil {
		return nil
	}
	byMAC := r.byMAC()
	orphans := map[string][]string{}
	err := r.eachRow("machine_labels", []column{{name: "mac"}, {name: "label"}}, "mac, label", func(cells []cell) {
		var bad problems
		mac, label := bad.text(cells[0]), bad.text(cells[1])
		m := byMAC[key(mac)]
		if m == nil {
			orphans[clip(mac)] = append(orphans[clip(mac)], clip(label))
			return
		}
		m.Labels = append(m.Labels, label)
		if len(bad) > 0 {
			m.Problem = strings.Join(append(nonEmpty(m.Problem), bad.String()), "; ")
		}
	})
	for mac, labels := range orphans {
		r.lose("machine", mac, fmt.Sprintf("there are labels of it (%s) and no machine", strings.Join(labels, ", ")))
	}
	return err
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// starts notes when each machine was last seen to start the live environment: the bit beside the
// machine does not say whether that was before or after its last completion.
func (r *reader) starts() error {
	byMAC := r.byMAC()
	rows, err := r.tx.QueryContext(r.ctx, `SELECT substr(subject_id, 1, 64), max(ts) FROM events
		WHERE kind = 'netboot.flasher.armed' AND subject_kind = 'machine' AND typeof(subject_id) = 'text' AND typeof(ts) = 'text' AND length(ts) <= 64
		GROUP BY subject_id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var mac, at string
		if err := rows.Scan(&mac, &at); err != nil {
			return err
		}
		if m := byMAC[key(mac)]; m != nil {
			m.StartedAt = at
		}
	}
	return rows.Err()
}

// byMAC finds the machines by their MAC; of two that are the same, which is refused later, one.
func (r *reader) byMAC() map[string]*wire.PreviousMachine {
	found := make(map[string]*wire.PreviousMachine, len(r.state.Machines))
	for i := range r.state.Machines {
		found[key(r.state.Machines[i].MAC)] = &r.state.Machines[i]
	}
	return found
}

func key(mac string) string {
	if parsed, err := machine.ParseTypedMAC(mac); err == nil {
		return parsed.String()
	}
	return mac
}

// lose notes what is left out without being a problem.
func (r *reader) lose(kind, id, why string) {
	r.state.Lost = append(r.state.Lost, wire.TakeoverRow{Kind: kind, ID: id, Outcome: wire.TakenNot, Reason: why})
}
