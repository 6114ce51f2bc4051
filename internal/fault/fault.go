// Package fault names the kinds of failure that the appliance tells its callers about.
//
// An Error has two faces: Public is a whole sentence for the caller, safe to show to anyone,
// and Cause is what went wrong underneath, for the journal only. A plain error that reaches a
// surface is an internal fault: its text stays private.
package fault

import (
	"errors"
	"fmt"
)

// Kind says whose turn it is: the caller's to change the request, or ours to recover.
type Kind uint8

const (
	Internal     Kind = iota // a defect or a failing disk; the caller can only retry
	Invalid                  // the request cannot be understood
	Unauthorized             // nobody is signed in
	Forbidden                // signed in, but not allowed
	NotFound                 // the thing named does not exist
	Conflict                 // the thing exists already, or is in use
	TooLarge                 // over a limit that the message names
	Rejected                 // understood, but a value is not acceptable
	Unavailable              // for now; try again later
	Full                     // the disk under the state folder is full
)

// Error is a failure with a message for the caller and a cause for the journal.
type Error struct {
	Kind   Kind
	Public string
	Cause  error
}

// New returns an Error whose public message is complete.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Public: fmt.Sprintf(format, args...)}
}

// Wrap returns an Error that keeps cause for the journal beside the public message.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Public: fmt.Sprintf(format, args...), Cause: cause}
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Public
	}
	return e.Public + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the outermost Error in err's chain, Internal if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Public returns the message that err may show to a caller.
func Public(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Public
	}
	return "internal error; the journal of bty-web has the cause (journalctl -u bty-web)"
}
