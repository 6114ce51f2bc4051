package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/client/peer"
	"bty/internal/disk"
	"bty/internal/disk/looptest"
	"bty/internal/flash"
	"bty/internal/wire"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const mib = 1 << 20

// image is a disk image that nothing compresses away and no part of which is like another.
func image(size int) []byte {
	data := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	clear(data[size/2 : size/2+size/4]) // a hole, as real images have
	return data
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// serve publishes one file under any name.
func serve(t *testing.T, data []byte) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		http.ServeContent(rw, req, "", time.Unix(1, 0), bytes.NewReader(data))
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// loopDisk is a real block device that stands in for a disk with a serial number.
func loopDisk(t *testing.T, size int64, serial string) (disk.Device, string) {
	t.Helper()
	path, file := looptest.New(t, size, looptest.Options{})
	d, err := disk.System().Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	d.Serial, d.Model = serial, "Loop"
	return d, file
}

// flashOn is the real flasher on a machine with these disks. Loop devices are no disks, and have
// no serial number: a sysfs of the test's own says otherwise.
func flashOn(disks []disk.Device) func(context.Context, flash.Request, func(flash.Progress)) (flash.Result, error) {
	return func(ctx context.Context, req flash.Request, report func(flash.Progress)) (flash.Result, error) {
		root, err := os.MkdirTemp("", "bty-sysfs-")
		if err != nil {
			return flash.Result{}, err
		}
		defer os.RemoveAll(root)
		host := disk.Host{Sys: root, Proc: "/proc", Dev: filepath.Join(root, "nodes"), Udev: "/nowhere"}
		for _, d := range disks {
			if err := addDisk(host, d); err != nil {
				return flash.Result{}, err
			}
		}
		req.Host = &host
		return flash.Run(ctx, req, report)
	}
}

func addDisk(host disk.Host, d disk.Device) error {
	var st unix.Stat_t
	if err := unix.Stat(d.Path, &st); err != nil {
		return err
	}
	name := "x" + filepath.Base(d.Path)
	dir := filepath.Join(host.Sys, "block", name)
	numbers := filepath.Join(host.Sys, "dev/block")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "device"), 0o755), os.MkdirAll(numbers, 0o755), os.MkdirAll(host.Dev, 0o755)); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "size"), fmt.Append(nil, d.Size/512), 0o600),
		os.WriteFile(filepath.Join(dir, "serial"), []byte(d.Serial), 0o600),
		os.WriteFile(filepath.Join(dir, "device/model"), []byte(d.Model), 0o600),
		os.Symlink(dir, filepath.Join(numbers, fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)))),
		os.Symlink(d.Path, filepath.Join(host.Dev, name)),
	)
}

func wantOnDisk(t *testing.T, file string, image []byte) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[:len(image)], image) {
		t.Fatal("the disk does not hold the image")
	}
}

// The whole of a server-driven flash: real HTTP, a real block device, every format's path.
func TestServerDrivenFlash(t *testing.T) {
	data := image(6 * mib)
	for format, published := range map[string][]byte{"img": data, "img.gz": gzipped(t, data), "img.zst": zstded(t, data)} {
		target, file := loopDisk(t, 8*mib, "S-1")
		web := &peer.Web{Plan: wire.Plan{
			Mode: "flash", Image: serve(t, published) + "/b/token/a%20name%20without%20extension", Name: "an image, rolling",
			TargetDiskSerial: "S-1", Format: format, DiskImageSHA: hexSum(published), SizeBytes: int64(len(published)),
		}}
		s := newStage(target)
		s.cmdline = "bty.mac=52:54:00:12:34:56"
		if err := s.run(t.Context(), "--server", web.Start(t), "--mac", "52-54-00-12-34-56"); err != nil {
			t.Fatalf("%s: %v\n%s", format, err, s.err)
		}
		wantOnDisk(t, file, data)
		if got := web.Statuses(); len(got) != 1 || got[0] != (wire.Status{Status: "done"}) || s.reboots != 1 {
			t.Errorf("%s: %+v, %d reboots", format, got, s.reboots)
		}
		for _, line := range []string{"bty: auto-flash starting\n", "bty: write 25%\n", "bty: flash complete; rebooting\n", "bty: exiting v"} {
			if !strings.Contains(s.err.String(), line) {
				t.Errorf("%s: the console lacks %q:\n%s", format, line, s.err)
			}
		}
		if len(web.Requests("progress")) < 3 {
			t.Errorf("%s: %d progress reports", format, len(web.Requests("progress")))
		}
	}
}

