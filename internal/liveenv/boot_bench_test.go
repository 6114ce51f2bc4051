package liveenv

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
)

// BenchmarkBoot measures, side by side in one run, the time from the kernel's first line to the
// first request of the live environment at the server, and to the line of an init that does
// nothing else. Limits: under 5 s and at most 2.5 times.
//
//	go test -run '^$' -bench Boot -benchtime 5x ./internal/liveenv
func BenchmarkBoot(b *testing.B) {
	need(b, "qemu-system-x86_64", "qemu-system-x86")
	live := initOf(b, "probe")
	direct := vm{kernel: live.Kernel, initrd: onelineInitrd(b), args: userNIC()}
	h := newHost(b)
	full := vm{kernel: live.Kernel, initrd: live.Initrd, args: userNIC(), append: h.arg() + " bty.mac=" + vmMAC}
	var one, all, ratio []time.Duration
	for b.Loop() {
		o := direct.since(b, func(line string) bool { return strings.Contains(line, "oneline: here") })
		a := full.sinceRequest(b, h)
		one, all, ratio = append(one, o), append(all, a), append(ratio, a*1000/o)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(one).Seconds(), "direct-s")
	b.ReportMetric(median(all).Seconds(), "live-s")
	b.ReportMetric(float64(median(ratio))/1000, "ratio")
	b.ReportMetric(float64(live.InitrdSize)/(1<<20), "initrd-MiB")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// kernelStarts is in the first line of a kernel.
const kernelStarts = "] Linux version "

// since measures from the kernel's first line to another.
func (v vm) since(b *testing.B, isLast func(string) bool) time.Duration {
	var first, last time.Time
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	console := v.run(ctx, b, func(line string) {
		switch {
		case first.IsZero() && strings.Contains(line, kernelStarts):
			first = time.Now()
		case last.IsZero() && isLast(line):
			last = time.Now()
		}
	})
	if first.IsZero() || last.IsZero() {
		b.Fatalf("the console lacks a line\n%s", tail(console))
	}
	return last.Sub(first)
}

// sinceRequest measures from the kernel's first line to the first request at the server.
func (v vm) sinceRequest(b *testing.B, h *host) time.Duration {
	before := len(h.asked())
	var first time.Time
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	console := v.run(ctx, b, func(line string) {
		if first.IsZero() && strings.Contains(line, kernelStarts) {
			first = time.Now()
		}
	})
	asked := h.asked()[before:]
	if first.IsZero() || len(asked) == 0 {
		b.Fatalf("no request\n%s", tail(console))
	}
	return asked[0].at.Sub(first)
}

// onelineInitrd holds the smallest init and nothing else.
func onelineInitrd(b *testing.B) string {
	bin := filepath.Join(b.TempDir(), "init")
	command(b, ".", []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./testdata/oneline")
	program, err := os.ReadFile(bin)
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(bin + ".initrd")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	enc, err := zstd.NewWriter(f)
	if err != nil {
		b.Fatal(err)
	}
	archive := cpio.NewWriter(enc)
	err = archive.WriteHeader(&cpio.Header{Name: "init", Mode: cpio.TypeReg | 0o755, Size: int64(len(program))})
	if err == nil {
		_, err = archive.Write(program)
	}
	for _, end := range []func() error{archive.Close, enc.Close} {
		if err == nil {
			err = end()
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	return f.Name()
}
