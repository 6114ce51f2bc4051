package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/disk"
	"bty/internal/disk/looptest"

	"golang.org/x/sys/unix"
)

// What is wrong before the first write leaves the disk as it was.
func TestNothingIsWritten(t *testing.T) {
	path, file := used(t, 8*mib, looptest.Options{})
	img := picture(9*mib, 1)
	small := picture(2*mib, 1)
	for name, tc := range map[string]struct {
		req  Request
		kind error
		says string
	}{
		"no disk named":     {Request{Source: serve(t, "a.img", small)}, ErrRequest, "name the disk"},
		"two ways of it":    {Request{Source: serve(t, "a.img", small), Serial: "x", Target: path}, ErrRequest, "name the disk"},
		"no such path":      {Request{Source: serve(t, "a.img", small), Target: "/dev/nowhere"}, ErrNoDisk, "/dev/nowhere"},
		"raw too large":     {Request{Source: serve(t, "a.img", img), Target: path}, ErrTooLarge, "needs 9M"},
		"zstd too large":    {Request{Source: serve(t, "a.img.zst", tool(t, img, "zstd", "-1", fmt.Sprintf("--stream-size=%d", len(img)))), Target: path}, ErrTooLarge, "needs 9M"},
		"404":               {Request{Source: notFound(t), Target: path}, ErrOrigin, "404 Not Found"},
		"wrong name":        {Request{Source: serve(t, "a.img.gz", small), Target: path}, ErrImage, `"a.img.gz" says img.gz`},
		"gzip called raw":   {Request{Source: serve(t, "a.img", tool(t, small, "gzip")), Target: path}, ErrImage, "its content is gzip"},
		"qcow2":             {Request{Source: serve(t, "a.qcow2", append([]byte("QFI\xfb"), small...)), Target: path}, ErrImage, "qcow2 of version"},
		"empty":             {Request{Source: serve(t, "a.img", nil), Target: path}, ErrImage, "empty"},
		"empty inside":      {Request{Source: serve(t, "a.img.gz", tool(t, nil, "gzip")), Target: path}, ErrImage, "no data"},
		"damaged early":     {Request{Source: serve(t, "a.img.zst", tool(t, small, "zstd")[:5000]), Target: path}, ErrImage, "truncated"},
		"other size":        {Request{Source: serve(t, "a.img", small), Size: 2*mib + 1, Target: path}, ErrOrigin, "2097153 were declared"},
		"unknown scheme":    {Request{Source: "ftp://host/b:1", Target: path}, ErrOrigin, `scheme "ftp"`},
		"nobody listens":    {Request{Source: "http://127.0.0.1:1/a.img", Target: path, Origin: patient()}, ErrOrigin, "refused"},
		"no such file":      {Request{Source: "/no/such.img", Target: path}, ErrOrigin, "no such file"},
		"image of 4 K disk": {Request{Source: serve(t, "a.img.gz", tool(t, table(t, 40*mib), "gzip", "-1")), Target: path}, ErrTooLarge, "8M"},
	} {
		t.Run(name, func(t *testing.T) {
			e := fails(t, errOf(Run(t.Context(), tc.req, nil)), tc.kind, tc.says)
			untouched(t, file)
			if e.Touched || !strings.Contains(e.Error(), "nothing was written") {
				t.Errorf("touched %v: %v", e.Touched, e)
			}
		})
	}
}

// A server that ends its body by closing the connection cannot be told from a connection that was
// cut: nothing is written, unless a digest was declared and proves the bytes.
func TestOpenEnd(t *testing.T) {
	path, file := used(t, 8*mib, looptest.Options{})
	img := picture(6*mib, 1)
	give := len(img)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.0 200 OK\r\n\r\n")
		conn.Write(img[:give])
	}))
	defer srv.Close()
	req := Request{Source: srv.URL + "/a.img", Target: path}
	fails(t, errOf(Run(t.Context(), req, nil)), ErrOrigin, "no Content-Length")
	untouched(t, file)
	req.Digest = digest(img)
	if _, err := Run(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	holds(t, file, img)
	give -= mib
	fails(t, errOf(Run(t.Context(), req, nil)), ErrDigest, "was declared")
	unbootable(t, file)
}

func notFound(t *testing.T) string {
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	return srv.URL + "/a.img"
}

func errOf(_ Result, err error) error { return err }

