package pxe

import (
	"io"
	"mime"
	"net/http"

	"bty/internal/fault"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// log takes a piece of a machine's log. It is text of a stranger: it is kept as it comes, and made
// harmless where it is shown.
func (c Config) log(w http.ResponseWriter, r *http.Request) error {
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "text/plain" {
		return fault.New(fault.Rejected, "a log is sent as text/plain, not as %.100q", r.Header.Get("Content-Type"))
	}
	if err := c.Fleet.Heard(mac, c.Client(r)); err != nil {
		return err
	}
	piece, err := io.ReadAll(serve.Upload(w, r, wire.MaxLog))
	if err != nil {
		return serve.UploadFault(err, "this piece of the log", wire.MaxLog)
	}
	if err := c.Logs.Append(mac, piece); err != nil {
		return err
	}
	return serve.NoContent(w)
}
