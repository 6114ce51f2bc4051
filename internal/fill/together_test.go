package fill

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Readers, deletions, pins, evictions and origins that change, all at once: whoever reads gets the
// bytes of one version from their start to their end, or an error that says why not.
func TestTogether(t *testing.T) {
	const size = 400_000
	cfg := quick(t, t.TempDir())
	cfg.Limit, cfg.Fills, cfg.Recheck, cfg.Reprove = 3*size+size/2, 3, 5*time.Millisecond, 20*time.Millisecond
	c, stop := run(t, cfg)
	var versions [6][2][]byte
	var places [6]*place
	for i := range places {
		versions[i] = [2][]byte{noise(uint64(10+i), size), noise(uint64(50+i), size-1000*i)}
		places[i] = newPlace(t, versions[i][0])
	}
	until := time.Now().Add(1500 * time.Millisecond)
	var good, bad atomic.Int64
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			for time.Now().Before(until) {
				i := r.IntN(len(places))
				if readOne(t, c, places[i].url, versions[i], r) {
					good.Add(1)
				} else {
					bad.Add(1)
				}
			}
		})
	}
	wg.Go(func() { meddle(t, c, places[:], versions[:], until) })
	wg.Wait()
	if good.Load() < 20 || bad.Load() == 0 {
		t.Errorf("%d reads went well, %d did not", good.Load(), bad.Load())
	}
	eventually(t, func() bool { n := statuses(c); return n["running"]+n["waiting"]+n["verifying"] == 0 })
	if s := c.Status(); s.HeldBytes > cfg.Limit || len(s.Streams) != 0 || s.Problem != "" {
		t.Errorf("%+v", s)
	}
	stop()
	again := New(cfg)
	defer again.close()
	if s := again.Status(); s.HeldBytes > cfg.Limit || len(files(t, cfg.Dir)) < 2*len(s.Blobs) {
		t.Errorf("%+v, %v", s, files(t, cfg.Dir))
	}
}

func readOne(t *testing.T, c *Cache, url string, versions [2][]byte, r *rand.Rand) bool {
	which := r.IntN(2)
	src := Source{Src: url, Rolling: r.IntN(2) == 0}
	switch r.IntN(4) {
	case 0:
		src.Digest = digest(versions[which])
	case 1:
		src.Asked = digest(versions[which])
	}
	got, err := read(t, c, src)
	fits := bytes.Equal(got, versions[0]) || bytes.Equal(got, versions[1])
	if !src.Digest.IsZero() || !src.Asked.IsZero() {
		fits = bytes.Equal(got, versions[which])
	}
	known := errors.Is(err, ErrNoRoom) || errors.Is(err, ErrProof) || errors.Is(err, ErrOrigin) || errors.Is(err, ErrDeleted)
	if err == nil && !fits || err != nil && !known {
		t.Errorf("%d bytes, one of the versions: %v; %v", len(got), fits, err)
	}
	if err != nil && !bytes.HasPrefix(versions[0], got) && !bytes.HasPrefix(versions[1], got) {
		t.Errorf("%d bytes of no version: %v", len(got), err)
	}
	return err == nil
}

func meddle(t *testing.T, c *Cache, places []*place, versions [][2][]byte, until time.Time) {
	r := rand.New(rand.NewPCG(99, 3))
	for time.Now().Before(until) {
		time.Sleep(time.Duration(r.IntN(15)) * time.Millisecond)
		i := r.IntN(len(places))
		var err error
		switch r.IntN(5) {
		case 0:
			v := r.IntN(2)
			places[i].change(versions[i][v], fmt.Sprintf(`"%d"`, v))
		case 1:
			err = c.Delete(places[i].url)
		case 2:
			err = c.DeleteDigest(digest(versions[i][r.IntN(2)]))
		case 3:
			err = c.Pin(places[i].url, r.IntN(3) == 0)
		case 4:
			_ = c.Warm(Source{Src: places[i].url}) // it may have no room
		}
		if err != nil && !errors.Is(err, ErrNotHeld) {
			t.Error(err)
		}
		if s := c.Status(); s.HeldBytes > s.LimitBytes {
			t.Errorf("%d bytes are held of %d", s.HeldBytes, s.LimitBytes)
		}
	}
}
