package fill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/blob"
	"bty/internal/catalog"
	"bty/internal/wire"
)

// begun is a cache folder whose cache has ended while 600000 bytes of an image were there.
func begun(t *testing.T, p *place, src Source) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cfg := quick(t, dir)
	cfg.Origin.Stall = time.Minute
	c, stop := run(t, cfg)
	h := open(t, c, src)
	if n, err := h.CopyTo(t.Context(), io.Discard, 0, 600000-tail); err != nil {
		t.Fatal(n, err)
	}
	stop()
	if _, err := h.CopyTo(t.Context(), io.Discard, 0, -1); !errors.Is(err, ErrStopping) {
		t.Errorf("a reader at the end of the process: %v", err)
	}
	h.Close()
	return dir
}

func TestGoesOnAfterRestart(t *testing.T) {
	data, other := noise(1, 1<<20), noise(2, 1<<20)
	for _, tt := range []struct {
		name   string
		second act
		digest catalog.Digest
		mute   bool
		spoil  func(t *testing.T, p *place, dir string)
		want   []byte
		ranges []string // of the requests of the second process
	}{
		{name: "as it was", want: data, ranges: []string{"bytes=600000-"}},
		{name: "declared", want: data, digest: digest(data), ranges: []string{"bytes=600000-"}},
		{name: "no ranges", second: act{noRange: true}, want: data, ranges: []string{"bytes=600000-"}},
		{name: "no validator", mute: true, want: data, ranges: []string{""}},
		{name: "no validator, declared", mute: true, digest: digest(data), want: data, ranges: []string{"bytes=600000-"}},
		{name: "changed", want: other, ranges: []string{"bytes=600000-", ""}, spoil: func(_ *testing.T, p *place, _ string) { p.change(other, `"two"`) }},
		{name: "changed, no ranges", second: act{noRange: true}, want: other, ranges: []string{"bytes=600000-", ""}, spoil: func(_ *testing.T, p *place, _ string) { p.change(other, `"one"`) }},
		{name: "shorter now", want: other[:1000], ranges: []string{"bytes=600000-", ""}, spoil: func(_ *testing.T, p *place, _ string) { p.change(other[:1000], `"two"`) }},
		{name: "cut on the disk", want: data, ranges: []string{""}, spoil: func(t *testing.T, _ *place, dir string) {
			spoilPartial(t, dir, func(f string) error { return os.Truncate(f, 5) })
		}},
		{name: "other bytes on the disk", want: data, ranges: []string{""}, spoil: func(t *testing.T, _ *place, dir string) {
			spoilPartial(t, dir, func(f string) error { return os.WriteFile(f, other[:600000], 0o600) })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, data, act{end: "stall", give: 600000, mute: tt.mute}, tt.second)
			src := Source{Src: p.url, Digest: tt.digest}
			dir := begun(t, p, src)
			if tt.spoil != nil {
				tt.spoil(t, p, dir)
			}
			if tt.mute {
				p.acts = []act{{}, {mute: true}, {mute: true}}
			}
			c, stop := run(t, quick(t, dir)) // nobody asks: it goes on by itself
			eventually(t, func() bool { return len(c.Status().Fills) == 0 })
			wants(t, c, src, tt.want)
			stop()
			if got := p.ranges()[1:]; !slices.Equal(got, tt.ranges) {
				t.Errorf("asked for %q, want %q", got, tt.ranges)
			}
			if len(files(t, dir)) != 2 {
				t.Errorf("%v", files(t, dir))
			}
		})
	}
}

func (p *place) ranges() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.asked {
		all = append(all, r.Header.Get("Range"))
	}
	return all
}

func spoilPartial(t *testing.T, dir string, do func(string) error) {
	all, err := filepath.Glob(dir + "/partial/*")
	if err != nil || len(all) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	for _, f := range all {
		if !strings.HasSuffix(f, ".json") {
			if err := do(f); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An image without a digest has a name of its own from the first byte on, which is another one as
// soon as the bytes are others.
func TestTagOfUndeclared(t *testing.T) {
	data := noise(1, 1<<20)
	for _, changed := range []bool{false, true} {
		t.Run(map[bool]string{false: "same", true: "changed"}[changed], func(t *testing.T) {
			p := newPlace(t, data, act{end: "stall", give: 600000})
			src := Source{Src: p.url}
			cfg := quick(t, t.TempDir())
			c, stop := run(t, cfg)
			h := open(t, c, src)
			grows, err := h.Info(t.Context())
			if err != nil || grows.Tag == "" || !grows.Digest.IsZero() {
				t.Fatalf("%+v, %v", grows, err)
			}
			if _, err := h.CopyTo(t.Context(), io.Discard, 0, 500000); err != nil {
				t.Fatal(err)
			}
			stop()
			if changed {
				p.change(noise(2, 1<<20), `"two"`)
			}
			c, _ = run(t, cfg)
			wants(t, c, src, p.data)
			eventually(t, func() bool { return len(c.Status().Fills) == 0 })
			whole, err := open(t, c, src).Info(t.Context())
			if err != nil || whole.Digest != digest(p.data) || (whole.Tag == grows.Tag) == changed {
				t.Errorf("%+v, was %+v; %v", whole, grows, err)
			}
			declared, err := open(t, c, Source{Src: p.url, Digest: digest(p.data)}).Info(t.Context())
			if err != nil || declared.Tag != whole.Tag {
				t.Errorf("%+v, %v", declared, err)
			}
		})
	}
}

// What nobody wants any more, or is old, is not begun again.
func TestNotTakenUp(t *testing.T) {
	data := noise(1, 1<<20)
	for name, change := range map[string]func(*Config){
		"not wanted": func(c *Config) { c.Wanted = func(Source) bool { return false } },
		"stale":      func(c *Config) { c.Stale = time.Nanosecond },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, data, act{end: "stall", give: 600000})
			dir := begun(t, p, Source{Src: p.url})
			cfg := quick(t, dir)
			change(&cfg)
			c, stop := run(t, cfg)
			eventually(t, func() bool { return len(files(t, dir)) == 0 })
			stop()
			if len(c.Status().Fills) != 0 || p.gets() != 1 {
				t.Errorf("%+v", c.Status().Fills)
			}
		})
	}
}

