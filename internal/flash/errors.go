package flash

import (
	"context"
	"errors"

	"bty/internal/disk"
	"bty/internal/diskimage"
)

// Kinds of failure, for errors.Is and for exit codes. Each Error has exactly one.
var (
	ErrRequest   = errors.New("the request is not complete")
	ErrNoDisk    = errors.New("no disk to write")
	ErrDiskBusy  = errors.New("the disk is in use or read-only")
	ErrOrigin    = errors.New("the image could not be fetched")
	ErrImage     = errors.New("the image cannot be used")
	ErrTooLarge  = errors.New("the image is larger than the disk")
	ErrDigest    = errors.New("the image is not the declared one")
	ErrWrite     = errors.New("the disk could not be written")
	ErrVerify    = errors.New("the disk could not be verified")
	ErrCancelled = errors.New("the flash was cancelled")
)

// Error is a failed flash.
type Error struct {
	Kind    error  // one of the above
	Disk    string // path, "" while no disk was chosen
	Touched bool   // the old content of the disk is gone, and it does not boot
	Unsure  bool   // that it does not boot: its beginning was written and could not be wiped again
	Err     error
}

// Error says what happened, why, and what became of the disk.
func (e *Error) Error() string {
	s := e.Kind.Error() + ": " + e.Err.Error()
	switch {
	case e.Unsure:
		return s + "; " + e.Disk + " was begun, and whether it boots is not known, flash it again or take it out"
	case e.Touched:
		return s + "; " + e.Disk + " was begun and will not boot, flash it again"
	case e.Disk != "":
		return s + "; nothing was written to " + e.Disk
	}
	return s + "; nothing was written"
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// kind marks err, unless it is marked already.
func kind(k, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: k, Err: err}
}

// verdict says what a flash failed of. A cancelled one ends with any error; but what the disk did is told all the
// same, for whoever cancels a flash that just failed must hear of it.
func verdict(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*Error](err); ok && (e.Kind == ErrWrite || e.Kind == ErrVerify) && !errors.Is(e.Err, cause) {
		return err
	}
	return &Error{Kind: ErrCancelled, Err: cause}
}

func diskError(err error) error {
	switch {
	case errors.Is(err, disk.ErrBusy), errors.Is(err, disk.ErrReadOnly):
		return kind(ErrDiskBusy, err)
	case errors.Is(err, disk.ErrNoDisk), errors.Is(err, disk.ErrAmbiguous):
		return kind(ErrNoDisk, err)
	}
	return kind(ErrWrite, err)
}

// imageError tells a bad image from a transfer that failed, which the pump has marked.
func imageError(err error) error {
	if errors.Is(err, diskimage.ErrCorrupt) || errors.Is(err, diskimage.ErrFormat) {
		return kind(ErrImage, err)
	}
	return kind(ErrOrigin, err)
}
