package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/packet"
	"bty/internal/wire"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

const (
	sniffRate = 10_000 // packets per second
	sniffTime = 10 * time.Second
)

// sniffing measures the sniffer under more DHCP than any rack sends: whether it loses machines, how
// soon they are reported, and what it takes of a processor, beside a tcpdump that only captures.
func sniffing(ctx context.Context, build string, _ time.Duration) error {
	lan, err := testenv.OpenLAN(ctx)
	if err != nil {
		return err
	}
	defer lan.Close()
	there, err := lan.Beside(ctx, "eth0", nil)
	if err != nil {
		return err
	}
	port, err := lan.Plug(ctx)
	if err != nil {
		return err
	}
	defer port.Close()
	fmt.Printf("\n## DHCP at %d packets/s for %.0f s\n\n| reader | machines | reported | of a core | first packet to report, p50 | p99 | slowest |\n|---|---|---|---|---|---|---|\n", sniffRate, sniffTime.Seconds())
	for _, machines := range []int{1000, sniffRate * int(sniffTime/time.Second)} {
		if err := sniffRound(ctx, lan, there, build, port, machines); err != nil {
			return err
		}
	}
	return captureRound(ctx, lan, there, port)
}

// sniffRound runs one sniffer, with this program as the report socket.
func sniffRound(ctx context.Context, lan *testenv.LAN, there, build string, port *packet.Port, machines int) error {
	reports, err := listenReports(lan.Dir)
	if err != nil {
		return err
	}
	defer reports.Close()
	sniffer, err := lan.Start(testenv.Program{Name: "bty-sniff", Path: "ip",
		Args: []string{"netns", "exec", there, filepath.Join(build, "bin", "bty-sniff")}, Env: []string{"BTY_PATHS_RUN_DIR=" + lan.Dir, "BTY_LOG_FORMAT=text"}})
	if err != nil {
		return err
	}
	defer sniffer.Stop()
	if _, err := sniffer.Log.Expect(ctx, 10*time.Second, "packet socket is its own"); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond) // the loop begins
	share, err := underLoad(sniffer.PID(), func() error { return flood(ctx, port, machines, reports.sent) })
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	got, waits := reports.summary()
	fmt.Printf("| bty-sniff | %d | %d | %.1f %% | %.1f ms | %.1f ms | %.1f ms |\n", machines, got, share, at(waits, 0.5), at(waits, 0.99), at(waits, 1))
	return nil
}

func captureRound(ctx context.Context, lan *testenv.LAN, there string, port *packet.Port) error {
	dump, err := lan.Start(testenv.Program{Name: "tcpdump", Path: "ip",
		Args: []string{"netns", "exec", there, "tcpdump", "-n", "-i", "eth0", "-w", "/dev/null", "udp and (port 67 or port 68 or port 4011)"}})
	if err != nil {
		return err
	}
	defer dump.Stop()
	if _, err := dump.Log.Expect(ctx, 10*time.Second, "listening on"); err != nil {
		return err
	}
	share, err := underLoad(dump.PID(), func() error { return flood(ctx, port, 1000, func(uint32) {}) })
	if err != nil {
		return err
	}
	fmt.Printf("| tcpdump, to nowhere | 1000 | - | %.1f %% | - | - | - |\n", share)
	return nil
}

// underLoad is the share of one processor that a process takes while f runs.
func underLoad(pid int, f func() error) (percent float64, err error) {
	before, err := workedOf(pid)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := f(); err != nil {
		return 0, err
	}
	after, err := workedOf(pid)
	return 100 * (after - before).Seconds() / time.Since(begun).Seconds(), err
}

// at is a quantile of sorted times in milliseconds.
func at(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return millis(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))])
}

// flood sends DISCOVERs at the rate, the machines in turn.
func flood(ctx context.Context, port *packet.Port, machines int, sent func(machine uint32)) error {
	const tick = time.Millisecond
	frame := packet.Of(packet.UEFI.Message(dhcpv4.MessageTypeDiscover, net.HardwareAddr{2, 0, 0, 0, 0, 0})).Bytes()
	const ether, dhcp = 6, 14 + 20 + 8
	total, n := sniffRate*int(sniffTime/time.Second), 0
	for begun := time.Now(); n < total; time.Sleep(tick) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for due := min(total, int(time.Since(begun).Seconds()*sniffRate)); n < due; n++ {
			machine := uint32(n % machines)
			binary.BigEndian.PutUint32(frame[ether+2:], machine)
			binary.BigEndian.PutUint32(frame[dhcp+28+2:], machine) // chaddr
			binary.BigEndian.PutUint32(frame[dhcp+4:], uint32(n))  // xid
			if n < machines {
				sent(machine)
			}
			if err := port.Send(frame); err != nil {
				return err
			}
		}
	}
	return nil
}

// reports is a report socket that notes when machines were sent and when they were reported.
type reports struct {
	server http.Server
	path   string

	mu    sync.Mutex
	began map[uint32]time.Time
	waits map[uint32]time.Duration
}

func listenReports(dir string) (*reports, error) {
	r := &reports{path: filepath.Join(dir, "report.sock"), began: map[uint32]time.Time{}, waits: map[uint32]time.Duration{}}
	l, err := net.Listen("unix", r.path)
	if err != nil {
		return nil, err
	}
	r.server.Handler = http.HandlerFunc(r.take)
	go func() { _ = r.server.Serve(l) }() // until it is closed
	return r, nil
}

// Close ends it.
func (r *reports) Close() error {
	err := r.server.Close()
	if gone := os.Remove(r.path); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

func (r *reports) sent(machine uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began[machine] = time.Now()
}

func (r *reports) take(w http.ResponseWriter, req *http.Request) {
	now := time.Now()
	var o wire.Observations
	if err := json.NewDecoder(io.LimitReader(req.Body, 1<<20)).Decode(&o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range o.Sightings {
		mac, err := net.ParseMAC(s.MAC)
		if err != nil {
			continue
		}
		machine := binary.BigEndian.Uint32(mac[2:])
		if began, known := r.began[machine]; known && r.waits[machine] == 0 {
			r.waits[machine] = now.Sub(began)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// summary is how many machines were reported, and how long that took, sorted.
func (r *reports) summary() (machines int, waits []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, wait := range r.waits {
		waits = append(waits, wait)
	}
	slices.Sort(waits)
	return len(waits), waits
}
