package flash

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/disk/looptest"
	"bty/internal/origin"

	"github.com/klauspost/compress/zstd"
)

const mib = 1 << 20

// tool runs a program of the system over in.
func tool(t testing.TB, in []byte, argv ...string) []byte {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s%s (apt-get install zstd gzip xz-utils bzip2 gdisk e2fsprogs)", strings.Join(argv, " "), err, &msg, &out)
	}
	return out.Bytes()
}

// picture makes the bytes of a disk: noise, text and holes of all sizes, a boot signature.
func picture(n int, seed byte) []byte {
	b := make([]byte, n)
	noise := rand.NewChaCha8([32]byte{seed})
	rng := rand.New(noise)
	for at := 0; at < n; {
		end := min(n, at+1+rng.IntN(400_000))
		switch rng.IntN(3) {
		case 0:
			noise.Read(b[at:end])
		case 1:
			copy(b[at:end], bytes.Repeat([]byte("the image is the source of truth\n"), (end-at)/33+1))
		}
		at = end
	}
	if n >= 512 {
		b[0], b[510], b[511] = 0xeb, 0x55, 0xaa
	}
	return b
}

func independent(t testing.TB, in []byte, size int) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for ; len(in) > 0; in = in[min(size, len(in)):] {
		out = enc.EncodeAll(in[:min(size, len(in))], out)
	}
	return out
}

// serve publishes b under name.
func serve(t testing.TB, name string, b []byte) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/" + name
}

func digest(b []byte) catalog.Digest { return sha256.Sum256(b) }

func patient() origin.Options {
	return origin.Options{FirstPause: time.Millisecond, MaxPause: 4 * time.Millisecond, Stall: 200 * time.Millisecond, Attempts: 6}
}

// used makes a loop device full of old content.
func used(t testing.TB, size int64, o looptest.Options) (path, file string) {
	t.Helper()
	path, file = looptest.New(t, size, o)
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, old{}, size); err != nil {
		t.Fatal(err)
	}
	return path, file
}

const oldByte = 0x6f

type old struct{}

func (old) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = oldByte
	}
	return len(p), nil
}

// holds checks that the disk holds want and behind it its old content, but for the wiped ends.
func holds(t *testing.T, file string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	expect := bytes.Repeat([]byte{oldByte}, len(got))
	clear(expect[:min(headSize, len(expect))])
	clear(expect[len(expect)-min(tailSize, len(expect)):])
	copy(expect, want)
	clear(expect[len(want) : (len(want)+511)/512*512])
	if at := differ(got, expect); at >= 0 {
		t.Errorf("the disk differs from byte %d on: %x, want %x", at, got[at:min(at+8, len(got))], expect[at:min(at+8, len(got))])
	}
}

func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

// unbootable checks that the disk's boot record and the ends of it are gone.
func unbootable(t *testing.T, file string) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, tail := got[:min(headSize, len(got))], got[len(got)-min(tailSize, len(got)):]
	if len(bytes.Trim(head, "\x00")) > 0 || len(bytes.Trim(tail, "\x00")) > 0 {
		t.Error("the disk's ends are not wiped")
	}
}

// untouched checks that the disk has its old content.
func untouched(t *testing.T, file string) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(bytes.Trim(got, string(rune(oldByte)))) > 0 {
		t.Error("the disk was written")
	}
}

func fails(t *testing.T, err, want error, says string) *Error {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), says) {
		t.Fatalf("error %v, want %v saying %q", err, want, says)
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != want {
		t.Fatalf("%v is of kind %v, want %v", err, e.Kind, want)
	}
	return e
}
