package main

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestBootFiles(t *testing.T) {
	a := start(t, nil)
	a.file("a.bin", []byte("0123456789"))
	whole := a.anonymous("GET", "/boot/a.bin", nil).is(t, 200)
	if whole.body != "0123456789" {
		t.Error(whole.body)
	}
	for key, want := range map[string]string{"Content-Length": "10", "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", "Content-Disposition": `attachment; filename="a.bin"`} {
		if got := whole.Header.Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	etag, modified := whole.Header.Get("ETag"), whole.Header.Get("Last-Modified")
	if !strings.HasPrefix(etag, `"`) || modified == "" {
		t.Errorf("ETag %s, Last-Modified %s", etag, modified)
	}
	head := a.anonymous("HEAD", "/boot/a.bin", nil).is(t, 200)
	for _, key := range []string{"Content-Length", "Accept-Ranges", "Content-Type", "Content-Disposition", "ETag", "Last-Modified"} {
		if head.Header.Get(key) != whole.Header.Get(key) {
			t.Errorf("HEAD has %s: %q, GET %q", key, head.Header.Get(key), whole.Header.Get(key))
		}
	}
	tests := []struct {
		name   string
		header []string
		status int
		body   string
		extent string
	}{
		{"first bytes", []string{"Range", "bytes=0-3"}, 206, "0123", "bytes 0-3/10"},
		{"to the end", []string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{"last bytes", []string{"Range", "bytes=-2"}, 206, "89", "bytes 8-9/10"},
		{"beyond the end", []string{"Range", "bytes=8-100"}, 206, "89", "bytes 8-9/10"},
		{"outside", []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		{"nonsense", []string{"Range", "bytes=x-y"}, 416, "", ""},
		{"If-Range holds", []string{"Range", "bytes=1-1", "If-Range", etag}, 206, "1", "bytes 1-1/10"},
		{"If-Range by date", []string{"Range", "bytes=1-1", "If-Range", modified}, 206, "1", "bytes 1-1/10"},
		{"If-Range of another file", []string{"Range", "bytes=1-1", "If-Range", `"other"`}, 200, "0123456789", ""},
		{"If-None-Match is ignored", []string{"If-None-Match", etag}, 200, "0123456789", ""},
		{"If-Modified-Since is ignored", []string{"If-Modified-Since", modified}, 200, "0123456789", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := a.anonymous("GET", "/boot/a.bin", nil, test.header...).is(t, test.status)
			if test.status != 416 && r.body != test.body || r.Header.Get("Content-Range") != test.extent {
				t.Errorf("%q, Content-Range %q", r.body, r.Header.Get("Content-Range"))
			}
		})
	}
	several := a.anonymous("GET", "/boot/a.bin", nil, "Range", "bytes=0-1,5-6").is(t, 206)
	if got := parts(t, several); !slices.Equal(got, []string{"bytes 0-1/10:01", "bytes 5-6/10:56"}) {
		t.Errorf("%v", got)
	}
	a.anonymous("HEAD", "/boot/a.bin", nil, "Range", "bytes=0-3").is(t, 206)
	a.anonymous("GET", "/boot/a.bin?mac="+mac1, nil).is(t, 200, "0123456789")
	a.anonymous("GET", "/boot/none.bin", nil).is(t, 404, `{"detail":"no such file: none.bin"}`)
	a.anonymous("HEAD", "/boot/none.bin", nil).is(t, 404)
}

// parts are the ranges of a multipart answer.
func parts(t *testing.T, r reply) (list []string) {
	t.Helper()
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/byteranges" {
		t.Fatalf("%s %v", media, err)
	}
	reader := multipart.NewReader(strings.NewReader(r.body), params["boundary"])
	for {
		part, err := reader.NextPart()
		if err != nil {
			return list
		}
		content, _ := io.ReadAll(part)
		list = append(list, part.Header.Get("Content-Range")+":"+string(content))
	}
}

func TestBootNames(t *testing.T) {
	a := start(t, nil)
	root := filepath.Dir(a.state)
	if err := os.WriteFile(filepath.Join(root, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	boot := filepath.Join(a.state, "boot")
	for link, to := range map[string]string{"out": filepath.Join(root, "secret"), "up": "../../secret", "inside": "a.bin", "loop": "loop", "dangling": "nothing", "dirlink": ".."} {
		if err := os.Symlink(to, filepath.Join(boot, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(boot, "folder", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(boot, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	a.file("a.bin", []byte("content"))
	a.file("with space+%.bin", []byte("odd"))
	tests := []struct {
		path   string
		status int
		says   string
	}{
		{"/boot/%2e%2e", 400, "must be a bare filename"},
		{"/boot/%2e", 400, "must be a bare filename"},
		{"/boot/..%5csecret", 400, "must be a bare filename"},
		{"/boot/a%00b", 400, "must be a bare filename"},
		{"/boot/%2e%2e%2fsecret", 404, "Not Found"},
		{"/boot/..%2f..%2fsecret", 404, "Not Found"},
		{"/boot/%2fetc%2fpasswd", 404, "Not Found"},
		{"/boot/folder/sub", 404, "Not Found"},
		{"/boot/folder", 404, "no such file"},
		{"/boot/fifo", 404, "no such file"},
		{"/boot/dangling", 404, "no such file"},
		{"/boot/loop", 404, "no such file"},
		{"/boot/out", 400, "resolves outside the allowed directory"},
		{"/boot/up", 400, "resolves outside the allowed directory"},
		{"/boot/dirlink", 400, "resolves outside the allowed directory"},
		{"/boot/inside", 200, "content"},
		{"/boot/with%20space+%25.bin", 200, "odd"},
		{"/boot/" + strings.Repeat("x", 300), 404, "no such file"},
		{"/boot/" + strings.Repeat("x", 5000), 400, ""},
	}
	for _, test := range tests {
		for _, method := range []string{"GET", "HEAD"} {
			r := a.anonymous(method, test.path, nil).is(t, test.status)
			if method == "GET" {
				r.is(t, test.status, test.says)
			}
			if strings.Contains(r.body, "secret") && !strings.Contains(test.path, "secret") {
				t.Errorf("%s: %s", test.path, r.body)
			}
		}
	}
	a.alive()
}

func TestBootPrograms(t *testing.T) {
	a := start(t, nil)
	a.file("ipxe.efi", bytes.Repeat([]byte("MZ"), 500))
	for _, method := range []string{"GET", "HEAD"} {
		r := a.anonymous(method, "/boot/ipxe.efi", nil, "User-Agent", "UefiHttpBoot/1.0").is(t, 200)
		if r.ContentLength != 1000 || strings.HasPrefix(r.Header.Get("Content-Type"), "text/") {
			t.Errorf("%s: %v", method, r.Header)
		}
	}
	for _, path := range []string{"/boot/autoexec.ipxe", "/boot/ipxe.efi", "/boot/snponly.efi", "/boot/undionly.kpxe"} {
		r := a.anonymous("GET", path, nil, "User-Agent", "iPXE/1.21.1+ (g1234)", "Host", "10.0.0.1:8080").is(t, 200, "#!ipxe", "http://10.0.0.1:8080/pxe-bootstrap.ipxe")
		if r.Header.Get("Content-Type") != "text/plain; charset=utf-8" || r.ContentLength <= 0 {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
	a.anonymous("GET", "/boot/autoexec.ipxe", nil).is(t, 200, "#!ipxe")
	a.file("bty-live-x86_64.initrd", []byte("initrd"))
	a.anonymous("GET", "/boot/bty-live-x86_64.initrd", nil, "User-Agent", "iPXE/1.21.1").is(t, 200, "initrd")
}

func TestUpload(t *testing.T) {
	a := start(t, map[string]string{"BTY_TUNING_MAX_UPLOAD_BYTES": "1000"})
	r := a.do("PUT", "/boot/new.bin", "content").is(t, 200)
	if r.body != fmt.Sprintf(`{"name":"new.bin","size_bytes":7,"path":%q}`, filepath.Join(a.state, "boot", "new.bin")) {
		t.Error(r.body)
	}
	a.do("PUT", "/boot/new.bin", "other").is(t, 200)
	a.anonymous("GET", "/boot/new.bin", nil).is(t, 200, "other")
	a.do("PUT", "/boot/empty.bin", nil).is(t, 200, `"size_bytes":0`)
	a.anonymous("PUT", "/boot/anon.bin", "content").is(t, 401)
	over := strings.Repeat("x", 1001)
	a.do("PUT", "/boot/large.bin", over).is(t, 413, "upload exceeded 1000 bytes (BTY_TUNING_MAX_UPLOAD_BYTES). Aborted at ")
	a.do("PUT", "/boot/large.bin", io.MultiReader(strings.NewReader(over))).is(t, 413, "upload exceeded 1000 bytes (BTY_TUNING_MAX_UPLOAD_BYTES). Aborted at 1000 bytes.") // chunked
	a.do("PUT", "/boot/new.bin", io.MultiReader(strings.NewReader(over))).is(t, 413)
	a.anonymous("GET", "/boot/new.bin", nil).is(t, 200, "other") // what was there stays
	a.do("PUT", "/boot/exact.bin", over[:1000]).is(t, 200)
	for path, status := range map[string]int{"/boot/%2e%2e": 400, "/boot/a%2fb": 404, "/boot/a%5cb": 400, "/boot/a%00": 400, "/boot/" + strings.Repeat("x", 256): 400} {
		a.do("PUT", path, "content").is(t, status)
	}
	if err := os.Mkdir(filepath.Join(a.state, "boot", "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	a.do("PUT", "/boot/folder", "content").is(t, 409, "folder")
	if err := os.Symlink("/etc/hostname", filepath.Join(a.state, "boot", "link")); err != nil {
		t.Fatal(err)
	}
	a.do("PUT", "/boot/link", "content").is(t, 200) // takes the link's place
	if info, err := os.Lstat(filepath.Join(a.state, "boot", "link")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v %v", info, err)
	}
	if got := a.boots(); !slices.Equal(got, []string{"empty.bin", "exact.bin", "folder", "link", "new.bin"}) {
		t.Errorf("the boot folder holds %v", got)
	}
	a.alive()
}

// A client that goes away in the middle leaves nothing, and what was there stays.
func TestAbortedUpload(t *testing.T) {
	a := start(t, nil)
	a.do("PUT", "/boot/a.bin", "whole").is(t, 200)
	for range 3 {
		conn, err := net.Dial("tcp", a.host)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /boot/a.bin HTTP/1.1\r\nHost: h\r\nCookie: bty-token=%s\r\nContent-Length: 1000000\r\n\r\n%s", a.cookie, strings.Repeat("x", 100_000))
		a.eventually("a partial file", func() bool { return len(a.boots()) == 2 })
		conn.Close()
		a.eventually("no partial file", func() bool { return len(a.boots()) == 1 })
	}
	a.anonymous("GET", "/boot/a.bin", nil).is(t, 200, "whole")
	a.alive()
}

// eventually waits for what another goroutine brings about.
func (a *appliance) eventually(what string, is func() bool) {
	a.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.Fatalf("never: %s", what)
		}
	}
}

// Two uploads of one name at the same time: one of them wins, whole.
func TestUploadsDoNotMix(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	a.signIn()
	const size = 3 << 20
	var work sync.WaitGroup
	for i := range 6 {
		work.Go(func() {
			body := io.MultiReader(bytes.NewReader(bytes.Repeat([]byte{byte('a' + i)}, size/2)), bytes.NewReader(bytes.Repeat([]byte{byte('a' + i)}, size/2)))
			if r, err := a.try("PUT", "/boot/a.bin", body, nil, a.cookie); err != nil || r.StatusCode != 200 {
				t.Errorf("%v %v", r.body, err)
			}
		})
	}
	work.Wait()
	got := a.anonymous("GET", "/boot/a.bin", nil).is(t, 200).body
	if len(got) != size || strings.Trim(got, got[:1]) != "" {
		t.Errorf("%d bytes, mixed: %t", len(got), strings.Trim(got, got[:1]) != "")
	}
	if boots := a.boots(); len(boots) != 1 {
		t.Errorf("left behind: %v", boots)
	}
}

// What a killed process left of an upload goes at the next start; files of the operator stay.
func TestPartialUploadsOfACrash(t *testing.T) {
	a := start(t, nil)
	a.do("PUT", "/boot/a.bin", "whole").is(t, 200)
	conn, err := net.Dial("tcp", a.host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /boot/b.bin HTTP/1.1\r\nHost: h\r\nCookie: bty-token=%s\r\nContent-Length: 1000\r\n\r\nxxx", a.cookie)
	a.eventually("a partial file", func() bool { return len(a.boots()) == 2 })
	partial := a.boots()[slices.IndexFunc(a.boots(), func(n string) bool { return n != "a.bin" })]
	a.anonymous("GET", "/boot/"+partial, nil).is(t, 404)
	conn.Close()
	a.eventually("no partial file", func() bool { return len(a.boots()) == 1 })
	a.file(partial, []byte("left by a kill"))
	a.file("my.partial", []byte("mine"))
	a.restart()
	if got := a.boots(); !slices.Equal(got, []string{"a.bin", "my.partial"}) {
		t.Errorf("%v", got)
	}
}

func TestUploadOnAFullDisk(t *testing.T) {
	a := prepare(t, nil)
	boot := t.TempDir()
	if err := syscall.Mount("tmpfs", boot, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("mount a small tmpfs: %v; run the tests as root", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(boot, syscall.MNT_DETACH) })
	a.vars["BTY_PATHS_BOOT_DIR"] = boot
	a.begin()
	a.do("PUT", "/boot/a.bin", "whole").is(t, 200)
	a.do("PUT", "/boot/a.bin", strings.Repeat("x", 2<<20)).is(t, http.StatusInsufficientStorage, "full", "a.bin", boot)
	a.anonymous("GET", "/boot/a.bin", nil).is(t, 200, "whole")
	if entries, _ := os.ReadDir(boot); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	a.do("PUT", "/boot/b.bin", strings.Repeat("x", 500<<10)).is(t, 200)
	a.alive()
}

// A boot file is replaced while somebody fetches it: who has begun gets the old one, whole.
func TestReplacedWhileFetched(t *testing.T) {
	a := start(t, nil)
	old := strings.Repeat("o", 8<<20)
	a.do("PUT", "/boot/a.bin", old).is(t, 200)
	resp, err := a.http.Get(a.url + "/boot/a.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	a.do("PUT", "/boot/a.bin", strings.Repeat("n", 8<<20)).is(t, 200)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || string(first)+string(rest) != old {
		t.Errorf("%d bytes: %v", len(rest)+1, err)
	}
}
