package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/origin"
	"bty/internal/tui"
)

// code is an exit status of bty. Scripts depend on the numbers: none ever changes its meaning.
type code int

const (
	codeDone        code = 0
	codeInternal    code = 1
	codeUsage       code = 2
	codeNoDisk      code = 3
	codeInUse       code = 4
	codeImage       code = 5
	codeMismatch    code = 6
	codeWrite       code = 7
	codeServer      code = 8
	codePerson      code = 9
	codeUnconfirmed code = 10
	codeCancelled   code = 130
)

// codes is the one table of exit statuses: the help prints it, and a test compares it with
// docs/bty.md.
var codes = [...]struct {
	code          code
	name, meaning string
}{
	{codeDone, "done", "done"},
	{codeInternal, "internal", "something else went wrong; the message says what"},
	{codeUsage, "usage", "the command line is wrong; nothing was done"},
	{codeNoDisk, "no-disk", "no disk, or more than one, is the one that was named; nothing was written"},
	{codeInUse, "in-use", "the disk is mounted, held or open elsewhere; nothing was written"},
	{codeImage, "image", "the image cannot be reached, read or decoded"},
	{codeMismatch, "mismatch", "the image has another length or SHA-256 than declared; the disk is not bootable"},
	{codeWrite, "write", "the disk cannot take the image: too small, read-only, or failing"},
	{codeServer, "server", "the server cannot be reached, refused, or sent no usable plan"},
	{codePerson, "person", "the server wants a person to choose; nothing was written"},
	{codeUnconfirmed, "unconfirmed", "nobody confirmed; nothing was written"},
	{codeCancelled, "cancelled", "cancelled; a disk that was being written is partial and not bootable"},
}

func (c code) name() string {
	for _, row := range codes {
		if row.code == c {
			return row.name
		}
	}
	return "internal"
}

func printCodes(w io.Writer) {
	for _, row := range codes {
		fmt.Fprintf(w, "  %3d  %s\n", row.code, row.meaning)
	}
}

// exit gives an error its exit status where its type does not.
type exit struct {
	code code
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func failf(c code, format string, args ...any) error {
	return &exit{code: c, err: fmt.Errorf(format, args...)}
}

// codeOf is the exit status of an error.
func codeOf(err error) code {
	if err == nil {
		return codeDone
	}
	if e, ok := errors.AsType[*exit](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*flash.Defect](err); ok {
		return codeInternal
	}
	if e, ok := errors.AsType[*flash.Error](err); ok && e.Kind == flash.ErrCancelled {
		return codeCancelled // whatever else broke while the write was being torn down
	}
	for _, row := range causes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	if _, ok := errors.AsType[*agent.PlanError](err); ok {
		return codeServer
	}
	if _, ok := errors.AsType[*agent.ServerError](err); ok || client.Retryable(err) || client.CodeOf(err) != 0 {
		return codeServer
	}
	return codeInternal
}

// causes are what the packages below say. The first that fits counts, so the narrower kinds
// stand above the wider ones.
var causes = []struct {
	err  error
	code code
}{
	{disk.ErrNoDisk, codeNoDisk},
	{disk.ErrAmbiguous, codeNoDisk},
	{disk.ErrBusy, codeInUse},
	{disk.ErrReadOnly, codeWrite},
	{origin.ErrLength, codeMismatch},
	{flash.ErrDigest, codeMismatch},
	{flash.ErrRequest, codeUsage},
	{flash.ErrNoDisk, codeNoDisk},
	{flash.ErrDiskBusy, codeInUse},
	{flash.ErrOrigin, codeImage},
	{flash.ErrImage, codeImage},
	{flash.ErrTooLarge, codeWrite},
	{flash.ErrWrite, codeWrite},
	{flash.ErrVerify, codeWrite},
	{context.Canceled, codeCancelled},
	{tui.ErrGone, codeCancelled}, // which is seen before the hang-up, or after it
}
