package backup

import (
	"testing"
	"time"
)

// work calls breathe as a backup does, n times after so much work, and returns how long it took.
func work(p *pace, n int, each time.Duration) time.Duration {
	begun := time.Now()
	for range n {
		for from := time.Now(); time.Since(from) < each; {
		}
		p.breathe()
	}
	return time.Since(begun)
}

func TestPace(t *testing.T) {
	var commits int64
	busy := func() int64 { commits++; return commits }
	still := func() int64 { return 0 }
	const n, each = 20, 150 * time.Microsecond
	for _, test := range []struct {
		name  string
		pace  *pace
		least time.Duration // of the rests; more if others hold this process up
	}{
		{"while others commit", paceOf(busy, BySchedule), (n - 1) * each * restRatio},
		{"while nobody does", paceOf(still, BySchedule), 0},
		{"while somebody waits for it", paceOf(busy, ForRestore), (n - 1) * each * hurry},
		{"when it has been held up for long", &pace{commits: busy, ratio: restRatio, patience: time.Millisecond}, (n-2)*each*hurry + each*restRatio},
		{"without others", &pace{}, 0},
	} {
		took := work(test.pace, n, each)
		if rested := test.pace.rested; rested < test.least || test.least == 0 && rested > 0 {
			t.Errorf("%s: rested %s, want %s", test.name, rested, test.least)
		} else if took < rested {
			t.Errorf("%s: took %s and rested %s", test.name, took, rested)
		}
	}
}

// The first piece begins when it is first asked, however long the backup has been prepared before.
func TestPaceBegins(t *testing.T) {
	p := &pace{commits: func() int64 { return 1 }, ratio: copyRatio}
	if p.breathe(); p.rested != 0 {
		t.Errorf("rested %s before any work", p.rested)
	}
}

// However slow a piece of work was, the rest after it ends.
func TestRestIsBounded(t *testing.T) {
	p := paceOf(nil, ByHand)
	for range 2 * int(patience/longRest) {
		if rest := p.restAfter(time.Hour); rest > longRest || rest <= 0 {
			t.Fatalf("a rest of %s", rest)
		}
	}
	if rest := p.restAfter(time.Millisecond); rest != hurry*time.Millisecond {
		t.Errorf("after %s of rests it rests %s after a millisecond", p.rested, rest)
	}
}