// All bytes are there, and the process ended before their proof, or between the record and the name.
func TestOnlyProofIsMissing(t *testing.T) {
	data := noise(1, 300000)
	for name, tt := range map[string]struct {
		have []byte
		ok   bool
	}{"true": {data, true}, "false": {noise(2, 300000), false}} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, data)
			src := Source{Src: p.url, Digest: digest(data)}
			dir := t.TempDir()
			allThere(t, dir, src, tt.have)
			record := filepath.Join(dir, "blobs", src.Digest.String()+".json")
			if err := os.WriteFile(record, []byte(`{"version":1,"size":300000}`), 0o600); err != nil {
				t.Fatal(err)
			}
			c, _ := run(t, quick(t, dir))
			if !tt.ok {
				eventually(t, func() bool { return statuses(c)[wire.CacheFillFailed] == 1 })
				warm(t, c, src)
			}
			wants(t, c, src, data)
			if n := p.gets(); n != map[bool]int{true: 0, false: 1}[tt.ok] {
				t.Errorf("the origin was asked %d times", n)
			}
		})
	}
}

// allThere makes a folder with a partial that has all its bytes.
func allThere(t *testing.T, dir string, src Source, data []byte) {
	t.Helper()
	s, err := blob.Open(blob.Config{Dir: dir, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	n := blob.Note{Key: src.Src, Src: src.Src, Declared: src.Digest}
	p, err := s.Begin(n)
	if err == nil {
		_, err = p.Write(data)
	}
	n.Total, n.Bytes, n.Sum, n.ETag = int64(len(data)), int64(len(data)), crc32.Checksum(data, castagnoli), `"one"`
	if err := errors.Join(err, p.Checkpoint(n), s.Close()); err != nil {
		t.Fatal(err)
	}
}

const childDir = "BTY_FILL_TEST_DIR"

// TestMain is the cache of TestKilled when the test runs itself as its child.
func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	checkEvery = 20 * time.Millisecond
	c := New(Config{Dir: dir})
	if err := c.Warm(Source{Src: os.Getenv("BTY_FILL_TEST_SRC")}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = c.Run(context.Background()) // until it is killed
}

// A cache that is killed at any moment goes on from what it had, and never has a wrong image.
func TestKilled(t *testing.T) {
	data := noise(5, 24<<20)
	var sent atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "disk.img", time.Time{}, &slow{Reader: bytes.NewReader(data), sent: &sent})
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	dir, src := t.TempDir(), Source{Src: srv.URL + "/disk.img"}
	kills := 0
	for ; kills < 60 && !heldNow(t, dir, src, data); kills++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, "BTY_FILL_TEST_SRC="+src.Src)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}
	c := New(quick(t, dir))
	if i, ok := c.Held(src); !ok || i.Digest != digest(data) {
		t.Fatalf("after %d kills: %+v %v", kills, i, ok)
	}
	if kills < 2 || sent.Load() > 3*int64(len(data)) {
		t.Errorf("%d kills, %d bytes from the origin for an image of %d", kills, sent.Load(), len(data))
	}
}

// heldNow looks at the folder as the next process does, without a fetch.
func heldNow(t *testing.T, dir string, src Source, want []byte) bool {
	t.Helper()
	c := New(quick(t, dir))
	defer c.close()
	i, ok := c.Held(src)
	if trouble := c.Status().Problem; trouble != "" {
		t.Fatal(trouble)
	}
	if !ok {
		return false
	}
	got, err := os.ReadFile(filepath.Join(dir, "blobs", i.Digest.String()))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("it counts as complete with %d bytes, %v", len(got), err)
	}
	return true
}

// slow gives 40 MB/s.
type slow struct {
	*bytes.Reader
	sent *atomic.Int64
}

func (s *slow) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), 64<<10)])
	s.sent.Add(int64(n))
	time.Sleep(time.Duration(n) * time.Second / (40 << 20))
	return n, err
}

// WriteTo would go around Read.
func (s *slow) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{s}) }