// What goes wrong afterwards leaves a disk that does not boot.
func TestUnbootable(t *testing.T) {
	path, file := used(t, 16*mib, looptest.Options{})
	img := picture(16*mib, 1)
	gz := tool(t, img, "gzip", "-1")
	long := tool(t, append(bytes.Clone(img), 1), "gzip", "-1")
	corrupt := bytes.Clone(gz)
	corrupt[len(corrupt)-6] ^= 1 // in the checksum: a bit in the middle may mean the same bytes
	for name, tc := range map[string]struct {
		name   string
		bytes  []byte
		digest catalog.Digest
		kind   error
		says   string
	}{
		"digest":           {"a.img.gz", gz, digest([]byte("x")), ErrDigest, "is " + digest(gz).String()},
		"digest of raw":    {"a.img", img, digest(img[1:]), ErrDigest, "was declared"},
		"truncated":        {"a.img.gz", gz[:len(gz)-5], catalog.Digest{}, ErrImage, "truncated"},
		"truncated by far": {"a.img.gz", gz[:len(gz)/2], catalog.Digest{}, ErrImage, "truncated"},
		"corrupt":          {"a.img.gz", corrupt, digest(corrupt), ErrImage, "damaged"},
		"garbage behind":   {"a.img.gz", append(bytes.Clone(gz), "garbage garbage"...), catalog.Digest{}, ErrImage, "damaged"},
		"a byte too large": {"a.img.gz", long, catalog.Digest{}, ErrTooLarge, "16777217"},
	} {
		t.Run(name, func(t *testing.T) {
			refill(t, file)
			e := fails(t, errOf(Run(t.Context(), Request{Source: serve(t, tc.name, tc.bytes), Digest: tc.digest, Target: path}, nil)), tc.kind, tc.says)
			unbootable(t, file)
			if !e.Touched || !strings.Contains(e.Error(), "will not boot") {
				t.Errorf("touched %v: %v", e.Touched, e)
			}
		})
	}
}

func TestBusyDisks(t *testing.T) {
	source := serve(t, "a.img", picture(mib, 1))
	path, file := looptest.New(t, 16*mib, looptest.Options{})
	tool(t, nil, "mke2fs", "-q", "-t", "ext4", path)
	point := t.TempDir()
	if err := unix.Mount(path, point, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(point, unix.MNT_DETACH)
	before, _ := os.ReadFile(file)
	fails(t, errOf(Run(t.Context(), Request{Source: source, Target: path}, nil)), ErrDiskBusy, "mounted on "+point)
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("a mounted disk was written")
	}

	held, file := used(t, 8*mib, looptest.Options{})
	d, err := disk.System().Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	fails(t, errOf(Run(t.Context(), Request{Source: source, Target: held}, nil)), ErrDiskBusy, "held by another program")
	untouched(t, file)

	ro, _ := looptest.New(t, 8*mib, looptest.Options{ReadOnly: true})
	fails(t, errOf(Run(t.Context(), Request{Source: source, Target: ro}, nil)), ErrDiskBusy, "read-only")
}

// The serial number decides; the tree describes disks of which only loop devices can be opened.
func TestSerial(t *testing.T) {
	path, file := used(t, 8*mib, looptest.Options{})
	img := picture(6*mib, 1)
	source := serve(t, "a.img", img)
	root := t.TempDir()
	os.Mkdir(filepath.Join(root, "block"), 0o755)
	add := func(name, serial string) {
		for attr, v := range map[string]string{"size": "16384\n", "serial": serial, "dev": "1:1"} {
			p := filepath.Join(root, "block", name, attr)
			os.MkdirAll(filepath.Dir(p), 0o755)
			if err := os.WriteFile(p, []byte(v), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The loop device's number leads to the disk of the tree that it stands for.
	behind := func(name string) {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		number := filepath.Join(root, "dev/block", fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)))
		os.MkdirAll(filepath.Dir(number), 0o755)
		os.Remove(number)
		if err := os.Symlink(filepath.Join(root, "block", name), number); err != nil {
			t.Fatal(err)
		}
	}
	dev := t.TempDir()
	host := &disk.Host{Sys: root, Proc: "/proc", Dev: dev, Udev: "/nowhere"}
	add("vda", "ONE")
	add("vdb", "TWO\n")
	add("vdc", "TWO")
	add("vdd", "")
	if err := os.Symlink(path, filepath.Join(dev, "vda")); err != nil {
		t.Fatal(err)
	}
	for serial, says := range map[string]string{"THREE": "no disk has the serial number", "TWO": "2 disks have the serial number", " ": "no serial number was given", "one": "no disk has"} {
		fails(t, errOf(Run(t.Context(), Request{Source: source, Serial: serial, Host: host}, nil)), ErrNoDisk, says)
	}
	behind("vdb") // hot-plugged in between: the path is another disk by now
	fails(t, errOf(Run(t.Context(), Request{Source: source, Serial: "ONE", Host: host}, nil)), ErrNoDisk, "became another disk")
	untouched(t, file)
	behind("vda")
	shown, err := host.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, other := range map[string]func(*disk.Device){
		"path": func(d *disk.Device) { d.Path += "1" }, "serial": func(d *disk.Device) { d.Serial = "TWO" },
		"size": func(d *disk.Device) { d.Size++ }, "model": func(d *disk.Device) { d.Model = "X" }, "wwn": func(d *disk.Device) { d.WWN = "0x1" },
	} {
		was := shown
		other(&was)
		for _, req := range []Request{{Serial: "ONE"}, {Target: path}} {
			req.Source, req.Host, req.Shown = source, host, was
			if e := fails(t, errOf(Run(t.Context(), req, nil)), ErrNoDisk, "now there is another disk"); e.Touched {
				t.Errorf("another %s: %v", what, e)
			}
		}
	}
	untouched(t, file)
	if _, err := Run(t.Context(), Request{Source: source, Target: path, Shown: shown, Host: host}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Request{Source: source, Serial: "ONE", Shown: shown, Host: host}, nil); err != nil {
		t.Fatal(err)
	}
	holds(t, file, img)
}

// A disk that stops taking writes: a loop device over a file system that is full.
func TestWriteError(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	path, file := looptest.New(t, 64*mib, looptest.Options{File: filepath.Join(dir, "disk")})
	img := make([]byte, 60*mib)
	for i := range img {
		img[i] = byte(i >> 12)
	}
	e := fails(t, errOf(Run(t.Context(), Request{Source: serve(t, "a.img", img), Target: path}, nil)), ErrWrite, path)
	if !e.Touched || errors.Is(e, context.Canceled) {
		t.Errorf("%v", e)
	}
	head := make([]byte, headSize)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(head, 0); err != nil || len(bytes.Trim(head, "\x00")) > 0 {
		t.Errorf("the disk's beginning is not wiped (%v)", err)
	}
}

func TestCancel(t *testing.T) {
	path, file := used(t, 64*mib, looptest.Options{})
	img := picture(64*mib, 1)
	for _, at := range []int64{0, 5 * mib, 30 * mib} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			refill(t, file)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(img)))
				w.Write(img[:at])
				http.NewResponseController(w).Flush()
				if at == 0 {
					time.AfterFunc(50*time.Millisecond, cancel)
				}
				<-r.Context().Done()
			}))
			defer srv.Close()
			all := func(p Progress) { // all that the server gives is there, and then what it takes to write it
				if at > 0 && p.Bytes == at {
					time.AfterFunc(200*time.Millisecond, cancel)
				}
			}
			e := fails(t, errOf(Run(ctx, Request{Source: srv.URL + "/a.img", Target: path}, all)), ErrCancelled, "cancelled")
			if at < headSize {
				untouched(t, file)
			} else {
				unbootable(t, file)
			}
			if e.Touched != (at >= headSize) {
				t.Errorf("touched: %v", e.Touched)
			}
			d, err := disk.System().Open(path)
			if err != nil {
				t.Fatalf("the disk is not free afterwards: %v", err)
			}
			d.Close()
		})
	}
}

