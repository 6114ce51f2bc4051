package serve

import (
	"io"
	"net/http"
	"time"
)

// steadyStall is how long a large body may bring no byte before it is given up.
const steadyStall = time.Minute

// Steady is the body of r, at most limit bytes, however long it takes in all: only a pause of a
// minute ends it, with os.ErrDeadlineExceeded.
func Steady(w http.ResponseWriter, r *http.Request, limit int64) io.Reader {
	return steady{http.MaxBytesReader(w, r.Body, limit), http.NewResponseController(w)}
}

type steady struct {
	io.Reader
	conn *http.ResponseController
}

func (s steady) Read(p []byte) (int, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(steadyStall)) // a server that has none reads without
	n, err := s.Reader.Read(p)
	if err != nil {
		_ = s.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
