package api

import (
	"bty/internal/machine"
	"bty/internal/web/body"
)

// ReadIntent reads what the operator wants of a machine. The pages send their form through it, so
// that what one surface accepts the other does, too.
func ReadIntent(v body.Value) (machine.Intent, error) { return readIntent(v) }
