package doctor

import (
	"fmt"

	"bty/internal/wire"
)

// Cache is what the image cache of this host says of itself.
type Cache struct {
	Down       string // why it could not be asked, "" if it could
	Problem    string // that keeps it from its work, with the next step
	Images     int
	Held, Free int64 // bytes
}

func (e *examination) cache() {
	const id, title, why = "host.cache", "Image cache", "Machines are led to the origins of their images meanwhile."
	switch c := e.Cache; {
	case c == nil: // it is off
	case c.Down != "":
		e.onHost(id, wire.SeverityWarning, title, "", "bty-cache could not be asked: "+c.Down+".", why,
			e.systemctl("status bty-cache.socket bty-cache.service")+" says why.")
	case c.Problem != "":
		e.onHost(id, wire.SeverityWarning, title, "", c.Problem+".", why, e.journalctl("-x -u bty-cache")+" explains it.")
	default:
		e.onHost(id, wire.SeverityOK, title, "", fmt.Sprintf("It holds %d images, %.1f GB; %.1f GB are free.", c.Images, float64(c.Held)/1e9, float64(c.Free)/1e9), "", "")
	}
}
