package tftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	pin "github.com/pin/tftp/v3"

	"bty/internal/flood"
	"bty/internal/message"
)

const (
	// blockSize fits a frame of 1500 bytes with IPv6 and a VLAN tag; no firmware minds an answer
	// below what it asked for.
	blockSize = 1428

	// A lost block costs one time-out, so the first ones are short (see backoff). A client that
	// fell silent is given up after about 12 s.
	timeout = 250 * time.Millisecond
	retries = 6

	// drainLimit is how long transfers may go on after Run was told to stop.
	drainLimit = 8 * time.Second

	// maxFile keeps block numbers (16 bits) to a few turns; larger files belong to HTTP.
	maxFile = 512 << 20
)

// backoff is the pause before attempt n+1, on top of timeout: the distances between attempts are
// 0.25, 0.5, 1, 2, 4 and 4 seconds. An answer that comes in a pause waits in the socket.
func backoff(n int) time.Duration { return min(timeout<<n, 4*time.Second) - timeout }

// Config is what a Server serves and to whom. Files and Log must be set.
type Config struct {
	Files interface {
		// Open opens the regular file that a name from the wire means.
		Open(name string) (*os.File, error)
	}
	// Script is iPXE's script for a client that reached us at local; nil serves none.
	Script func(local netip.Addr) []byte
	// IsScript and IsProgram say which names ask for the script, and which for a boot program.
	IsScript, IsProgram func(name string) bool
	// IsIPXE reports whether DHCP has told that client is an iPXE already; it must answer soon,
	// false if it does not know. Nil never knows.
	IsIPXE func(client netip.Addr) bool
	// Report hears of each finished transfer; it must not block. Nil: nobody wants to.
	Report func(Transfer)
	Log    *slog.Logger

	SinglePort   bool
	MaxTransfers int // 0 is 1024
	MaxPerClient int // 0 is 16
}

// Transfer is one transfer that ended.
type Transfer struct {
	Client   netip.Addr
	File     string // as asked
	Served   string // the file's own name, or "script"
	Bytes    int64
	Duration time.Duration
	Err      error // nil: acknowledged to the last block
}

// Server answers read requests on one socket. It is a task of internal/daemon.
type Server struct {
	Config
	conn    *net.UDPConn
	pin     *pin.Server
	slots   *slots
	repeats *repeats
	refused *flood.Log
	ready   chan struct{}
	beat    heartbeat
	cut     atomic.Bool // transfers must end now
	served  atomic.Int64
}

// New returns a Server that owns conn.
func New(conn *net.UDPConn, c Config) *Server {
	if c.MaxTransfers == 0 {
		c.MaxTransfers = 1024
	}
	if c.MaxPerClient == 0 {
		c.MaxPerClient = 16
	}
	s := &Server{
		Config: c, conn: conn, ready: make(chan struct{}),
		slots: newSlots(c.MaxTransfers, c.MaxPerClient), repeats: newRepeats(), refused: flood.New(c.Log, message.Flood),
	}
	p := pin.NewServer(s.read, s.write)
	p.SetHook(hook{s})
	p.SetBlockSizeNegotiation(false)
	p.SetBlockSize(blockSize) // before EnableSinglePort, which would set 512
	p.SetTimeout(timeout)
	p.SetRetries(retries)
	p.SetBackoff(backoff)
	if c.SinglePort {
		p.EnableSinglePort()
	}
	s.pin = p
	return s
}

// String names the task.
func (s *Server) String() string { return "tftp" }

// Ready is closed once the server answers.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Status is a line for people.
func (s *Server) Status() string {
	return fmt.Sprintf("%d transfers served, %d running", s.served.Load(), s.slots.used())
}

// Run answers until ctx is done, then lets running transfers end. A socket that died is an error.
func (s *Server) Run(ctx context.Context) error {
	if err := dropBroadcasts(s.conn); err != nil {
		s.Log.Warn("requests to a broadcast address are answered with an error instead of silence", message.BroadcastsAnswered, "err", err)
	}
	counting, stopCounting := context.WithCancel(context.WithoutCancel(ctx))
	counted := make(chan struct{})
	go func() { defer close(counted); _ = s.refused.Run(counting) }()
	defer func() { stopCounting(); <-counted }()
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	close(s.ready)
	dead := s.watch(ctx, served)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.pin.Shutdown() // closes the socket; in multi-port mode waits for the transfers
	}()
	return errors.Join(dead, s.drain(stopped, served))
}

// watch returns nil when ctx is done, an error when the socket no longer works.
func (s *Server) watch(ctx context.Context, served chan error) error {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			served <- err
			return nil
		case <-look.C:
			if err := alive(s.conn); err != nil {
				return err
			}
		}
	}
}

// drain waits for the transfers, at first for their end, then for the error that cut gives them.
func (s *Server) drain(stopped <-chan struct{}, served <-chan error) error {
	limit := time.After(drainLimit)
	cut := time.After(drainLimit - 2*time.Second)
	var failed error
	for stopped != nil || served != nil {
		select {
		case <-stopped:
			stopped = nil
		case failed = <-served:
			served = nil
		case <-cut:
			s.cut.Store(true)
		case <-limit:
			return failed // clients that no longer answer; nothing of theirs is left to save
		}
	}
	return failed
}

// serve runs pin's loop. In single-port mode that loop can panic: a packet for a transfer that
// ends in the same instant is sent on its closed channel. Its state is sound then; go on.
func (s *Server) serve() error {
	const maxPanics = 1000
	for range maxPanics {
		err, panicked := s.serveOnce()
		if panicked == nil {
			return err
		}
		s.refused.Warn(netip.Addr{}, "the TFTP loop stumbled over a late packet and goes on", message.TFTPMalformed, "err", fmt.Sprint(panicked))
	}
	return fmt.Errorf("the TFTP loop failed %d times; see the journal", maxPanics)
}

func (s *Server) serveOnce() (err error, panicked any) {
	defer func() { panicked = recover() }()
	if err := s.pin.Serve(s.conn); err != nil {
		return fmt.Errorf("serving TFTP: %w", err), nil
	}
	return nil, nil
}

// write refuses; pin hands the text to the client.
func (s *Server) write(name string, from io.WriterTo) error {
	var remote net.UDPAddr
	if in, ok := from.(pin.IncomingTransfer); ok {
		remote = in.RemoteAddr()
	}
	client, _ := netip.AddrFromSlice(remote.IP)
	s.refused.Warn(client, "write request refused", message.TFTPWrite, "remote", client.Unmap(), "file", name)
	return errors.New("this server is read-only; put boot files with HTTP: PUT /boot/NAME")
}
