package flash

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"bty/internal/disk/faulty"
)

// The result names what the rest waited for, and what each stage took.
func TestBottleneck(t *testing.T) {
	img := bytes.Repeat(picture(mib, 4), 24)
	for name, tc := range map[string]struct {
		pause time.Duration // before each MiB of the network
		slow  time.Duration // each write to the disk
		bz2   bool
		times int // the image
		want  string
	}{
		"network":                           {pause: 50 * time.Millisecond, want: byNetwork},
		"disk":                              {slow: 8 * time.Millisecond, want: byDisk},
		"disk that holds all of the memory": {slow: 4 * time.Millisecond, times: 4, want: byDisk},
		"decoder":                           {bz2: true, want: byDecode},
	} {
		t.Run(name, func(t *testing.T) {
			published, file := bytes.Repeat(img, max(tc.times, 1)), "a.img"
			path, d := faulty.New(t, len(published), oldByte)
			d.Set(faulty.Faults{Slow: tc.slow})
			if tc.bz2 {
				noise := make([]byte, 12*mib)
				rand.NewChaCha8([32]byte{}).Read(noise)
				published, file = tool(t, noise, "bzip2", "-1"), "a.img.bz2"
			}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(&slowly{w, tc.pause}, r, file, time.Time{}, bytes.NewReader(published))
			}))
			defer srv.Close()
			res, err := Run(t.Context(), Request{Source: srv.URL + "/" + file, Target: path}, nil)
			if err != nil {
				t.Fatal(err)
			}
			e := res.Efforts
			if res.Bottleneck != tc.want {
				t.Errorf("limited by %s: %+v", res.Bottleneck, e)
			}
			if e.Network.Seconds <= 0 || e.Digest.Seconds <= 0 || e.Disk.Seconds <= 0 || e.Digest.CPU <= 0 || e.Disk.CPU <= 0 {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Whom the rest waited for, by how long each was at work and how long the decoder waited. What came before the
// disk was begun is in the former.
func TestBottleneckOf(t *testing.T) {
	const s = time.Second
	for name, tc := range map[string]struct {
		total, forDisk, starved, network, digest time.Duration
		want                                     string
	}{
		"disk":                            {10 * s, 6 * s, s, s, s, byDisk},
		"decoder":                         {10 * s, s, s, s, s, byDecode},
		"network":                         {10 * s, s, 8 * s, 9 * s, s, byNetwork},
		"digest":                          {10 * s, s, 8 * s, s, 9 * s, byDigest},
		"network, after a long beginning": {2 * s, 0, 2 * s, 2 * s, s / 10, byNetwork},
	} {
		j := &job{clock: newClock(), pump: &pump{}}
		j.pump.starved.Store(int64(tc.starved))
		j.clock.network.wall.Store(int64(tc.network))
		j.clock.digest.wall.Store(int64(tc.digest))
		if got := j.bottleneck(tc.total, tc.forDisk); got != tc.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// slowly waits before each write.
type slowly struct {
	http.ResponseWriter
	pause time.Duration
}

func (s *slowly) Write(p []byte) (int, error) {
	time.Sleep(s.pause * time.Duration(len(p)) / mib)
	return s.ResponseWriter.Write(p)
}
