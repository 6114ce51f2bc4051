// Package pxe is the surface that machines talk to: scripts for iPXE, plans and reports of the
// live environment, and the boot files. It is open to everybody on the LAN; only putting a boot
// file needs the operator.
package pxe

import (
	"net/http"
	"net/netip"
	"os"
	"regexp"

	"bty/internal/boot"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/ipxe"
	"bty/internal/machine"
	"bty/internal/machinelog"
	"bty/internal/nbp"
	"bty/internal/release"
	"bty/internal/web/serve"
)

// Config is what the surface works with.
type Config struct {
	Serve  serve.Adapter
	Fleet  *fleet.Fleet
	Client func(*http.Request) netip.Addr // who asks
	Guard  serve.Guard                    // of the operator

	Files nbp.Library    // where boot files are found
	Boot  *os.Root       // the boot folder among them
	Shelf *release.Files // where they are put

	Logs *machinelog.Logs

	Asked func(netip.Addr) // is told who asked for a script or a file
}

// Register adds the routes.
func Register(mux serve.Mux, c Config) {
	do := func(h serve.Handler) http.Handler { return c.Serve.Do(serve.Open, h) }
	mux.Handle("GET /pxe-bootstrap.ipxe", do(c.noting(c.bootstrap)))
	mux.Handle("GET /pxe/{mac}", do(c.noting(c.script)))
	mux.Handle("GET /pxe/{mac}/plan", do(c.plan))
	mux.Handle("POST /pxe/{mac}/inventory", c.Serve.WithBody(maxInventory, serve.Open, c.inventory))
	mux.Handle("POST /pxe/{mac}/status", c.Serve.WithBody(maxReport, serve.Open, c.status))
	mux.Handle("POST /pxe/{mac}/progress", c.Serve.WithBody(maxReport, serve.Open, c.progress))
	mux.Handle("POST /pxe/{mac}/log", do(c.log))
	mux.Handle("POST /pxe/{mac}/done", do(c.done))
	mux.Handle("GET /boot/{name}", do(c.noting(c.getBoot)))
	mux.Handle("PUT /boot/{name}", c.Serve.Do(c.Guard, c.putBoot))
}

// noting notes who asks: a machine that has an address and asks for nothing is a finding.
func (c Config) noting(next serve.Handler) serve.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if c.Asked != nil {
			c.Asked(c.Client(r))
		}
		return next(w, r)
	}
}

func (c Config) bootstrap(w http.ResponseWriter, r *http.Request) error {
	return writeScript(w, ipxe.Bootstrap(serve.Host(r), via(r)))
}

// via is how the machine's firmware loaded iPXE, as the script before this one noted it.
func via(r *http.Request) machine.Via {
	switch v := machine.Via(r.URL.Query().Get("via")); v {
	case machine.ViaTFTP, machine.ViaHTTP:
		return v
	}
	return ""
}

func writeScript(w http.ResponseWriter, script []byte) error {
	w.Header().Set("Content-Type", ipxe.ContentType)
	_, err := w.Write(script)
	return ignoreGone(err)
}

// ignoreGone drops the error of a client that left before it had its answer: the answer's status
// is on its way already, and nobody is there to read another.
func ignoreGone(error) error { return nil }

// again reports whether the script that asks has asked before in vain.
func again(r *http.Request) bool {
	try := r.URL.Query().Get("try")
	return try != "" && try != "0"
}

// archName is what iPXE's ${buildarch} may be; anything else is as good as not said.
var archName = regexp.MustCompile(`^[a-z0-9_]{1,16}$`)

func (c Config) script(w http.ResponseWriter, r *http.Request) error {
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	contact := fleet.Contact{MAC: mac, Asker: boot.Firmware, From: c.Client(r), Via: via(r), Again: again(r)}
	if arch := r.URL.Query().Get("arch"); archName.MatchString(arch) {
		contact.Arch = arch
	}
	offer, err := c.Fleet.Contact(r.Context(), contact)
	if err != nil {
		return err
	}
	return writeScript(w, ipxe.Render(offer, serve.Host(r)))
}

func pathMAC(r *http.Request) (machine.MAC, error) {
	raw := r.PathValue("mac")
	mac, err := machine.ParseMAC(raw)
	if err != nil {
		return mac, fault.New(fault.Invalid, "invalid MAC: '%s'", raw)
	}
	return mac, nil
}
