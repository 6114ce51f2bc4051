package origin

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// anything is what an unreliable server may do, but for giving other bytes as the right ones, which
// only a digest can find out.
func anything(rng *rand.Rand, size int) act {
	a := act{give: rng.IntN(size), end: []string{"", "", "close", "reset", "close"}[rng.IntN(5)]}
	switch rng.IntN(12) {
	case 0:
		a = act{hangUp: true}
	case 1:
		a = act{status: []int{429, 500, 503, 408}[rng.IntN(4)]}
	case 2:
		a.noRange = true
	case 3:
		a.chunked = true
	case 4:
		a.openEnd = true
	case 5:
		a.other = true
	case 6:
		a.shift = rng.IntN(50)
	case 7:
		a.redirect = "/elsewhere"
	case 8:
		a.header = map[string]string{"ETag": ""}
	case 9:
		a.header = map[string]string{"Content-Range": "bytes 1-2/3"}
	case 10:
		a = act{status: []int{204, 206, 304, 401, 403, 404, 416}[rng.IntN(7)]}
	}
	return a
}

// Whatever a server does, in whatever order: the image, or the one that replaced it, or an error.
func TestNeverWrong(t *testing.T) {
	const rounds = 400
	data, other := noise(20_000, 1), noise(20_000, 2)
	whole := 0
	for seed := range uint64(rounds) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := &scripted{t: t, data: data, other: other}
		for range 1 + rng.IntN(6) {
			s.acts = append(s.acts, anything(rng, len(data)))
		}
		opts := quick()
		opts.FirstPause, opts.MaxPause, opts.Stall, opts.Attempts = time.Microsecond, time.Microsecond, time.Second, 6
		opts.Careful = true
		got, _, err := read(t, s.start(), opts)
		if err == nil && !bytes.Equal(got, data) && !bytes.Equal(got, other) {
			t.Fatalf("seed %d: %d bytes that are no image, and no error; %+v", seed, len(got), s.acts)
		}
		if err != nil && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrBroken) && !errors.Is(err, ErrChanged) && !errors.Is(err, ErrLength) {
			t.Errorf("seed %d: %v", seed, err)
		}
		if err == nil {
			whole++
		}
	}
	if whole < rounds/4 || whole > rounds*9/10 {
		t.Errorf("%d of %d transfers were whole: the test does not try much", whole, rounds)
	}
}
