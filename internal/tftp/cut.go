package tftp

import (
	"errors"
	"io"
	"sync/atomic"
)

// cuttable is a Reader that fails once cut is set: the only way to end a transfer of pin's. It
// hides the Seeker of what it reads, for pin would ask it for the size again.
type cuttable struct {
	io.Reader
	cut *atomic.Bool
}

var errStopping = errors.New("the server is stopping; try again")

func (c *cuttable) Read(p []byte) (int, error) {
	if c.cut.Load() {
		return 0, errStopping
	}
	return c.Reader.Read(p)
}
