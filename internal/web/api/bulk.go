package api

import (
	"net/http"
	"net/url"
	"strings"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/body"
	"bty/internal/web/query"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

const (
	maxBulkMACs    = 10_000
	maxTypedMAC    = 32
	maxBulkQuery   = 2048
	maxFingerprint = 64
)

// ReadBulk reads what is to be done with which machines: "macs" names them, "query" selects them as
// the query of GET /api/v1/machines does, but strictly; an empty query is all of them.
// "fingerprint" is that of a preview.
func ReadBulk(v body.Value) (fleet.Selection, fleet.Action, error) {
	o := v.Object()
	action := fleet.Action{Kind: fleet.ActionKind(o.String("action", body.OneOf(words(fleet.ActionKinds)...))), Edit: readEdit(o)}
	typed := o.Strings("macs", maxBulkMACs, body.Max(maxTypedMAC))
	text := o.Nullable("query", body.Max(maxBulkQuery))
	shown := o.Nullable("fingerprint", body.Max(maxFingerprint))
	if err := o.Done(); err != nil {
		return fleet.Selection{}, action, err
	}
	sel, err := readSelection(typed, text)
	if shown != nil {
		sel.Fingerprint = *shown
	}
	if err == nil && action.Kind == fleet.ActionSet && action.Edit.Disk != nil {
		err = checkRange("target", action.Edit.Disk.Min, action.Edit.Disk.Max)
	}
	return sel, action, err
}

func readSelection(typed []string, text *string) (sel fleet.Selection, err error) {
	for _, t := range typed {
		mac, err := machine.ParseTypedMAC(t)
		if err != nil {
			return sel, fault.New(fault.Rejected, "macs has %q, which is no MAC", t)
		}
		sel.MACs = append(sel.MACs, mac)
	}
	if text == nil {
		if len(sel.MACs) == 0 {
			return sel, fault.New(fault.Rejected, "no machine is selected; name some in macs, or select them by a query")
		}
		return sel, nil
	}
	values, err := url.ParseQuery(strings.TrimPrefix(*text, "?"))
	if err != nil {
		return sel, fault.New(fault.Rejected, "query %q is not written like the query of a URL", *text)
	}
	q, err := query.Selection(values)
	sel.Query = &q
	return sel, err
}

// readEdit reads what "set" changes. An empty text takes away; absent and null leave as it is.
func readEdit(o *body.Object) (e fleet.Edit) {
	if mode := o.Nullable("boot_mode", body.OneOf(modeNames()...)); mode != nil {
		m, _ := machine.ParseBootMode(*mode) // the list has settled it
		e.Mode = &m
	}
	if ref := o.Nullable("bty_image_ref", body.Match(refOrNone)); ref != nil {
		var image catalog.ImageRef
		if *ref != "" {
			image, _ = catalog.ParseRef(*ref) // the pattern has settled it
		}
		e.Image = &image
	}
	e.Serial = o.Nullable("target_disk_serial", body.Max(maxSerial))
	e.Disk = readDiskRule(o)
	label := []body.Rule{body.Min(1), body.Max(maxLabel), body.Match(labelPattern)}
	e.AddLabels = o.Strings("add_labels", maxLabels, label...)
	e.RemoveLabels = o.Strings("remove_labels", maxLabels, label...)
	return e
}

func (c Config) bulk(w http.ResponseWriter, r *http.Request, v body.Value) error {
	sel, action, err := ReadBulk(v)
	if err != nil {
		return err
	}
	report, err := c.Fleet.Bulk(r.Context(), sel, action, c.who(r))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, bulkReport(report))
	return nil
}

func (c Config) previewBulk(w http.ResponseWriter, _ *http.Request, v body.Value) error {
	sel, action, err := ReadBulk(v)
	if err != nil {
		return err
	}
	report, preview, err := c.Fleet.PreviewBulk(sel, action)
	if err != nil {
		return err
	}
	shown, changes := bulkReport(report), Preview(preview)
	shown.Preview = &changes
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

func bulkReport(r fleet.BulkReport) wire.Bulk {
	shown := wire.Bulk{Changed: r.Changed, Unchanged: r.Unchanged, Refused: r.Refused, Machines: make([]wire.BulkResult, len(r.Machines)),
		Fingerprint: fleet.Fingerprint(r.MACs())}
	for i, d := range r.Machines {
		shown.Machines[i] = wire.BulkResult{MAC: d.MAC, Result: d.Result(), Details: d.What}
	}
	return shown
}