// A digest mismatch is seen before the disk could boot, and reported with both digests.
func TestServerDrivenMismatch(t *testing.T) {
	data := image(2 * mib)
	target, file := loopDisk(t, 4*mib, "S-1")
	web := &peer.Web{Plan: wire.Plan{Mode: "flash", Image: serve(t, data) + "/i.img", TargetDiskSerial: "S-1", DiskImageSHA: strings.Repeat("ab", 32)}}
	s := newStage(target)
	err := s.run(t.Context(), "--server", web.Start(t), "--mac", "52-54-00-12-34-56", "--reboot")
	if codeOf(err) != codeMismatch || s.reboots != 0 {
		t.Fatalf("%v, %d reboots", err, s.reboots)
	}
	got := web.Statuses()
	if len(got) != 1 || got[0].Status != "failed" || !strings.Contains(got[0].Reason, hexSum(data)) {
		t.Errorf("%+v", got)
	}
	raw, err := os.ReadFile(file)
	if err != nil || len(bytes.Trim(raw[:512], "\x00")) != 0 {
		t.Errorf("the disk could boot: %v", err)
	}
}

func resultOf(t *testing.T, s *stage) flashResult {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(s.out.String()), "\n")
	for i, line := range lines {
		var event struct{ Event string }
		if err := json.Unmarshal([]byte(line), &event); err != nil || (event.Event == "result") != (i == len(lines)-1) {
			t.Fatalf("line %d of %s: %v", i, s.out, err)
		}
	}
	var r flashResult
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFlashByHand(t *testing.T) {
	data := image(3 * mib)
	target, file := loopDisk(t, 4*mib, "S-1")
	path := filepath.Join(t.TempDir(), "i.img.gz")
	published := gzipped(t, data)
	if err := os.WriteFile(path, published, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStage(target)
	if err := s.run(t.Context(), "flash", "--image", path, "--disk", target.Path, "--sha256", hexSum(published), "--verify", "--yes", "--json"); err != nil {
		t.Fatal(err)
	}
	wantOnDisk(t, file, data)
	r := resultOf(t, s)
	if !r.OK || r.Status != 0 || r.Name != "done" || r.Partial || r.Format != "img.gz" || r.BytesRead != int64(len(published)) ||
		r.BytesWritten != 3*mib || r.SHA256 != hexSum(published) || !r.Verified || !r.ReadBack || r.Disk.Path != target.Path {
		t.Fatalf("%+v", r)
	}
	if s.reboots != 0 {
		t.Error("rebooted")
	}
}

func TestFlashForPeople(t *testing.T) {
	data := image(1 * mib)
	target, file := loopDisk(t, 2*mib, "S-1")
	s := newStage(target)
	s.terminal, s.stdin = true, strings.NewReader("yes\n")
	if err := s.run(t.Context(), "flash", "--image", serve(t, data)+"/i.img?token=hidden", "--disk", "S-1"); err != nil {
		t.Fatal(err)
	}
	wantOnDisk(t, file, data)
	if !strings.Contains(s.err.String(), "1.0 MiB written") || strings.Contains(s.err.String(), "hidden") {
		t.Errorf("%s", s.err)
	}
}

// A server that is not ready yet is asked again, and a person sees why nothing happens.
func TestFlashSaysThatItTriesAgain(t *testing.T) {
	data := image(1 * mib)
	target, file := loopDisk(t, 2*mib, "S-1")
	var asks atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if asks.Add(1) == 1 {
			http.Error(rw, "not yet", http.StatusServiceUnavailable)
			return
		}
		http.ServeContent(rw, req, "", time.Unix(1, 0), bytes.NewReader(data))
	}))
	t.Cleanup(web.Close)
	s := newStage(target)
	if err := s.run(t.Context(), "flash", "--image", web.URL+"/i.img", "--disk", "S-1", "--yes"); err != nil {
		t.Fatal(err)
	}
	wantOnDisk(t, file, data)
	if !strings.Contains(s.err.String(), "trying again") || !strings.Contains(s.err.String(), "503") {
		t.Errorf("%s", s.err)
	}
}

