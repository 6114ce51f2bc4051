package pxe

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"bty/internal/fault"
	"bty/internal/machine"
	"bty/internal/web/body"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

const (
	maxInventory = 12 << 20 // bytes; the hardware tree in it is kept up to 4 MiB
	maxReport    = 16 << 10 // bytes
	maxDisks     = 64
)

func (c Config) inventory(w http.ResponseWriter, r *http.Request, v body.Value) error {
	inv, err := readInventory(v)
	if err != nil {
		return err
	}
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	if err := c.Fleet.Inventory(r.Context(), mac, c.Client(r), inv); err != nil {
		return err
	}
	return serve.NoContent(w)
}

func readInventory(v body.Value) (wire.Inventory, error) {
	inv := wire.Inventory{Disks: []machine.Disk{}}
	o := v.Object()
	o.Objects("disks", maxDisks, func(d *body.Object) {
		inv.Disks = append(inv.Disks, machine.Disk{
			Path: d.String("path", body.Max(255)), Size: d.Nullable("size", body.Max(32)),
			Vendor: d.Nullable("vendor", body.Max(64)), Model: d.Nullable("model", body.Max(128)),
			Serial: d.Nullable("serial", body.Max(128)), Tran: d.Nullable("tran", body.Max(32)),
			Removable: d.Bool("removable"), ReadOnly: d.Bool("readonly"),
		})
	})
	tree := o.Tree("lshw")
	if err := o.Done(); err != nil || tree == nil {
		return inv, err
	}
	var err error
	inv.LSHW, err = json.Marshal(tree)
	return inv, err
}

func (c Config) status(w http.ResponseWriter, r *http.Request, v body.Value) error {
	status, err := readStatus(v)
	if err != nil {
		return err
	}
	return c.end(w, r, status)
}

func readStatus(v body.Value) (wire.Status, error) {
	o := v.Object()
	status := wire.Status{
		Status: o.String("status", body.OneOf(wire.StatusDone, wire.StatusFailed)),
		Reason: strings.TrimSpace(o.StringOr("reason", "", body.Max(wire.MaxReason))),
	}
	return status, o.Done()
}

// done is how clients up to 0.60 reported success, without a body.
func (c Config) done(w http.ResponseWriter, r *http.Request) error {
	return c.end(w, r, wire.Status{Status: wire.StatusDone})
}

func (c Config) end(w http.ResponseWriter, r *http.Request, status wire.Status) error {
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	if err := c.Fleet.Status(r.Context(), mac, c.Client(r), status); err != nil {
		return err
	}
	return serve.NoContent(w)
}

var stageName = regexp.MustCompile(`^[a-z][a-z-]{0,31}$`)

func (c Config) progress(w http.ResponseWriter, r *http.Request, v body.Value) error {
	p, pick, err := readProgress(v)
	if err != nil {
		return err
	}
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	if pick != nil {
		err = c.Fleet.Picked(r.Context(), mac, c.Client(r), *pick)
	} else {
		err = c.Fleet.Progress(r.Context(), mac, c.Client(r), p)
	}
	if err != nil {
		return err
	}
	return serve.NoContent(w)
}

// readProgress reads how far the work is, or what was picked before it.
func readProgress(v body.Value) (wire.Progress, *wire.Pick, error) {
	o := v.Object()
	p := wire.Progress{
		Stage: o.String("stage", body.Match(stageName)),
		Bytes: int64(o.Number("bytes")), Total: int64(o.Number("total")), Rate: o.Number("rate"),
		Detail: strings.TrimSpace(o.StringOr("detail", "", body.Max(wire.MaxDetail))),
	}
	var pick wire.Pick
	isPick := o.Nested("pick", func(o *body.Object) { pick = readPick(o) })
	if err := o.Done(); err != nil {
		return p, nil, err
	}
	switch {
	case isPick != (p.Stage == wire.StagePicked):
		return p, nil, fault.New(fault.Rejected, "the stage %q and a pick come together or not at all", wire.StagePicked)
	case isPick:
		return p, &pick, nil
	}
	return p, nil, nil
}

var refOrNone = regexp.MustCompile(`^(?:[0-9a-f]{64})?$`)

func readPick(o *body.Object) wire.Pick {
	return wire.Pick{
		Image: o.String("image", body.Min(1), body.Max(wire.MaxPicked)), Ref: o.StringOr("ref", "", body.Match(refOrNone)),
		Serial: o.StringOr("serial", "", body.Max(128)), Disk: o.StringOr("disk", "", body.Max(255)),
	}
}
