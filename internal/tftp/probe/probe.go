// Package probe asks a TFTP server whether it is there, as machines would reach it.
package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Outcome is what became of one question.
type Outcome string

const (
	Serves  Outcome = "serves"  // it gave the file
	Refuses Outcome = "refuses" // it is there, and does not have the file
	Silent  Outcome = "silent"  // nobody answers
)

// Answer is what was found out.
type Answer struct {
	Host    string
	Port    int
	File    string
	Outcome Outcome
	Detail  string // what it said, or why nothing came
	At      time.Time
}

// TFTP packets (RFC 1350, RFC 2347).
const (
	opRead  = 1
	opData  = 3
	opError = 5
	opOACK  = 6

	noOptions = 8 // the error that ends a transfer once its options are known
)

const (
	tries   = 2
	tryTime = time.Second
)

// Ask sends a read request and ends the transfer when it is answered: the server has nothing to
// send, and takes it for firmware that wanted to know the size.
func Ask(ctx context.Context, host string, port int, file string) Answer {
	a := Answer{Host: host, Port: port, File: file, Outcome: Silent, At: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, (tries+1)*tryTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(addrs) == 0 {
		a.Detail = fmt.Sprintf("the name %s cannot be resolved", host)
		return a
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		a.Detail = err.Error()
		return a
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	server := netip.AddrPortFrom(addrs[0].Unmap(), uint16(port))
	for range tries {
		if a.Outcome, a.Detail = try(ctx, conn, server, file); a.Outcome != Silent {
			break
		}
	}
	return a
}

func try(ctx context.Context, conn *net.UDPConn, server netip.AddrPort, file string) (Outcome, string) {
	if _, err := conn.WriteToUDPAddrPort(request(file), server); err != nil {
		return Silent, fmt.Sprintf("nothing can be sent to it: %v", err)
	}
	deadline := time.Now().Add(tryTime)
	buf := make([]byte, 1500)
	for {
		if ctx.Err() == nil {
			_ = conn.SetReadDeadline(deadline)
		}
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return Silent, silence(err)
		}
		if from.Addr().Unmap() != server.Addr() || n < 4 {
			continue // a stranger
		}
		switch binary.BigEndian.Uint16(buf) {
		case opData, opOACK:
			end := append(binary.BigEndian.AppendUint16([]byte{0, opError}, noOptions), "only asking\x00"...)
			_, _ = conn.WriteToUDPAddrPort(end, from) // it gives up by itself too
			return Serves, ""
		case opError:
			return Refuses, strings.ToValidUTF8(strings.TrimRight(string(buf[4:n]), "\x00"), "?")
		}
	}
}

func silence(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer"
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "no answer; a firewall in between may drop it, too: TFTP answers from another port than it was asked on"
	}
	return err.Error()
}

func request(file string) []byte {
	p := binary.BigEndian.AppendUint16(nil, opRead)
	for _, s := range []string{file, "octet", "tsize", strconv.Itoa(0)} {
		p = append(append(p, s...), 0)
	}
	return p
}

// Prober asks in the background and remembers the last answer.
type Prober struct {
	Target func() (host string, port int)
	File   string
	Fresh  time.Duration // how long an answer counts

	asked chan struct{}
	mu    sync.Mutex
	last  Answer
	since int // how often the answer was forgotten
}

// NewProber returns a Prober that asks once Run runs.
func NewProber(target func() (string, int), file string, fresh time.Duration) *Prober {
	return &Prober{Target: target, File: file, Fresh: fresh, asked: make(chan struct{}, 1)}
}

// Latest returns the last answer, if there is one for the target of today, without waiting. One that
// is old, or none, has the question asked again.
func (p *Prober) Latest() (Answer, bool) {
	host, port := p.Target()
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.last.Host == host && p.last.Port == port && !p.last.At.IsZero()
	if !known || time.Since(p.last.At) > p.Fresh {
		select {
		case p.asked <- struct{}{}:
		default: // it is being asked
		}
	}
	return p.last, known
}

// Last returns what is known, as Latest does, and has nothing asked.
func (p *Prober) Last() (Answer, bool) {
	host, port := p.Target()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, p.last.Host == host && p.last.Port == port && !p.last.At.IsZero()
}

// Forget has the question asked anew: something has changed.
func (p *Prober) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = Answer{}
	p.since++
}

// Run asks until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.asked:
		}
		host, port := p.Target()
		p.mu.Lock()
		since := p.since
		p.mu.Unlock()
		answer := Ask(ctx, host, port, p.File)
		p.mu.Lock()
		if p.since == since { // else it is of the time before
			p.last = answer
		}
		p.mu.Unlock()
		select {
		case <-p.asked: // whoever asked in the meantime has this answer
		default:
		}
	}
}
