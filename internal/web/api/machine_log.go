package api

import (
	"fmt"
	"net/http"

	"bty/internal/fault"
	"bty/internal/machinelog"
)

// machineLog sends what the live environment on a machine logged last, as a file.
func (c Config) machineLog(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	if _, err := c.Fleet.Machine(mac); err != nil {
		return err
	}
	text, _, err := c.Logs.Tail(mac, machinelog.Keep)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return fault.New(fault.NotFound, "%s has sent no log; boot its live environment with bty.log on the kernel command line", mac)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.log"`, mac.Hyphens()))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(machinelog.Plain(text))) // the client is gone, if anything
	return nil
}
