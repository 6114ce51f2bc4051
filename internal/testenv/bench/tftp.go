package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	tftpSize   = 1_000_000 // of the file, in bytes
	tftpFile   = "bench.bin"
	tftpBlock  = 1428
	tftpRounds = 3 // odd, so that there is a median
)

// tftpLoads are how many clients fetch the file at one moment, and how often each does, one transfer
// after the other, so that each load takes a second or so.
var tftpLoads = []struct{ clients, times, delayed int }{{1, 12, 1}, {16, 3, 1}, {64, 1, 1}, {256, 1, 1}}

// tftp measures bty-tftp beside other TFTP servers: over a veth pair, and over one with a delay of a
// millisecond each way. The servers take turns in each round.
func tftp(ctx context.Context, build string, _ time.Duration) error {
	content := make([]byte, tftpSize)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	dir, err := os.MkdirTemp("", "bty-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, tftpFile), content, 0o644)); err != nil {
		return err
	}
	lab, err := openTFTPLab(ctx, build, dir)
	if err != nil {
		return err
	}
	defer lab.close()
	for _, delayed := range []bool{false, true} {
		if err := lab.table(ctx, content, delayed); err != nil {
			return err
		}
	}
	return lab.costs()
}

// table measures every load and prints a row for each.
func (l *tftpLab) table(ctx context.Context, content []byte, delayed bool) error {
	where := "over a veth pair"
	if delayed {
		where = "with 1 ms each way"
	}
	fmt.Printf("\n## TFTP: 1 MB, blksize 1428, no windows, %s: MB/s in all (ms of processor time per MB)\n\n| clients |", where)
	for _, s := range l.servers {
		fmt.Printf(" %s |", s.name)
	}
	fmt.Printf(" bty-tftp to the best other |\n|---|%s---|\n", strings.Repeat("---|", len(l.servers)))
	for _, load := range tftpLoads {
		times, rounds := load.times, tftpRounds
		if delayed {
			times = load.delayed
		}
		if load.clients > 64 {
			rounds = 1 // the question is whether a transfer fails
		}
		outcomes := make([]outcome, len(l.servers))
		for range rounds {
			for i, s := range l.servers {
				if s.slow && (delayed || rounds == 1 && len(outcomes[i].rates) > 0) {
					continue
				}
				if err := l.load(ctx, &outcomes[i], s, content, load.clients, times, delayed); err != nil {
					return err
				}
			}
		}
		fmt.Printf("| %d |", load.clients)
		best := 0.0
		for i, o := range outcomes {
			fmt.Printf(" %s |", o)
			if !l.servers[i].ours {
				best = max(best, o.rate())
			}
		}
		fmt.Printf(" %.2f |\n", outcomes[0].rate()/best)
	}
	return nil
}

// outcome is what the rounds of one load came to.
type outcome struct {
	rates  []float64 // MB/s
	bytes  int
	worked time.Duration // processor time of the server
	failed int           // transfers
	again  int           // packets that a client sent again
	why    error         // of the last that failed
}

func (o outcome) rate() float64 {
	if len(o.rates) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(o.rates))[len(o.rates)/2]
}

func (o outcome) String() string {
	if len(o.rates) == 0 {
		return "-"
	}
	s := fmt.Sprintf("%.1f (%.1f)", o.rate(), float64(o.worked.Microseconds())/1e3/(float64(o.bytes)/1e6))
	if o.failed > 0 {
		s += fmt.Sprintf(" **%d failed**: %v", o.failed, o.why)
	}
	if o.again > 0 {
		s += fmt.Sprintf(", %d repeats", o.again)
	}
	return s
}

// load has many clients fetch the file at the same moment.
func (l *tftpLab) load(ctx context.Context, o *outcome, s *tftpServer, content []byte, clients, times int, delayed bool) error {
	all := make([]*tftpClient, clients*times) // a port for each transfer, as firmware has
	defer func() {
		for _, c := range all {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	for i := range all {
		var err error
		if all[i], err = l.client(ctx, s, i/times, delayed); err != nil {
			return err
		}
	}
	before, err := workedOf(s.process.PID())
	if err != nil {
		return fmt.Errorf("%s has ended: %w\n%s", s.name, err, s.process.Log.Tail(10))
	}
	var work sync.WaitGroup
	begun := time.Now()
	for own := range slices.Chunk(all, times) {
		work.Go(func() {
			for _, c := range own {
				c.fetch(tftpFile, content)
			}
		})
	}
	work.Wait()
	took, bytes := time.Since(begun), 0
	for _, c := range all {
		bytes += c.bytes
		o.failed += c.failed
		o.again += c.again
		if c.why != nil {
			o.why = c.why
		}
	}
	o.rates = append(o.rates, float64(bytes)/1e6/took.Seconds())
	o.bytes += bytes
	time.Sleep(200 * time.Millisecond) // what is left of it in the server ends
	if o.failed > 0 {
		time.Sleep(5 * time.Second) // what it goes on sending would be in the way of the next
	}
	after, err := workedOf(s.process.PID())
	o.worked += after - before
	return errors.Join(err, ctx.Err())
}
