package fill

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/blob"
)

// A source without a digest is looked at in the background, and replaced only if it is a rolling one.
func TestRecheck(t *testing.T) {
	old, now := noise(1, 100000), noise(2, 200000)
	for _, rolling := range []bool{false, true} {
		t.Run(map[bool]string{false: "fixed", true: "rolling"}[rolling], func(t *testing.T) {
			p := newPlace(t, old)
			cfg := quick(t, t.TempDir())
			cfg.Recheck = 20 * time.Millisecond
			c, stop := run(t, cfg)
			src := Source{Src: p.url, Rolling: rolling}
			wants(t, c, src, old)
			eventually(t, func() bool { return p.lookedAt() > 1 })
			if s := c.Status(); len(s.Blobs) != 1 || s.Blobs[0].Moved || p.gets() != 1 {
				t.Errorf("%+v", s)
			}
			reader := open(t, c, src)
			p.change(now, `"two"`)
			if !rolling {
				eventually(t, func() bool { return c.Status().Blobs[0].Moved })
				wants(t, c, src, old)
				p.change(old, `"one"`)
				eventually(t, func() bool { return !c.Status().Blobs[0].Moved })
				return
			}
			eventually(t, func() bool { i, ok := c.Held(src); return ok && i.Size == int64(len(now)) })
			wants(t, c, src, now)
			if got := make([]byte, 10); true {
				n, err := reader.ReadAt(t.Context(), got, 50000)
				if n != 10 || err != nil || string(got) != string(old[50000:50010]) {
					t.Errorf("who reads the old bytes got others: %v", err)
				}
			}
			eventually(t, func() bool {
				s := c.Status()
				return len(s.Blobs) == 2 && !s.Blobs[0].Moved && s.Blobs[1].Moved && len(s.Fills) == 0
			})
			stop()
		})
	}
}

func (p *place) lookedAt() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.looks
}

// An answer that comes when the new bytes are held already is not about these.
func TestLateLook(t *testing.T) {
	p := newPlace(t, noise(1, 100000))
	c, _ := run(t, quick(t, t.TempDir()))
	src := Source{Src: p.url, Rolling: true}
	wants(t, c, src, p.data)
	eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	key, _ := Key(p.url)
	old, _ := c.store.Source(key)
	p.change(noise(2, 200000), `"two"`)
	for range 2 {
		c.checked(due{key: key, source: old}, "it is another one")
		eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	}
	if s := c.Status(); len(s.Blobs) != 2 || s.Blobs[0].SizeBytes != 200000 || s.Blobs[0].Moved || p.gets() != 2 {
		t.Errorf("%d fetches, %+v", p.gets(), s.Blobs)
	}
}

// A declared digest is not for the origin to change, so nobody asks it.
func TestDeclaredIsNotRechecked(t *testing.T) {
	data := noise(1, 1000)
	p := newPlace(t, data)
	cfg := quick(t, t.TempDir())
	cfg.Recheck = time.Millisecond
	c, _ := run(t, cfg)
	wants(t, c, Source{Src: p.url, Digest: digest(data)}, data)
	time.Sleep(50 * time.Millisecond)
	if p.lookedAt() != 0 {
		t.Errorf("asked %d times", p.lookedAt())
	}
}

// What a clock that was ahead has noted keeps no source from being looked at for years.
func TestRecheckAfterClockWasAhead(t *testing.T) {
	data := noise(1, 1000)
	p := newPlace(t, data)
	cfg := quick(t, t.TempDir())
	cfg.Now = func() time.Time { return time.Now().AddDate(4, 0, 0) }
	c, stop := run(t, cfg)
	wants(t, c, Source{Src: p.url}, data)
	stop()
	p.change(noise(2, 2000), `"two"`)
	cfg.Now, cfg.Recheck = nil, time.Minute
	c, _ = run(t, cfg)
	eventually(t, func() bool { s := c.Status(); return len(s.Blobs) == 1 && s.Blobs[0].Moved })
}

// An origin that is away costs no reader a moment, and what is held stays.
func TestRecheckWithoutOrigin(t *testing.T) {
	data := noise(1, 1000)
	p := newPlace(t, data)
	cfg := quick(t, t.TempDir())
	cfg.Recheck = time.Millisecond
	c, _ := run(t, cfg)
	wants(t, c, Source{Src: p.url}, data)
	p.mu.Lock()
	p.acts, p.data, p.etag = nil, nil, ""
	p.mu.Unlock()
	p.close()
	for range 20 {
		wants(t, c, Source{Src: p.url}, data)
		time.Sleep(2 * time.Millisecond)
	}
	if s := c.Status(); len(s.Blobs) != 1 || s.Blobs[0].Moved {
		t.Errorf("%+v", s)
	}
}

