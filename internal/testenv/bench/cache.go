package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	cacheReaders  = 16
	cacheColdSize = 1 << 30
	cacheWarmSize = 64 << 20
	cacheCrowd    = 256 // readers of the warm image
)

// peer is a cache in front of the origin, with nothing in it yet.
type peer struct {
	name    string
	address string
	path    func(origin string) string // of an origin's path at the peer
	pid     int
	stop    func()
}

// cache measures what the readers of a cold image wait for, and what a crowd of readers of a warm one
// costs, beside nginx and Varnish in front of the same origin.
func cache(ctx context.Context, build string, _ time.Duration) error {
	o, err := startSlowOrigin()
	if err != nil {
		return err
	}
	defer o.stop()
	dir, err := os.MkdirTemp("", "bty-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("\n## cache: %d readers of one cold image of %d MiB, origin limited to 100 MB/s\n\n"+
		"| cache | alone | slowest of %d | ratio | slowest first byte | bytes from the origin | processor time |\n|---|---|---|---|---|---|---|\n", cacheReaders, cacheColdSize>>20, cacheReaders)
	starts := []starter{startCache(build), startVarnish, startNginxCache}
	for i, start := range starts {
		if err := coldOf(ctx, filepath.Join(dir, fmt.Sprint("cold", i)), o, start); err != nil {
			return err
		}
	}
	fmt.Printf("\n## cache: %d readers of one warm image of %d MiB\n\n| cache | round | MB/s | processor time | most memory |\n|---|---|---|---|---|\n", cacheCrowd, cacheWarmSize>>20)
	for i, start := range starts {
		if err := warmOf(ctx, filepath.Join(dir, fmt.Sprint("warm", i)), o, start); err != nil {
			return err
		}
	}
	return nil
}

type starter = func(ctx context.Context, dir string, o *slowOrigin) (*peer, error)

// coldOf measures one reader, and then many of an image that the cache does not have either.
func coldOf(ctx context.Context, dir string, o *slowOrigin, start starter) error {
	p, err := start(ctx, dir, o)
	if err != nil {
		return err
	}
	defer p.stop()
	alone, _, err := o.readers(p, fmt.Sprintf("/%d/alone.img", cacheColdSize), 1, cacheColdSize)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	o.rest()
	before, _ := workedOf(p.pid)
	sent := o.sent.Load()
	last, first, err := o.readers(p, fmt.Sprintf("/%d/many.img", cacheColdSize), cacheReaders, cacheColdSize)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	after, _ := workedOf(p.pid)
	fmt.Printf("| %s | %.2f s | %.2f s | %.3f | %.3f s | %d MB | %.1f s |\n", p.name, alone.Seconds(), last.Seconds(),
		last.Seconds()/alone.Seconds(), first.Seconds(), (o.sent.Load()-sent)/1e6, (after - before).Seconds())
	return nil
}

func warmOf(ctx context.Context, dir string, o *slowOrigin, start starter) error {
	p, err := start(ctx, dir, o)
	if err != nil {
		return err
	}
	defer p.stop()
	path := fmt.Sprintf("/%d/warm.img", cacheWarmSize)
	if _, _, err := o.readers(p, path, 1, cacheWarmSize); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	time.Sleep(time.Second)
	for round := range 2 {
		most := watch(p.pid)
		before, _ := workedOf(p.pid)
		last, _, err := o.readers(p, path, cacheCrowd, cacheWarmSize)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		after, _ := workedOf(p.pid)
		fmt.Printf("| %s | %d | %.0f | %.1f s | %.0f MiB |\n", p.name, round+1, cacheCrowd*cacheWarmSize/1e6/last.Seconds(), (after - before).Seconds(), most())
	}
	return nil
}

// watch looks at the memory of a process until it is asked for the most there was.
func watch(pid int) func() float64 {
	var (
		wg   sync.WaitGroup
		end  = make(chan struct{})
		most = residentOf(pid)
	)
	wg.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-time.After(50 * time.Millisecond):
				most = max(most, residentOf(pid))
			}
		}
	})
	return func() float64 { close(end); wg.Wait(); return most }
}

// readers has n readers fetch a path at the same moment. It returns when the last one was done, and
// when the last one had its first byte.
func (o *slowOrigin) readers(p *peer, path string, n int, size int64) (done, first time.Duration, err error) {
	var wg sync.WaitGroup
	dones, firsts, errs := make([]time.Duration, n), make([]time.Duration, n), make([]error, n)
	begin := time.Now()
	for i := range n {
		wg.Go(func() {
			dones[i], firsts[i], errs[i] = readAway(p.address, p.path("http://"+o.address+path), begin, size)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, 0, err
		}
	}
	return slices.Max(dones), slices.Max(firsts), nil
}

// readAway fetches an image and has the kernel throw its bytes away, so that the reader costs little.
func readAway(address, path string, begin time.Time, size int64) (done, first time.Duration, err error) {
	c, err := dial(address)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(begin.Add(5 * time.Minute)); err != nil {
		return 0, 0, err
	}
	if _, err := c.Write(get(path)); err != nil {
		return 0, 0, err
	}
	status, length, err := c.head()
	if err != nil || status != 200 || length != size {
		return 0, 0, fmt.Errorf("%s: status %d, %d bytes: %w", path, status, length, err)
	}
	if _, err := c.r.ReadByte(); err != nil {
		return 0, 0, err
	}
	first = time.Since(begin)
	left := length - 1 - int64(c.r.Buffered())
	err = discard(c, left)
	return time.Since(begin), first, err
}

// discard takes n bytes from a connection without copying them (tcp(7), MSG_TRUNC).
func discard(c *conn, n int64) error {
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	room := make([]byte, 1<<20)
	for n > 0 && err == nil {
		var failed error
		err = raw.Read(func(fd uintptr) bool {
			got, _, e := syscall.Recvfrom(int(fd), room[:min(n, int64(len(room)))], syscall.MSG_TRUNC|syscall.MSG_DONTWAIT)
			switch {
			case e == syscall.EAGAIN:
				return false
			case e != nil:
				failed = e
			case got == 0:
				failed = fmt.Errorf("it ended %d bytes too early", n)
			}
			n -= int64(max(got, 0))
			return true
		})
		if err == nil {
			err = failed
		}
	}
	return err
}

func blobPath(origin string) string {
	return "/b/" + base64.RawURLEncoding.EncodeToString([]byte(origin)) + "/image"
}
