package control

import (
	"encoding/json"
	"errors"
	"net/http"

	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/takeover"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// takeOver takes the state of the previous system over, or says what would become of it. A report
// that names refused rows is an answer, and no error: who asks reads it.
func (c Config) takeOver(w http.ResponseWriter, r *http.Request) error {
	var in wire.PreviousState
	body := serve.Upload(w, r, takeover.MaxBody)
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		if _, isLarge := errors.AsType[*http.MaxBytesError](err); isLarge {
			return fault.Wrap(fault.TooLarge, err, "the state has more than %d MiB; nothing was changed", takeover.MaxBody>>20)
		}
		return fault.Wrap(fault.Invalid, err, "the request is no state of the previous bty; bty-lab of this release sends one")
	}
	report, err := c.TakeOver(r.Context(), in, fleet.Who{})
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, report)
	return nil
}