func TestFlashFromStandardInput(t *testing.T) {
	data := image(1 * mib)
	target, file := loopDisk(t, 2*mib, "S-1")
	feed, err := os.Open(writeFile(t, data))
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	s := newStage(target)
	s.stdin = feed
	if err := s.run(t.Context(), "flash", "--image", "-", "--format", "img", "--disk", "S-1", "--yes"); err != nil {
		t.Fatal(err)
	}
	wantOnDisk(t, file, data)
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "i.img")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each failure has its status, in the result as well, and says what became of the disk.
func TestFlashStatuses(t *testing.T) {
	data := image(2 * mib)
	good := writeFile(t, data)
	web := serve(t, data)
	missing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(missing.Close)
	for name, tc := range map[string]struct {
		args    []string
		size    int64
		hold    bool
		want    code
		partial bool
	}{
		"no such file":   {args: []string{"--image", "/nonexistent/i.img"}, want: codeImage},
		"not found":      {args: []string{"--image", missing.URL + "/i.img"}, want: codeImage},
		"not an archive": {args: []string{"--image", web + "/download", "--format", "img.gz"}, want: codeImage},
		"bad scheme":     {args: []string{"--image", "ftp://h/i.img"}, want: codeImage},
		"digest":         {args: []string{"--image", web + "/i.img", "--sha256", strings.Repeat("0", 63) + "1"}, want: codeMismatch, partial: true},
		"too large":      {args: []string{"--image", good}, size: mib, want: codeWrite},
		"busy":           {args: []string{"--image", good}, hold: true, want: codeInUse},
	} {
		size := tc.size
		if size == 0 {
			size = 4 * mib
		}
		target, _ := loopDisk(t, size, "S-1")
		if tc.hold {
			fd, err := unix.Open(target.Path, unix.O_RDONLY|unix.O_EXCL, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
		}
		s := newStage(target)
		err := s.run(t.Context(), append(append([]string{"flash"}, tc.args...), "--disk", "S-1", "--yes", "--json")...)
		r := resultOf(t, s)
		if codeOf(err) != tc.want || r.Status != tc.want || r.OK || r.Error == "" || r.Partial != tc.partial {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
	s := newStage()
	for _, named := range []string{"S-9", "/dev/nonexistent", "/dev/null", good} {
		if err := s.run(t.Context(), "flash", "--image", good, "--disk", named, "--yes"); codeOf(err) != codeNoDisk {
			t.Errorf("%s: %v", named, err)
		}
	}
}

// Ctrl-C in the middle of a write ends it in good order and says that the disk is partial.
func TestCtrlCInTheMiddle(t *testing.T) {
	data := image(8 * mib)
	ctx, cancel := context.WithCancel(t.Context())
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Content-Length", "8388608")
		_, _ = rw.Write(data[:6*mib])
		rw.(http.Flusher).Flush()
		<-req.Context().Done()
	}))
	t.Cleanup(web.Close)
	target, file := loopDisk(t, 16*mib, "S-1")
	if err := os.WriteFile(file, data, 0o600); err != nil { // what was on it before
		t.Fatal(err)
	}
	if err := os.Truncate(file, 16*mib); err != nil {
		t.Fatal(err)
	}
	s := newStage(target)
	inner := s.flash
	s.flash = func(ctx context.Context, req flash.Request, report func(flash.Progress)) (flash.Result, error) {
		return inner(ctx, req, func(p flash.Progress) {
			report(p)
			if p.Stage == "write" && p.Bytes >= 4*mib {
				cancel()
			}
		})
	}
	err := s.run(ctx, "flash", "--image", web.URL+"/i.img", "--disk", "S-1", "--yes", "--json")
	r := resultOf(t, s)
	if codeOf(err) != codeCancelled || r.Status != codeCancelled || !r.Partial || !strings.Contains(complaint(err), "will not boot") {
		t.Fatalf("%v, %+v", err, r)
	}
	raw, err := os.ReadFile(file)
	if err != nil || len(bytes.Trim(raw[:512], "\x00")) != 0 {
		t.Errorf("the disk could boot: %v", err)
	}
}

// While a person thinks, a disk may be unplugged and another one may get its name.
func TestDiskChangesWhileAsking(t *testing.T) {
	target, file := loopDisk(t, 2*mib, "S-1")
	other := target
	other.Serial = "S-2"
	for _, named := range []string{target.Path, "S-1"} {
		s := newStage(target)
		s.terminal, s.stdin = true, strings.NewReader("yes\n")
		s.flash = flashOn([]disk.Device{other})
		err := s.run(t.Context(), "flash", "--image", writeFile(t, image(mib)), "--disk", named)
		if codeOf(err) != codeNoDisk || !strings.Contains(err.Error(), "S-2") || !strings.Contains(err.Error(), "nothing was written") {
			t.Errorf("%s: %v", named, err)
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil || len(bytes.Trim(raw, "\x00")) != 0 {
		t.Errorf("written: %v", err)
	}
}

func TestContents(t *testing.T) {
	target, _ := loopDisk(t, 2*mib, "S-1")
	if got := contents(target); !strings.HasPrefix(got, "nothing") {
		t.Errorf("empty disk: %q", got)
	}
	if got := contents(disk.Device{Path: "/nonexistent"}); got != "unreadable" {
		t.Errorf("%q", got)
	}
}
