package origin

import (
	"errors"
	"io"
)

// broken is an error with io.EOF in it that is not the end of the image: net/http says so when a
// connection ends before an answer begins. Whoever reads would take the image for whole.
type broken struct{ err error }

func noEnd(err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return &broken{err}
}

func (b *broken) Error() string { return b.err.Error() }

// Is and As see everything but io.EOF; there is no Unwrap.
func (b *broken) Is(target error) bool { return target != io.EOF && errors.Is(b.err, target) }
func (b *broken) As(target any) bool   { return errors.As(b.err, target) }
