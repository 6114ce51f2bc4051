package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"bty/internal/directio"
	"bty/internal/disk"
	"bty/internal/diskimage"
	"bty/internal/origin"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// aloneArg makes this program one stage of a flash, in a process whose time can be measured.
const aloneArg = "alone"

// alone runs one stage. What it reads is in memory; what it makes is thrown away.
func alone(args []string) error {
	stages := map[string]func(a, b string) error{"serve": serveFolder, "receive": receive, "digest": digestFile, "decode": decodeFile, "frames": makeFrames, "write": writeDisk}
	stage, ok := stages[args[0]]
	if !ok || len(args) != 3 {
		return fmt.Errorf("no stage %q", args)
	}
	return stage(args[1], args[2])
}

// serveFolder is the origin. Its address goes to standard output.
func serveFolder(dir, _ string) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, http.FileServer(http.Dir(dir)))
}

// measured prints what the work took, without what came before it.
func measured(work func() error) error {
	begun, before := time.Now(), ownTime()
	if err := work(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	fmt.Println(time.Since(begun).Seconds(), (ownTime() - before).Seconds())
	return nil
}

func ownTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func receive(url, _ string) error {
	return measured(func() error {
		src, err := origin.Open(context.Background(), url, origin.Options{})
		if err != nil {
			return err
		}
		defer src.Close()
		for buf := make([]byte, 512<<10); err == nil; {
			_, err = src.Read(buf)
		}
		return err
	})
}

func digestFile(name, _ string) error {
	b, err := mapped(name)
	if err != nil {
		return err
	}
	return measured(func() error {
		_ = sha256.Sum256(b)
		return nil
	})
}

func decodeFile(name, _ string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	img, err := diskimage.Open(f, diskimage.Options{Name: name})
	if err != nil {
		return err
	}
	defer img.Close()
	return measured(func() (err error) {
		for buf := directio.Buffer(4 << 20); err == nil; {
			var p diskimage.Piece
			p, err = img.Next(buf)
			p.Release()
		}
		return err
	})
}

// writeDisk writes what of a raw image is not zero, three requests of 4 MiB at a time, and syncs.
func writeDisk(name, path string) error {
	img, err := mapped(name)
	if err != nil {
		return err
	}
	to, err := disk.System().Open(path)
	if err != nil {
		return err
	}
	defer to.Close()
	return measured(func() error { return writeAll(img, to) })
}

func writeAll(img []byte, to *disk.Target) error {
	const step, granule = 4 << 20, 64 << 10
	var next atomic.Int64
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			for {
				off := next.Add(step) - step
				if off >= int64(len(img)) {
					return nil
				}
				if err := writeRuns(to, img[off:min(off+step, int64(len(img)))], off, granule); err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return to.Sync()
}

func writeRuns(to *disk.Target, p []byte, off int64, granule int) error {
	for at := 0; at < len(p); {
		end := min(at+granule, len(p))
		zero := disk.IsZero(p[at:end])
		for end < len(p) && disk.IsZero(p[end:min(end+granule, len(p))]) == zero {
			end = min(end+granule, len(p))
		}
		var err error
		if zero {
			err = to.Zero(context.Background(), off+int64(at), int64(end-at))
		} else {
			_, err = to.WriteAt(p[at:end], off+int64(at))
		}
		if err != nil {
			return err
		}
		at = end
	}
	return nil
}

func mapped(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
}
