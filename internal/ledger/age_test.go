package ledger

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"bty/internal/event"
)

// A clock that jumps a hundred years ahead costs a day of the log in an hour, not all of it; and
// once it is right again nothing is deleted that the right time would keep.
func TestClockThatJumps(t *testing.T) {
	b := book(t, filepath.Join(t.TempDir(), "bty.db"))
	var log []event.Event
	for day := range 20 {
		log = append(log, event.Event{At: monday.AddDate(0, 0, day), Kind: event.MachineFlashed})
	}
	b.fill(t, log)
	b.Keep, b.KeepDays = 1000, func() int { return 10 }
	clock := monday.AddDate(0, 0, 15).Add(time.Hour)
	b.Now = func() time.Time { return clock }
	began := time.Now()
	a := newAge(began)
	trim := func(after time.Duration, want int) {
		t.Helper()
		if err := b.trimAged(context.Background(), a, began.Add(after)); err != nil {
			t.Fatal(err)
		}
		if left := len(b.all(t)); left != want {
			t.Errorf("after %s %d events are left, want %d", after, left, want)
		}
	}
	trim(0, 20)
	trim(6*time.Hour, 14) // five days and an hour are too old: six events
	clock = clock.AddDate(100, 0, 0)
	trim(6*time.Hour+time.Minute, 14)
	trim(7*time.Hour+2*time.Minute, 12)
	if !a.told {
		t.Error("nobody was told")
	}
	clock = clock.AddDate(-100, 0, 0)
	trim(8*time.Hour, 12)
	clock = clock.AddDate(0, 0, 2)
	trim(80*time.Hour, 12) // the events of these days were deleted before their time
	clock = clock.AddDate(0, 0, 1)
	trim(120*time.Hour, 11)
}

func TestAgeFollows(t *testing.T) {
	began := time.Now()
	at := func(days float64) time.Time { return monday.Add(time.Duration(days * float64(dayHours))) }
	const hour = time.Hour
	for name, test := range map[string]struct {
		oldest, wall time.Time
		days         [2]int // now, and an hour later
		want         time.Time
		behind       time.Duration
	}{
		"nothing is old":           {at(0), at(5), [2]int{10, 10}, at(-5), 0},
		"an hour a day":            {at(0), at(30), [2]int{10, 10}, at(1), 19 * dayHours},
		"nothing there":            {time.Time{}, at(30), [2]int{10, 10}, time.Time{}.Add(dayHours), 0},
		"the operator wants fewer": {at(0), at(30), [2]int{20, 5}, at(16), 9 * dayHours},
		"the operator wants more":  {at(0), at(30), [2]int{5, 20}, at(1), 9 * dayHours},
		"the clock is behind":      {at(0), at(-30), [2]int{10, 10}, at(-40), 0},
	} {
		a := newAge(began)
		a.follow(test.wall, test.days[0], test.oldest, began)
		behind := a.follow(test.wall, test.days[1], test.oldest, began.Add(hour))
		if !a.limit.Equal(test.want) || !test.oldest.IsZero() && behind != test.behind {
			t.Errorf("%s: %s and %s behind, want %s and %s", name, a.limit, behind, test.want, test.behind)
		}
	}
}
