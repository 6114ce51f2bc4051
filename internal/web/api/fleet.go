package api

import (
	"net/http"

	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/body"
	"bty/internal/web/query"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// registerFleet adds the routes for more than one machine at a time.
func (c Config) registerFleet(mux serve.Mux, own func(serve.Handler) http.Handler, ownBody func(serve.BodyHandler) http.Handler) {
	mux.Handle("GET /api/v1/machines", own(c.pageMachines))
	mux.Handle("GET /api/v1/machines/{mac}", own(c.typedMachine))
	mux.Handle("GET /api/v1/machines/{mac}/explain", own(c.explain))
	mux.Handle("GET /api/v1/machines/{mac}/timeline", own(c.timeline))
	mux.Handle("POST /api/v1/machines/{mac}/release", own(c.release))
	mux.Handle("POST /api/v1/machines/{mac}/preview", ownBody(c.previewMachine))
	mux.Handle("POST /api/v1/bulk", ownBody(c.bulk))
	mux.Handle("POST /api/v1/bulk/preview", ownBody(c.previewBulk))
	c.registerRules(mux, own, ownBody)
}

// pageMachines is one page of what a query selects.
func (c Config) pageMachines(w http.ResponseWriter, r *http.Request) error {
	q, err := query.Machines(r.URL.Query())
	if err != nil {
		return err
	}
	page, err := c.Fleet.Page(q)
	if err != nil {
		return err
	}
	shown := wire.MachinePage{Machines: make([]wire.Machine, len(page.Records)), Total: page.Total, All: page.All, Offset: q.Offset, Limit: q.Limit}
	for i, record := range page.Records {
		shown.Machines[i] = Machine(record)
	}
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

func (c Config) typedMachine(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	record, err := c.Fleet.Machine(mac)
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Machine(record))
	return nil
}

// typedMAC reads the MAC of a path that people type; the routes that machines and older clients
// use are stricter.
func typedMAC(r *http.Request) (machine.MAC, error) {
	raw := r.PathValue("mac")
	mac, err := machine.ParseTypedMAC(raw)
	if err != nil {
		return mac, fault.New(fault.Invalid, "invalid MAC: '%s'", raw)
	}
	return mac, nil
}

func (c Config) who(r *http.Request) fleet.Who { return fleet.Who{From: c.Client(r)} }

// release hands a machine back to the rules.
func (c Config) release(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	record, err := c.Fleet.Release(r.Context(), mac, c.who(r))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Machine(record))
	return nil
}

// previewMachine says what saving a machine would change about its next boot.
func (c Config) previewMachine(w http.ResponseWriter, r *http.Request, v body.Value) error {
	intent, err := readIntent(v)
	if err != nil {
		return err
	}
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	preview, err := c.Fleet.PreviewSave(mac, intent)
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Preview(preview))
	return nil
}
