package fill

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/wire"
)

// A bounded number of fetches runs; of those that wait, the one that somebody reads comes first.
func TestQueue(t *testing.T) {
	cfg := quick(t, t.TempDir())
	cfg.Fills = 2
	c, _ := run(t, cfg)
	var places []*place
	for i := range 5 {
		p := newPlace(t, noise(uint64(i), 200000))
		p.hold = make(chan struct{})
		places = append(places, p)
		warm(t, c, Source{Src: p.url})
	}
	eventually(t, func() bool { return places[0].gets() == 1 && places[1].gets() == 1 })
	if got := statuses(c); got["running"] != 2 || got["waiting"] != 3 {
		t.Errorf("%v", got)
	}
	h := open(t, c, Source{Src: places[4].url})
	places[0].release()
	eventually(t, func() bool { return places[4].gets() == 1 })
	if places[2].gets()+places[3].gets() != 0 {
		t.Error("what nobody reads came first")
	}
	for _, p := range places[1:] {
		p.release()
	}
	if n, err := h.CopyTo(t.Context(), io.Discard, 0, -1); n != 200000 || err != nil {
		t.Error(n, err)
	}
	eventually(t, func() bool { return len(c.Status().Blobs) == 5 })
}

func statuses(c *Cache) map[string]int {
	n := map[string]int{}
	for _, f := range c.Status().Fills {
		n[f.Status]++
	}
	return n
}

// A fetch that waits for its next attempt is shown, and keeps no place from the others.
func TestWaitsForNextAttempt(t *testing.T) {
	cfg := quick(t, t.TempDir())
	cfg.Fills = 1
	cfg.Origin.FirstPause, cfg.Origin.MaxPause = time.Hour, time.Hour
	c, _ := run(t, cfg)
	dead := newPlace(t, noise(1, 1000), act{status: 503})
	warm(t, c, Source{Src: dead.url})
	eventually(t, func() bool { return statuses(c)[wire.CacheFillWaiting] == 1 && c.Status().Fills[0].NextAt != nil })
	f := c.Status().Fills[0]
	if f.Error == "" || f.Attempts != 2 || time.Until(time.Time(*f.NextAt)) < 50*time.Minute {
		t.Errorf("%+v", f)
	}
	good := newPlace(t, noise(2, 1000))
	wants(t, c, Source{Src: good.url}, good.data)
}

// A fetch whose origin stays away is begun again though nobody asks, at longer and longer intervals,
// and goes on from what it had.
func TestComesBack(t *testing.T) {
	data := noise(1, 1<<20)
	dead := act{status: 503}
	p := newPlace(t, data, act{end: "close", give: 600000}, dead, dead, dead, dead, dead, dead)
	cfg := quick(t, t.TempDir())
	var late atomic.Int64
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	cfg.Origin.Attempts = 3
	c, _ := run(t, cfg)
	warm(t, c, Source{Src: p.url})
	for _, wait := range []time.Duration{firstRetry, 2 * firstRetry} {
		eventually(t, func() bool { return statuses(c)[wire.CacheFillFailed] == 1 })
		f := c.Status().Fills[0]
		if f.NextAt == nil || f.BytesDone != 600000 || f.Error == "" {
			t.Fatalf("%+v", f)
		}
		if in := time.Time(*f.NextAt).Sub(cfg.Now()); in > wait || in < wait-30*time.Second {
			t.Errorf("the next attempt is in %v, want %v", in, wait)
		}
		asked := p.gets()
		c.tend()
		if p.gets() != asked || statuses(c)[wire.CacheFillFailed] != 1 {
			t.Error("it was begun again too early")
		}
		late.Add(int64(wait))
		c.tend()
	}
	eventually(t, func() bool { _, ok := c.Held(Source{Src: p.url}); return ok })
	if all := p.ranges(); all[len(all)-1] != "bytes=600000-" {
		t.Errorf("%q", all)
	}
}

func TestDelete(t *testing.T) {
	c, _ := run(t, quick(t, t.TempDir()))
	held, growing, failed := newPlace(t, noise(1, 1000)), newPlace(t, noise(2, 400000)), newPlace(t, nil, act{status: 404})
	wants(t, c, Source{Src: held.url}, held.data)
	growing.hold = make(chan struct{})
	h := open(t, c, Source{Src: growing.url})
	if _, err := h.ReadAt(t.Context(), make([]byte, 1), 0); err != nil {
		t.Fatal(err)
	}
	_, _ = read(t, c, Source{Src: failed.url})
	for _, p := range []*place{held, growing, failed} {
		if err := c.Delete(p.url); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.CopyTo(t.Context(), io.Discard, 0, -1); !errors.Is(err, ErrDeleted) {
		t.Errorf("who reads what is deleted: %v", err)
	}
	eventually(t, func() bool { return len(files(t, c.cfg.Dir)) == 0 && len(c.Status().Fills) == 0 })
	if err := c.Delete(held.url); !errors.Is(err, ErrNotHeld) {
		t.Error(err)
	}
	if err := c.DeleteDigest(digest(held.data)); !errors.Is(err, ErrNotHeld) {
		t.Error(err)
	}
	wants(t, c, Source{Src: held.url}, held.data)
	if err := c.DeleteDigest(digest(held.data)); err != nil || len(c.Status().Blobs) != 0 {
		t.Error(err)
	}
}

// A list that strangers can make longer is bounded.
func TestMissesAreBounded(t *testing.T) {
	c := New(quick(t, t.TempDir()))
	for i := range 10 * maxMisses {
		c.Refused(fmt.Sprint("http://h/", i), "no")
	}
	c.Refused("http://h/1999", "no")
	m := c.Status().Misses
	if len(m) != maxMisses || m[0].Src != "http://h/1999" || m[0].Count != 2 {
		t.Errorf("%d, %+v", len(m), m[0])
	}
}

// An origin that says 404 in the middle, since it is being restarted, costs nothing of what has come. One that goes
// on to refuse the rest is asked for the whole again.
func TestRefusedInTheMiddle(t *testing.T) {
	half, no := act{give: 4 << 20, end: "close"}, act{status: http.StatusNotFound}
	data := noise(1, 8<<20)
	for name, tt := range map[string]struct {
		acts []act
		last string // the Range of the last request
	}{
		"once":  {[]act{half, no}, "bytes=4194304-"},
		"again": {[]act{half, no, no, no, no, no}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, data, tt.acts...)
			cfg := quick(t, t.TempDir())
			c, _ := run(t, cfg)
			src := Source{Src: p.url}
			for p.gets() < len(tt.acts) {
				warm(t, c, src)
				eventually(t, func() bool { return statuses(c)["failed"] == 1 })
			}
			if tt.last == "" {
				eventually(t, func() bool { return len(files(t, cfg.Dir)) == 0 })
			}
			warm(t, c, src)
			wants(t, c, src, data)
			if asked := p.ranges(); asked[len(asked)-1] != tt.last {
				t.Errorf("%q", asked)
			}
		})
	}
}
