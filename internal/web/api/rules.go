package api

import (
	"net/http"
	"strconv"

	"bty/internal/fleet"
	"bty/internal/rule"
	"bty/internal/web/body"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

func (c Config) registerRules(mux serve.Mux, own func(serve.Handler) http.Handler, ownBody func(serve.BodyHandler) http.Handler) {
	mux.Handle("GET /api/v1/rules", own(c.listRules))
	mux.Handle("POST /api/v1/rules", ownBody(c.addRule))
	mux.Handle("POST /api/v1/rules/preview", ownBody(c.previewRules))
	mux.Handle("PUT /api/v1/rules/order", ownBody(c.orderRules))
	mux.Handle("PUT /api/v1/rules/default", ownBody(c.putDefault))
	mux.Handle("GET /api/v1/rules/{id}", own(c.getRule))
	mux.Handle("PUT /api/v1/rules/{id}", ownBody(c.putRule))
	mux.Handle("DELETE /api/v1/rules/{id}", own(c.deleteRule))
}

func (c Config) listRules(w http.ResponseWriter, _ *http.Request) error {
	set, err := c.Fleet.Rules()
	if err != nil {
		return err
	}
	shown := wire.Rules{Rules: make([]wire.Rule, len(set.Rules)), Default: Assignment(set.Default)}
	for i, r := range set.Rules {
		shown.Rules[i] = Rule(r, i+1)
	}
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

func (c Config) addRule(w http.ResponseWriter, r *http.Request, v body.Value) error {
	one, err := ReadRule(v)
	if err != nil {
		return err
	}
	put, err := c.Fleet.ChangeRules(r.Context(), fleet.Change{Put: &one}, c.who(r))
	if err != nil {
		return err
	}
	return c.showRule(w, http.StatusCreated, put.ID)
}

func (c Config) getRule(w http.ResponseWriter, r *http.Request) error {
	id, err := pathRule(r)
	if err != nil {
		return err
	}
	return c.showRule(w, http.StatusOK, id)
}

func (c Config) showRule(w http.ResponseWriter, status int, id rule.ID) error {
	one, err := c.Fleet.Rule(id)
	if err != nil {
		return err
	}
	set, err := c.Fleet.Rules()
	if err != nil {
		return err
	}
	serve.JSON(w, status, Rule(one, set.Place(id)))
	return nil
}

// pathRule reads the ID of a path.
func pathRule(r *http.Request) (rule.ID, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 63)
	if err != nil || id == 0 {
		return 0, body.Problems{{Type: "int_parsing", Loc: []any{"path", "id"},
			Message: "Input should be a valid integer, unable to parse string as an integer", Input: r.PathValue("id")}}
	}
	return rule.ID(id), nil
}

func (c Config) putRule(w http.ResponseWriter, r *http.Request, v body.Value) error {
	id, err := pathRule(r)
	if err != nil {
		return err
	}
	one, err := ReadRule(v)
	if err != nil {
		return err
	}
	one.ID = id
	if _, err := c.Fleet.ChangeRules(r.Context(), fleet.Change{Put: &one}, c.who(r)); err != nil {
		return err
	}
	return c.showRule(w, http.StatusOK, id)
}

func (c Config) deleteRule(w http.ResponseWriter, r *http.Request) error {
	id, err := pathRule(r)
	if err != nil {
		return err
	}
	if _, err := c.Fleet.ChangeRules(r.Context(), fleet.Change{Delete: id}, c.who(r)); err != nil {
		return err
	}
	return serve.NoContent(w)
}

func (c Config) orderRules(w http.ResponseWriter, r *http.Request, v body.Value) error {
	o := v.Object()
	ids := readIDs(o)
	if err := o.Done(); err != nil {
		return err
	}
	if _, err := c.Fleet.ChangeRules(r.Context(), fleet.Change{Order: ids}, c.who(r)); err != nil {
		return err
	}
	return c.listRules(w, r)
}

func (c Config) putDefault(w http.ResponseWriter, r *http.Request, v body.Value) error {
	def, err := ReadDefault(v)
	if err != nil {
		return err
	}
	if _, err := c.Fleet.ChangeRules(r.Context(), fleet.Change{Default: &def}, c.who(r)); err != nil {
		return err
	}
	return c.listRules(w, r)
}

func (c Config) previewRules(w http.ResponseWriter, _ *http.Request, v body.Value) error {
	change, err := ReadChange(v)
	if err != nil {
		return err
	}
	preview, err := c.Fleet.PreviewRules(change)
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Preview(preview))
	return nil
}

// Rule is a rule in the shape of the wire.
func Rule(r rule.Rule, place int) wire.Rule {
	s := r.Selector
	return wire.Rule{ID: uint64(r.ID), Name: r.Name, Place: place, Labels: append([]string{}, s.Labels...), NotLabels: append([]string{}, s.NotLabels...),
		MACPrefix: s.MACPrefix, Vendor: s.Vendor, Product: s.Product, Arch: s.Arch, DiskMin: s.DiskMin, DiskMax: s.DiskMax,
		Assignment: Assignment(r.Assign), CreatedAt: wire.Time(r.CreatedAt), UpdatedAt: wire.Time(r.UpdatedAt)}
}

// Assignment is what a rule says in the shape of the wire.
func Assignment(a rule.Assignment) wire.Assignment {
	shown := wire.Assignment{BootMode: a.Mode}
	if !a.Image.IsZero() {
		shown.ImageRef = orNull(a.Image.String())
	}
	if d := a.Disk; d != nil {
		shown.TargetPick = orNull(string(d.Pick))
		shown.TargetTransport, shown.TargetModel, shown.TargetMin, shown.TargetMax = d.Transport, d.Model, d.Min, d.Max
	}
	return shown
}

// Preview is a preview in the shape of the wire.
func Preview(p fleet.Preview) wire.Preview {
	shown := wire.Preview{Changes: make([]wire.NextBootChange, len(p.Differences)), Total: p.Total, Machines: p.Machines}
	for i, d := range p.Differences {
		shown.Changes[i] = wire.NextBootChange{MAC: d.MAC, Labels: append([]string{}, d.Labels...), From: nextBoot(d.From), To: nextBoot(d.To)}
	}
	return shown
}

func nextBoot(n fleet.NextBoot) wire.NextBoot {
	shown := wire.NextBoot{Rule: string(n.Rule), Because: n.Rule.Because(), BootMode: n.Mode, TargetSerial: orNull(n.Serial), NoDisk: orNull(n.NoDisk), Grow: n.Grow, Verify: n.Verify}
	if !n.Image.IsZero() {
		shown.ImageRef = orNull(n.Image.String())
	}
	return shown
}
