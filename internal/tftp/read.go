package tftp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	pin "github.com/pin/tftp/v3"

	"bty/internal/fault"
	"bty/internal/message"
)

// request is one read request.
type request struct {
	name   string
	client netip.Addr
	local  netip.Addr // the address that the client asked; the zero Addr if unknown
	begun  time.Time
	to     pin.OutgoingTransfer
	sink   io.ReaderFrom
}

func newRequest(name string, sink io.ReaderFrom) (*request, error) {
	to, ok := sink.(pin.OutgoingTransfer)
	info, ok2 := sink.(pin.RequestPacketInfo)
	if !ok || !ok2 {
		return nil, errors.New("internal error")
	}
	remote := to.RemoteAddr()
	client, _ := netip.AddrFromSlice(remote.IP)
	local, _ := netip.AddrFromSlice(info.LocalIP())
	return &request{name: name, client: client.Unmap(), local: local.Unmap(), begun: time.Now(), to: to, sink: sink}, nil
}

// read is pin's handler, in a goroutine of its own per request. Its error becomes the client's
// ERROR packet unless the transfer has sent one already. Returning nil without a transfer would
// leak pin's connection.
func (s *Server) read(name string, sink io.ReaderFrom) (err error) {
	defer func() {
		if p := recover(); p != nil { // pin: an oversized packet in single-port mode
			s.refused.Warn(netip.Addr{}, "a transfer was ended by a packet that the library cannot take", message.TFTPMalformed, "file", name, "err", fmt.Sprint(p))
			err = errors.New("bad packet")
		}
	}()
	r, err := newRequest(name, sink)
	if err != nil {
		return err
	}
	if isBroadcast(r.local) {
		return errors.New("ask the server's own address, not a broadcast")
	}
	release, err := s.slots.take(r.client)
	if err != nil {
		s.refused.Warn(r.client, "too many transfers", message.TFTPBusy, "remote", r.client, "file", name, "err", err)
		return err
	}
	defer release()
	return s.answer(r)
}

// readAhead saves a system call per block. It is memory per transfer.
const readAhead = 16 << 10

// source is what a request is answered with.
type source struct {
	io.Reader
	name    string
	size    int64
	close   func() error
	program bool // a boot program, whose repetition means iPXE
	script  bool
}

func (s *Server) answer(r *request) error {
	src, err := s.source(r)
	if err != nil {
		s.refused.Warn(r.client, "not served", message.TFTPFailed, "remote", r.client, "file", r.name, "err", err)
		s.report(r, Transfer{Err: err})
		return errors.New(fault.Public(err))
	}
	defer src.close()
	r.to.SetSize(src.size) // always: pin echoes a client's own tsize otherwise
	n, err := r.sink.ReadFrom(&cuttable{Reader: src, cut: &s.cut})
	switch {
	case isProbe(err):
		return err // what follows is the transfer
	case err != nil:
		s.refused.Info(r.client, "a transfer ended early", message.TFTPFailed, "remote", r.client, "file", r.name, "bytes", n, "err", err)
	case src.script:
		s.repeats.scriptServed(r.client)
	case src.program:
		s.repeats.completed(r.client, src.name, time.Now())
	}
	if err == nil {
		s.served.Add(1)
		s.Log.Info("file served", message.TFTPServed, "remote", r.client, "file", r.name, "served", src.name, "bytes", n, "dur", time.Since(r.begun))
	}
	s.report(r, Transfer{Served: src.name, Bytes: n, Err: err})
	return err
}

// isProbe reports whether the client ended the transfer when it had seen the options: it wanted
// the size only. EDK2 sends code 8 (RFC 2347), PXE ROMs code 0.
func isProbe(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "sending block 0: code=")
}

func (s *Server) report(r *request, t Transfer) {
	if s.Report == nil {
		return
	}
	t.Client, t.File, t.Duration = r.client, r.name, time.Since(r.begun)
	s.Report(t)
}

// source decides what r gets. A program that iPXE, rather than firmware, asks for is answered
// with the script: an iPXE that gets iPXE again starts it for ever.
func (s *Server) source(r *request) (*source, error) {
	if s.IsScript != nil && s.IsScript(r.name) {
		return s.scriptFor(r)
	}
	f, err := s.Files.Open(r.name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		err = fault.Wrap(fault.Internal, err, "%s cannot be read; see the journal of bty-tftp", r.name)
	} else if info.Size() > maxFile {
		err = fault.New(fault.TooLarge, "%s is too large for TFTP (%d MiB at most); fetch it over HTTP from /boot/", info.Name(), maxFile>>20)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	program := s.IsProgram != nil && s.IsProgram(r.name)
	if program && s.Script != nil && s.isIPXE(r.client, info.Name()) {
		f.Close()
		return s.scriptFor(r)
	}
	return &source{Reader: bufio.NewReaderSize(io.LimitReader(f, info.Size()), readAhead), name: info.Name(), size: info.Size(), close: f.Close, program: program}, nil
}

func (s *Server) isIPXE(client netip.Addr, program string) bool {
	if s.repeats.isRepeat(client, program, time.Now()) {
		return true
	}
	return s.IsIPXE != nil && s.IsIPXE(client)
}

func (s *Server) scriptFor(r *request) (*source, error) {
	if s.Script == nil {
		return nil, fault.New(fault.NotFound, "no such file: %s", r.name)
	}
	if !r.local.IsValid() || r.local.IsUnspecified() {
		return nil, fault.New(fault.Unavailable, "the address you asked is not known; try again")
	}
	b := s.Script(r.local)
	return &source{Reader: bytes.NewReader(b), name: "script", size: int64(len(b)), close: func() error { return nil }, script: true}, nil
}