// The origin breaks in all the ways it can; the disk gets each byte once and in its place.
func TestBrokenOrigin(t *testing.T) {
	img := picture(24*mib, 9)
	zst := tool(t, img, "zstd", "-1")
	for name, broken := range map[string]func(w http.ResponseWriter, r *http.Request, n int64){
		"close": func(w http.ResponseWriter, _ *http.Request, _ int64) { hijack(w, false) },
		"reset": func(w http.ResponseWriter, _ *http.Request, _ int64) { hijack(w, true) },
		"stall": func(_ http.ResponseWriter, r *http.Request, _ int64) { <-r.Context().Done() },
	} {
		for format, bytes := range map[string][]byte{"a.img": img, "a.img.zst": zst} {
			t.Run(name+" "+format, func(t *testing.T) {
				t.Parallel()
				path, file := used(t, 24*mib, looptest.Options{})
				var asks atomic.Int64
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					n := asks.Add(1)
					if n > 5 {
						serveBytes(w, r, format, bytes)
						return
					}
					lw := &limited{ResponseWriter: w, left: len(bytes)/7 + int(n)}
					serveBytes(lw, r, format, bytes)
					http.NewResponseController(w).Flush()
					broken(w, r, n)
				}))
				defer srv.Close()
				res, err := Run(t.Context(), Request{Source: srv.URL + "/" + format, Digest: digest(bytes), Size: int64(len(bytes)), Target: path, Origin: patient()}, nil)
				if err != nil {
					t.Fatal(err)
				}
				holds(t, file, img)
				if res.Retries != 5 {
					t.Errorf("%d retries", res.Retries)
				}
			})
		}
	}
}

func TestImageChangesUnderway(t *testing.T) {
	img := picture(12*mib, 9)
	path, file := used(t, 16*mib, looptest.Options{})
	var asks atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asks.Add(1) > 1 {
			w.Header().Set("ETag", `"v2"`)
			http.ServeContent(w, r, "a.img", time.Time{}, bytes.NewReader(img))
			return
		}
		serveBytes(&limited{ResponseWriter: w, left: 9 * mib}, r, "a.img", img)
		http.NewResponseController(w).Flush()
		hijack(w, true)
	}))
	defer srv.Close()
	fails(t, errOf(Run(t.Context(), Request{Source: srv.URL + "/a.img", Target: path, Origin: patient()}, nil)), ErrOrigin, "the image changed while it was being read")
	unbootable(t, file)
}

func serveBytes(w http.ResponseWriter, r *http.Request, name string, b []byte) {
	w.Header().Set("ETag", `"v1"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
}

// limited swallows a body behind its first bytes.
type limited struct {
	http.ResponseWriter
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.ResponseWriter.Write(p[:n]); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, errors.New("enough")
	}
	return n, nil
}

func hijack(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if reset {
		conn.(*net.TCPConn).SetLinger(0)
	}
	conn.Close()
}
