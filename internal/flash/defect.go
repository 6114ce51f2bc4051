package flash

import (
	"fmt"
	"runtime/debug"

	"bty/internal/message"
)

// Defect is a panic of a goroutine of the flash. Nobody's call stands behind it: it would end the program, which
// may have the terminal, or be init.
type Defect struct {
	Part  string // of the flash
	Panic any
}

func (d *Defect) Error() string {
	return fmt.Sprintf("%s fails, which is a defect in bty: %v", d.Part, d.Panic)
}

// catcher makes what a part panicked with an error of a kind, and ends the flash with it.
type catcher func(k error, part string, p any) *Error

func (j *job) caught(k error, part string, p any) *Error {
	err := &Error{Kind: k, Err: &Defect{part, p}}
	j.log.Error("a part of the flash panicked", message.Defect, "part", part, "err", fmt.Sprintf("%v\n%s", p, debug.Stack()))
	j.defect.CompareAndSwap(nil, err)
	j.cancel(err) // the others may be waiting for the network
	return err
}

// guarded is work of a goroutine, with a panic made its error.
func (j *job) guarded(k error, part string, work func() error) func() error {
	return func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = j.caught(k, part, p)
			}
		}()
		return work()
	}
}