// The catalog may declare other bytes than are held: they are fetched, and take the place of the
// old ones when all of them are there.
func TestDeclaredAnew(t *testing.T) {
	old, now := noise(1, 100000), noise(2, 100000)
	p := newPlace(t, old)
	c, _ := run(t, quick(t, t.TempDir()))
	wants(t, c, Source{Src: p.url, Digest: digest(old)}, old)
	p.change(now, `"two"`)
	wants(t, c, Source{Src: p.url, Digest: digest(old)}, old)
	wants(t, c, Source{Src: p.url, Digest: digest(now)}, now)
	eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	s := c.Status()
	if len(s.Blobs) != 2 || s.Blobs[0].SHA256 != digest(now).String() || s.Blobs[0].Moved || !s.Blobs[1].Moved {
		t.Errorf("%+v", s.Blobs)
	}
	// And what nobody has is an error, whatever is held.
	breaks(t, c, Source{Src: p.url, Digest: digest(noise(3, 100000))}, now, ErrProof)
	wants(t, c, Source{Src: p.url, Digest: digest(now)}, now)
}

// What the disk has lost is fetched again for the next one who asks.
func TestReprove(t *testing.T) {
	p := newPlace(t, noise(1, 100000))
	cfg := quick(t, t.TempDir())
	cfg.Reprove = 20 * time.Millisecond
	c, _ := run(t, cfg)
	src := Source{Src: p.url, Digest: digest(p.data)}
	wants(t, c, src, p.data)
	eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	time.Sleep(5 * cfg.Reprove)
	if _, held := c.Held(src); !held {
		t.Fatal("it was as it was written")
	}
	file := filepath.Join(cfg.Dir, "blobs", digest(p.data).String())
	if err := os.WriteFile(file, noise(2, 100000), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { _, held := c.Held(src); return !held })
	wants(t, c, src, p.data)
}

// An image that a reader could not read to its end is looked at next, and not when its time comes in a month: each
// machine that asks would find out anew.
func TestUnreadable(t *testing.T) {
	data := noise(1, 100000)
	p := newPlace(t, data)
	cfg := quick(t, t.TempDir())
	c, _ := run(t, cfg)
	src := Source{Src: p.url}
	wants(t, c, src, data)
	eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	h := open(t, c, src)
	path := filepath.Join(cfg.Dir, "blobs", digest(data).String())
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := h.CopyTo(t.Context(), io.Discard, 0, -1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(data))); err != nil { // as a disk that has lost what was in it
		t.Fatal(err)
	}
	other := open(t, c, src) // it is read meanwhile
	h.Close()
	d, found := c.store.Unproven(time.Time{}.Add(1))
	if !found {
		t.Fatal("nobody looks at it")
	}
	if err := c.store.Prove(t.Context(), d, 1<<40); !errors.Is(err, blob.ErrDamaged) {
		t.Error(err)
	}
	wants(t, c, src, data)
	other.Close()
}

// What a reader wants the bytes to be binds him alone: he gets these or an error, and nobody else
// gets anything for it.
func TestAsked(t *testing.T) {
	a, b := newPlace(t, noise(1, 300000)), newPlace(t, noise(2, 300000))
	c, _ := run(t, quick(t, t.TempDir()))
	asks := func(p *place, data []byte) Source { return Source{Src: p.url, Asked: digest(data)} }
	breaks(t, c, asks(a, b.data), a.data, ErrProof) // nobody knew before all of it was here
	wants(t, c, asks(a, a.data), a.data)
	breaks(t, c, asks(a, b.data), a.data, ErrProof)
	wants(t, c, asks(b, b.data), b.data)
	eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	wants(t, c, asks(a, b.data), b.data) // these bytes are here
	wants(t, c, Source{Src: a.url}, a.data)
	wants(t, c, Source{Src: b.url}, b.data)
	if a.gets() != 1 || b.gets() != 1 {
		t.Errorf("%d and %d fetches", a.gets(), b.gets())
	}
	h := open(t, c, asks(a, a.data))
	if _, ok := h.File(); !ok {
		t.Error("it is complete")
	}
}

// Before the proof a reader who asked for a digest gets nothing.
func TestAskedWaits(t *testing.T) {
	p := newPlace(t, noise(1, 1<<20))
	p.hold = make(chan struct{})
	c, _ := run(t, quick(t, t.TempDir()))
	h := open(t, c, Source{Src: p.url, Asked: digest(p.data)})
	wait, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if n, err := h.ReadAt(wait, make([]byte, 1), 0); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d, %v", n, err)
	}
	if info, err := h.Info(t.Context()); err != nil || info.Size != 1<<20 || !info.Digest.IsZero() {
		t.Errorf("%+v, %v", info, err)
	}
	p.release()
	if n, err := h.ReadAt(t.Context(), make([]byte, 1), 0); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// What the catalog has the digest of needs no proof before its first byte, also if the reader names
