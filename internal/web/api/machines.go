package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/body"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

func (c Config) listMachines(w http.ResponseWriter, _ *http.Request) error {
	records, err := c.Fleet.Machines()
	if err != nil {
		return err
	}
	shown := make([]wire.Machine, len(records))
	for i, r := range records {
		shown[i] = Machine(r)
	}
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

func (c Config) getMachine(w http.ResponseWriter, r *http.Request) error {
	record, err := c.record(r)
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Machine(record))
	return nil
}

func (c Config) record(r *http.Request) (fleet.Record, error) {
	mac, err := pathMAC(r)
	if err != nil {
		return fleet.Record{}, err
	}
	return c.Fleet.Machine(mac)
}

func pathMAC(r *http.Request) (machine.MAC, error) {
	raw := r.PathValue("mac")
	mac, err := machine.ParseMAC(raw)
	if err != nil {
		return mac, fault.New(fault.Invalid, "invalid MAC: '%s'", raw)
	}
	return mac, nil
}

func (c Config) putMachine(w http.ResponseWriter, r *http.Request, v body.Value) error {
	intent, err := readIntent(v)
	if err != nil {
		return err
	}
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	record, err := c.Fleet.Save(r.Context(), mac, intent, fleet.Who{From: c.Client(r)})
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Machine(record))
	return nil
}

const (
	maxLabels = machine.MaxLabels
	maxLabel  = machine.MaxLabel
	maxSerial = machine.MaxSerial
)

var (
	refOrNone    = regexp.MustCompile(`^(?:[0-9a-f]{64})?$`)
	refPattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	labelPattern = machine.LabelPattern
	drivePattern = machine.DrivePattern
)

// readIntent reads what the operator wants. It replaces everything: a field that is absent is reset,
// but for the choices, which say what becomes of a disk and which older clients do not know.
func readIntent(v body.Value) (machine.Intent, error) {
	o := v.Object()
	ref := o.Nullable("bty_image_ref", body.Match(refPattern))
	intent := machine.Intent{
		Labels:       o.Strings("labels", maxLabels, body.Min(1), body.Max(maxLabel), body.Match(labelPattern)),
		Drive:        orEmpty(o.Nullable("sanboot_drive", body.Match(drivePattern))),
		TargetSerial: orEmpty(o.Nullable("target_disk_serial", body.Max(maxSerial))),
		KernelWords:  strings.TrimSpace(orEmpty(o.Nullable("kernel_words", body.Max(machine.MaxKernelWords), body.Check(checkKernelWords)))),
		Grow:         readChoice(o, "grow"),
		Verify:       readChoice(o, "verify"),
	}
	mode := o.StringOr("boot_mode", machine.IPXEExit.String(), body.OneOf(modeNames()...))
	if err := o.Done(); err != nil {
		return intent, err
	}
	if ref != nil {
		intent.Image, _ = catalog.ParseRef(*ref) // the pattern has settled it
	}
	intent.Mode, _ = machine.ParseBootMode(mode)
	return intent, nil
}

// readChoice reads true, false or null for nothing said; an absent field leaves what was said before.
func readChoice(o *body.Object, key string) catalog.Choice {
	b := o.NullableBool(key)
	if !o.Has(key) {
		return catalog.Kept
	}
	return catalog.ChoiceOf(b)
}

func checkKernelWords(words string) error {
	return machine.CheckKernelWords(words, machine.MaxKernelWords)
}

func modeNames() []string {
	var names []string
	for _, m := range machine.Modes {
		names = append(names, m.String())
	}
	return names
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c Config) deleteMachine(w http.ResponseWriter, r *http.Request) error {
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	if err := c.Fleet.Delete(r.Context(), mac, fleet.Who{From: c.Client(r)}); err != nil {
		return err
	}
	return serve.NoContent(w)
}

func (c Config) arm(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	record, err := c.Fleet.Arm(r.Context(), mac, fleet.Who{From: c.Client(r)})
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Machine(record))
	return nil
}

func (c Config) lshw(w http.ResponseWriter, r *http.Request) error {
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	tree, err := c.Fleet.Tree(mac)
	if err != nil {
		return err
	}
	if tree == nil {
		return fault.New(fault.NotFound, "no lshw hardware inventory for %s", mac)
	}
	return attach(w, mac, "lshw", tree)
}

func (c Config) disks(w http.ResponseWriter, r *http.Request) error {
	record, err := c.record(r)
	if err != nil {
		return err
	}
	if record.Hardware == nil {
		return fault.New(fault.NotFound, "no disk inventory for %s", record.MAC)
	}
	raw, err := json.Marshal(record.Hardware.Disks)
	if err != nil {
		return err
	}
	return attach(w, record.MAC, "disks", raw)
}

func attach(w http.ResponseWriter, mac machine.MAC, what string, raw []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s.json"`, mac.Hyphens(), what))
	_, _ = w.Write(raw) // the client is gone, if anything
	return nil
}

// Machine is a record in the shape of the wire.
func Machine(r fleet.Record) wire.Machine {
	f := r.Facts
	m := wire.Machine{
		MAC: r.MAC, Labels: append([]string{}, r.Intent.Labels...), BootMode: r.Intent.Mode,
		DiscoveredAt: wire.Time(r.DiscoveredAt), LastSeenAt: wire.Time(r.SeenAt), LastSeenIP: orNull(event.Address(r.SeenFrom)),
		SanbootDrive: orNull(r.Intent.Drive), TargetSerial: orNull(r.Intent.TargetSerial), KernelWords: orNull(r.Intent.KernelWords),
		Grow: r.Intent.Grow.Bool(), Verify: r.Intent.Verify.Bool(),
		LastFlashedAt: wire.Time(f.FlashedAt), KnownDisksAt: wire.Time(f.InventoriedAt),
		CreatedAt: wire.Time(r.CreatedAt), UpdatedAt: wire.Time(later(r.UpdatedAt, r.SeenAt)), State: r.State(),
		Cycle: cycle(f), Own: ownOf(r.Own), AssignedBy: assignedBy(r.Assigned),
	}
	if !r.Intent.Image.IsZero() {
		ref := r.Intent.Image.String()
		m.ImageRef = &ref
	}
	if r.Hardware != nil {
		m.KnownDisks = append([]machine.Disk{}, r.Hardware.Disks...)
		m.Vendor, m.Product = orNull(r.Hardware.Vendor), orNull(r.Hardware.Product)
	}
	if p := r.Progress; p != nil {
		m.Progress = &wire.MachineProgress{Progress: p.Progress, At: wire.Time(p.At), StageAt: wire.Time(p.StageAt)}
	}
	return m
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
