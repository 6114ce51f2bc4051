package store

import (
	"math"
	"runtime"
	"strings"
	"time"

	"bty/internal/event"
)

// wanted is a filter in the index's own terms.
type wanted struct {
	words  [wordsOfRow]*word
	marked []bool // by word: it holds the text that is looked for; nil if none is
	mask   uint8  // flags that count
	flags  uint8  // what they must be
	from   int64
	until  int64
	none   bool // a text that no event has
}

// want translates a filter. Words that come into use later belong to newer events than a search
// that has begun looks at.
func (x *index) want(f event.Filter) wanted {
	w := wanted{mask: flagGap, from: math.MinInt64, until: math.MaxInt64}
	if f.FailedOnly {
		w.mask, w.flags = w.mask|flagFailed, w.flags|flagFailed
	}
	if f.AlarmsOnly {
		w.mask, w.flags = w.mask|flagAlarm, w.flags|flagAlarm
	}
	if f.UnacknowledgedOnly {
		w.mask |= flagAcknowledged
	}
	if !f.Since.IsZero() {
		w.from = f.Since.UnixMicro()
	}
	if !f.Until.IsZero() {
		w.until = f.Until.Add(time.Microsecond - 1).UnixMicro()
	}
	if f.Text != "" {
		w.marked = x.containing(strings.ToLower(f.Text))
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	exact := func(at int, text *string) {
		if text == nil {
			return
		}
		id, known := x.words.known[*text]
		w.words[at], w.none = &id, w.none || !known
	}
	exact(wordKind, (*string)(f.Kind))
	exact(wordSubjectKind, (*string)(f.SubjectKind))
	exact(wordSubject, f.SubjectID)
	exact(wordActor, (*string)(f.Actor))
	exact(wordSource, f.SourceIP)
	return w
}

// containing marks the words that hold a text, some at a time, so that no commit waits long.
func (x *index) containing(needle string) []bool {
	marked := []bool{}
	for next, more := 0, true; more; {
		x.mu.RLock()
		marked, next = x.words.containing(needle, next, blockRows/4, marked)
		more = next < len(x.words.texts)
		x.mu.RUnlock()
	}
	return marked
}

func (w *wanted) match(r *row) bool {
	if w.none || r.flags&w.mask != w.flags || r.at < w.from || r.at >= w.until {
		return false
	}
	for i, want := range w.words {
		if want != nil && *want != r.words[i] {
			return false
		}
	}
	if w.marked == nil {
		return true
	}
	for _, have := range r.words {
		if int(have) < len(w.marked) && w.marked[have] {
			return true
		}
	}
	return false
}

// back calls fn with the rows before an ID (0: all), newest first, until it returns false: a block
// at a time, so that no commit waits long. It reports whether the index is there to be asked, and
// up to which ID the file has events that it lacks.
func (x *index) back(before event.ID, fn func(*row) bool) (floor event.ID, ready bool) {
	if before == 0 {
		before = math.MaxUint64
	}
	for {
		x.mu.RLock()
		floor, ready = x.floor, x.ready
		first, more := x.blockBefore(before, fn)
		x.mu.RUnlock()
		if !ready || !more {
			return floor, ready
		}
		before = first
		runtime.Gosched()
	}
}

// blockBefore calls fn with the rows of the last block that has one before an ID.
func (x *index) blockBefore(before event.ID, fn func(*row) bool) (first event.ID, more bool) {
	if !x.ready {
		return 0, false
	}
	b, i, _ := x.find(before)
	if b == len(x.blocks) || i == 0 {
		if b--; b < 0 {
			return 0, false
		}
		i = len(x.blocks[b].rows)
	}
	rows := x.blocks[b].rows
	for i--; i >= 0; i-- {
		if !fn(&rows[i]) {
			return 0, false
		}
	}
	return rows[0].id, true
}

// search returns the IDs that a filter selects before one (0: all), newest first: at most limit of
// them after the first skip, which counts down.
func (x *index) search(w wanted, f event.Filter, before event.ID, skip *int, limit int) (ids []event.ID, floor event.ID, ready bool) {
	floor, ready = x.back(before, func(r *row) bool {
		switch {
		case r.id <= f.After:
			return false
		case !w.match(r):
		case *skip > 0:
			*skip--
		default:
			ids = append(ids, r.id)
		}
		return limit == 0 || len(ids) < limit
	})
	return ids, floor, ready
}