// the digest, as each plan does.
func TestAskedAsDeclared(t *testing.T) {
	p := newPlace(t, noise(1, 1<<20))
	p.hold = make(chan struct{})
	c, _ := run(t, quick(t, t.TempDir()))
	src := Source{Src: p.url, Digest: digest(p.data), Asked: digest(p.data)}
	h := open(t, c, src)
	wait, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if n, err := h.ReadAt(wait, make([]byte, 1), 0); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	p.release()
	wants(t, c, src, p.data)
}

// The same bytes from two addresses are fetched once if their digest is known, and kept once anyway.
func TestTwoAddresses(t *testing.T) {
	data := noise(1, 300000)
	a, b := newPlace(t, data), newPlace(t, data)
	a.hold = make(chan struct{})
	c, _ := run(t, quick(t, t.TempDir()))
	first := open(t, c, Source{Src: a.url, Digest: digest(data)})
	second := open(t, c, Source{Src: b.url, Digest: digest(data)})
	for _, h := range []*Handle{first, second} {
		if n, err := h.ReadAt(t.Context(), make([]byte, 1), 0); n != 1 || err != nil {
			t.Error(n, err)
		}
	}
	a.release()
	wants(t, c, Source{Src: b.url, Digest: digest(data)}, data)
	eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	wants(t, c, Source{Src: b.url, Digest: digest(data)}, data)
	if a.gets() != 1 || b.gets() != 0 {
		t.Errorf("%d and %d fetches", a.gets(), b.gets())
	}
	other := newPlace(t, data)
	wants(t, c, Source{Src: other.url}, data)
	eventually(t, func() bool {
		s := c.Status()
		return len(s.Blobs) == 1 && len(s.Blobs[0].Sources) == 3 && len(s.Fills) == 0 && s.HeldBytes == int64(len(data))
	})
}

func TestKey(t *testing.T) {
	for src, want := range map[string]string{
		"HTTP://Example.COM/A?B=c#frag":     "http://example.com/A?B=c",
		"http://h/a?1":                      "http://h/a?1",
		"http://h/a?2":                      "http://h/a?2",
		"https://User:Pass@Host:8443/x":     "https://User:Pass@host:8443/x",
		"http://h":                          "http://h",
		"oras://GHCR.io/Owner/Repo:Tag":     "oras://ghcr.io/owner/repo:Tag",
		"file:///etc/passwd":                "",
		"ftp://h/x":                         "",
		"/etc/passwd":                       "",
		"http:///x":                         "",
		"":                                  "",
		"oras://h/repo":                     "",
		strings.Repeat("x", 10) + "://h/x":  "",
		"http://h:99999/x":                  "",
		"  http://h/a  ":                    "http://h/a",
		"http://[FE80::1]/x":                "http://[fe80::1]/x",
		"http://h?Query":                    "http://h?Query",
		"oras://h/o/r@sha256:" + zeros("A"): "",
	} {
		got, err := Key(src)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", src, got, err, want)
		}
	}
}

func zeros(s string) string { return strings.Repeat(s, 64) }

// An origin that does not answer does not keep others from being looked at.
func TestRecheckTogether(t *testing.T) {
	cfg := quick(t, t.TempDir())
	cfg.Recheck = 10 * time.Millisecond
	c, _ := run(t, cfg)
	stuck := make(chan struct{})
	var asked atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 1 { // the first one is the fetch
			select {
			case <-stuck:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("ETag", `"slow"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(noise(4, 1000)))
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(stuck) })
	wants(t, c, Source{Src: slow.URL + "/slow.img"}, noise(4, 1000))
	eventually(t, func() bool { return asked.Load() > 1 })
	p := newPlace(t, noise(5, 1000))
	wants(t, c, Source{Src: p.url}, p.data)
	q := newPlace(t, noise(6, 1000))
	wants(t, c, Source{Src: q.url}, q.data)
	eventually(t, func() bool { return p.lookedAt() > 0 && q.lookedAt() > 0 })
}

// Figures are counted once a second, whoever asks how often, and are those of the whole status.
func TestFigures(t *testing.T) {
	c, _ := run(t, quick(t, t.TempDir()))
	p := newPlace(t, noise(7, 1000))
	wants(t, c, Source{Src: p.url}, p.data)
	if err := c.Pin(p.url, true); err != nil {
		t.Fatal(err)
	}
	h := open(t, c, Source{Src: p.url})
	eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	f, s := c.Figures(), c.Status()
	if f.Images != 1 || f.Pinned != 1 || f.Readers != 1 || len(f.Fills) != 0 || f.Problem != "" || f.HeldBytes != s.HeldBytes || f.HeldBytes != 1000 {
		t.Errorf("%+v", f)
	}
	h.Close()
	c.mu.Lock() // the engine is busy, and nobody who asks waits for it
	again := c.Figures()
	c.mu.Unlock()
	if again.Readers != 1 {
		t.Errorf("%+v", again)
	}
	eventually(t, func() bool { return c.Figures().Readers == 0 })
}
