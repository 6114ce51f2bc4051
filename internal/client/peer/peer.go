// Package peer is a bty-web for tests of its clients: the /pxe routes strictly by the wire
// contract, down to its refusals, with a record of what was posted and with faults to order.
package peer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"bty/internal/machine"
	"bty/internal/wire"
)

// Fault spoils one answer. Its zero value spoils nothing.
type Fault struct {
	Code  int           // answer this instead
	Body  string        // with this body
	Stall time.Duration // after this pause, or never if the client goes away first
	Reset bool          // cut the connection without an answer
	After bool          // do the work first, then spoil the answer: it was heard, but who knows
}

// Request is one request as it came in.
type Request struct {
	Route  string // "plan", "inventory", "status", "progress"
	Header http.Header
	Body   []byte
}

// Web is the server. Set its fields before the first request.
type Web struct {
	Plan     any                             // answer to GET plan; a string is sent as it stands
	Fault    func(route string, n int) Fault // for the n-th request of a route, from 1; may be nil
	Known    bool                            // the machine is registered before it asks for its plan
	Old      bool                            // a server without the routes progress and log
	Server   *httptest.Server
	mu       sync.Mutex
	requests []Request
	counts   map[string]int
}

// Start serves until the test ends.
func (w *Web) Start(t testing.TB) string {
	w.counts = make(map[string]int)
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Server.Close)
	return w.Server.URL
}

// Requests are those of a route, in order.
func (w *Web) Requests(route string) []Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []Request
	for _, r := range w.requests {
		if r.Route == route {
			found = append(found, r)
		}
	}
	return found
}

// Routes are all routes asked, in order.
func (w *Web) Routes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, r := range w.requests {
		names = append(names, r.Route)
	}
	return names
}

// Statuses are the reports that were posted.
func (w *Web) Statuses() []wire.Status {
	var all []wire.Status
	for _, r := range w.Requests("status") {
		var s wire.Status
		_ = json.Unmarshal(r.Body, &s)
		all = append(all, s)
	}
	return all
}

func (w *Web) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	parts := strings.Split(strings.TrimPrefix(req.URL.Path, "/"), "/")
	if len(parts) != 3 || parts[0] != "pxe" {
		refuse(rw, http.StatusNotFound, "Not Found")
		return
	}
	body, _ := io.ReadAll(req.Body)
	fault := w.record(parts[2], req, body)
	if fault.After {
		w.answer(httptest.NewRecorder(), req, parts[1], parts[2], body)
	}
	if !spoil(rw, req, fault) {
		w.answer(rw, req, parts[1], parts[2], body)
	}
}

func (w *Web) record(route string, req *http.Request, body []byte) Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, Request{Route: route, Header: req.Header.Clone(), Body: body})
	w.counts[route]++
	if w.Fault == nil {
		return Fault{}
	}
	return w.Fault(route, w.counts[route])
}

func spoil(rw http.ResponseWriter, req *http.Request, f Fault) bool {
	if f.Stall > 0 {
		select {
		case <-time.After(f.Stall):
		case <-req.Context().Done():
		}
	}
	if f.Reset {
		panic(http.ErrAbortHandler)
	}
	if f.Code == 0 {
		return false
	}
	rw.WriteHeader(f.Code)
	io.WriteString(rw, f.Body)
	return true
}

func (w *Web) answer(rw http.ResponseWriter, req *http.Request, mac, route string, body []byte) {
	canonical, err := machine.ParseMAC(mac)
	if err != nil {
		refuse(rw, http.StatusBadRequest, "invalid MAC: '"+mac+"'")
		return
	}
	if route == "plan" && req.Method == http.MethodGet {
		w.plan(rw)
		return
	}
	check, ok := checks[route]
	switch {
	case !ok || w.Old && (route == "progress" || route == "log"):
		refuse(rw, http.StatusNotFound, "Not Found")
	case req.Method != http.MethodPost:
		rw.Header().Set("Allow", "POST")
		refuse(rw, http.StatusMethodNotAllowed, "Method Not Allowed")
	case req.Header.Get("Content-Type") != mediaOf(route):
		refuse(rw, http.StatusUnprocessableEntity, "model_attributes_type")
	case check(body) != "":
		refuse(rw, http.StatusUnprocessableEntity, check(body))
	case !w.known():
		refuse(rw, http.StatusNotFound, "no machine record for "+canonical.String())
	default:
		rw.WriteHeader(http.StatusNoContent)
	}
}

func mediaOf(route string) string {
	if route == "log" {
		return "text/plain; charset=utf-8"
	}
	return "application/json"
}

func (w *Web) known() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Known
}

func (w *Web) plan(rw http.ResponseWriter) {
	w.mu.Lock()
	w.Known = true // the first contact registers the machine
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	if text, ok := w.Plan.(string); ok {
		io.WriteString(rw, text)
		return
	}
	_ = json.NewEncoder(rw).Encode(w.Plan)
}

func refuse(rw http.ResponseWriter, code int, detail string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(map[string]string{"detail": detail})
}

// checks are the models of the contract: the reason for a 422, "" if the body is right.
var checks = map[string]func([]byte) string{
	"inventory": checkInventory, "status": checkStatus, "progress": checkProgress, "log": checkLog,
}

func checkLog(piece []byte) string {
	if len(piece) > wire.MaxLog {
		return "too large"
	}
	return ""
}

func checkInventory(body []byte) string {
	var top map[string]json.RawMessage
	var inv struct {
		Disks []map[string]any
		LSHW  any
	}
	if json.Unmarshal(body, &top) != nil || json.Unmarshal(body, &inv) != nil {
		return "json_invalid"
	}
	if bad := extra(top, "disks", "lshw"); bad != "" {
		return bad
	}
	if string(top["disks"]) == "null" || len(inv.Disks) > 64 {
		return "disks: list_type or too_long"
	}
	switch inv.LSHW.(type) {
	case nil, map[string]any, []any:
	default:
		return "lshw: not an object or array"
	}
	limits := map[string]int{"path": 255, "size": 32, "vendor": 64, "model": 128, "serial": 128, "tran": 32}
	for _, d := range inv.Disks {
		if path, ok := d["path"].(string); !ok || path == "" {
			return "disks.path: missing"
		}
		for key, limit := range limits {
			if s, ok := d[key].(string); ok && utf8.RuneCountInString(s) > limit {
				return "disks." + key + ": string_too_long"
			}
		}
	}
	return ""
}

func checkStatus(body []byte) string {
	var top map[string]json.RawMessage
	var s wire.Status
	if json.Unmarshal(body, &top) != nil || json.Unmarshal(body, &s) != nil {
		return "json_invalid"
	}
	switch {
	case extra(top, "status", "reason") != "":
		return extra(top, "status", "reason")
	case s.Status != wire.StatusDone && s.Status != wire.StatusFailed:
		return "status: literal_error"
	case utf8.RuneCountInString(s.Reason) > wire.MaxReason:
		return "reason: string_too_long"
	}
	return ""
}

func checkProgress(body []byte) string {
	var top map[string]json.RawMessage
	var p wire.Progress
	if json.Unmarshal(body, &top) != nil || json.Unmarshal(body, &p) != nil || p.Stage == "" {
		return "json_invalid"
	}
	return extra(top, "stage", "bytes", "total", "rate", "pick", "detail")
}

func extra(top map[string]json.RawMessage, allowed ...string) string {
	for key := range top {
		if !slices.Contains(allowed, key) {
			return "extra_forbidden: " + key
		}
	}
	return ""
}
