package store

import (
	"slices"
	"sync"

	"bty/internal/event"
)

const (
	maxIndexed = 1 << 20 // events in the index, about 50 bytes each beside their texts; older ones are scanned
	blockRows  = 4096    // rows that are looked at, or moved, under one lock: some tens of microseconds
)

// index is what filters read of each event, in memory: who looks for something reads the rows
// here and only what it selects from the file. Commits keep it up to date; it is built beside the
// first requests, which scan the file until then. Nothing that is answered rests on it alone: an
// event that it selects is read and matched again in the transaction that asks.
type index struct {
	max       int // maxIndexed
	blockRows int
	mu        sync.RWMutex
	blocks    []*block // in the order of their IDs, none of them empty
	words     words
	rows      int
	alarms    int      // unacknowledged events that ask for attention
	floor     event.ID // events up to this ID are not in the index

	ready   bool
	whole   chan struct{}             // closed once it is
	begin   event.ID                  // the newest event when the file was opened
	touched map[event.ID]*event.Event // what became of events up to begin since then; nil: deleted
}

// block is some rows with growing IDs. Deleted ones stay as gaps until half of them are.
type block struct {
	rows []row
	gaps int
}

type row struct {
	id    event.ID
	at    int64 // Unix time in microseconds
	words [wordsOfRow]word
	flags uint8
}

// The texts of a row.
const (
	wordKind = iota
	wordSubjectKind
	wordSubject
	wordActor
	wordSource
	wordSummary
	wordsOfRow
)

const (
	flagGap uint8 = 1 << iota
	flagFailed
	flagAlarm
	flagAcknowledged
)

func newIndex(begin event.ID) *index {
	return &index{max: maxIndexed, blockRows: blockRows, words: newWords(), begin: begin, whole: make(chan struct{}), touched: map[event.ID]*event.Event{}}
}

func (x *index) isReady() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.ready
}

// change is what a transaction did to one event; a nil event was deleted.
type change struct {
	id    event.ID
	event *event.Event
}

// apply takes in what a commit has written.
func (x *index) apply(changes []change) {
	if len(changes) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range changes {
		if !x.ready && c.id <= x.begin {
			x.touched[c.id] = c.event
			continue
		}
		x.set(c)
	}
	x.bound()
}

// bound lets the oldest events be scanned from now on, a block at a time.
func (x *index) bound() {
	for x.ready && x.rows > x.max && len(x.blocks) > 1 {
		x.forgetOldest()
	}
}

func (x *index) set(c change) {
	if c.id <= x.floor {
		return
	}
	b, i, found := x.find(c.id)
	switch {
	case found && c.event == nil:
		x.remove(b, i)
	case found:
		x.clear(&x.blocks[b].rows[i])
		x.blocks[b].rows[i] = x.row(*c.event)
	case c.event != nil:
		x.insert(b, i, x.row(*c.event))
	}
}

// row takes the texts of e into use.
func (x *index) row(e event.Event) row {
	r := row{id: e.ID, at: e.At.UnixMicro()}
	for i, text := range [wordSummary]string{string(e.Kind), string(e.SubjectKind), e.SubjectID, string(e.Actor), event.Address(e.SourceIP)} {
		r.words[i] = x.words.take(text)
	}
	r.words[wordSummary] = x.words.takeWith(r.words[wordSubject], e.Summary)
	if e.Kind.Failed() {
		r.flags |= flagFailed
	}
	if e.Kind.Alarms() {
		r.flags |= flagAlarm
	}
	if e.Acknowledged {
		r.flags |= flagAcknowledged
	}
	if r.alarms() {
		x.alarms++
	}
	x.rows++
	return r
}

// clear gives the texts of a row back.
func (x *index) clear(r *row) {
	for _, w := range r.words {
		x.words.drop(w)
	}
	if r.alarms() {
		x.alarms--
	}
	x.rows--
	r.flags |= flagGap
}

func (r *row) alarms() bool { return r.flags&(flagAlarm|flagAcknowledged|flagGap) == flagAlarm }

// find says where the row with an ID is, or where it belongs.
func (x *index) find(id event.ID) (b, i int, found bool) {
	b, _ = slices.BinarySearchFunc(x.blocks, id, func(b *block, id event.ID) int { return compareIDs(b.rows[len(b.rows)-1].id, id) })
	if b == len(x.blocks) {
		return b, 0, false
	}
	i, found = slices.BinarySearchFunc(x.blocks[b].rows, id, func(r row, id event.ID) int { return compareIDs(r.id, id) })
	return b, i, found && x.blocks[b].rows[i].flags&flagGap == 0
}

func compareIDs(a, b event.ID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// insert puts a row where find said that it belongs: nearly always behind the last.
func (x *index) insert(b, i int, r row) {
	if b < len(x.blocks) {
		rows := x.blocks[b].rows
		if i < len(rows) && rows[i].id == r.id { // into its own gap
			rows[i] = r
			x.blocks[b].gaps--
			return
		}
		x.blocks[b].rows = slices.Insert(rows, i, r)
		return
	}
	if b == 0 || len(x.blocks[b-1].rows) >= x.blockRows {
		x.blocks = append(x.blocks, &block{rows: make([]row, 0, x.blockRows)})
		b++
	}
	x.blocks[b-1].rows = append(x.blocks[b-1].rows, r)
}

func (x *index) remove(b, i int) {
	one := x.blocks[b]
	x.clear(&one.rows[i])
	if one.gaps++; one.gaps <= len(one.rows)/2 {
		return
	}
	one.close()
	switch {
	case len(one.rows) == 0:
		x.blocks = slices.Delete(x.blocks, b, b+1)
	case b > 0 && len(x.blocks[b-1].rows)+len(one.rows) <= x.blockRows/2:
		x.blocks[b-1].rows = append(x.blocks[b-1].rows, one.rows...)
		x.blocks = slices.Delete(x.blocks, b, b+1)
	}
}

// close removes the gaps.
func (b *block) close() {
	kept := make([]row, 0, len(b.rows)-b.gaps)
	for _, r := range b.rows {
		if r.flags&flagGap == 0 {
			kept = append(kept, r)
		}
	}
	b.rows, b.gaps = kept, 0
}

func (x *index) forgetOldest() {
	first := x.blocks[0]
	for i := range first.rows {
		if first.rows[i].flags&flagGap == 0 {
			x.clear(&first.rows[i])
		}
	}
	x.floor = first.rows[len(first.rows)-1].id
	x.blocks = slices.Delete(x.blocks, 0, 1)
}
