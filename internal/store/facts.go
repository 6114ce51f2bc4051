package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"bty/internal/machine"
)

// facts is what changes with the contacts of a machine. It has a row of its own, apart from what
// the operator set, and a narrow one: a page holds fifty of them.
type facts struct {
	machine.Facts
	UpdatedAt time.Time
}

func factsOf(m machine.Machine) facts { return facts{m.Facts, m.UpdatedAt} }

// The flags of a row. The times follow in the order of their flags.
const (
	factLaunched = 1 << iota
	factPlanned
	factCompleted
	factFailed
	factStuck
	factUpdatedAt
	factDiskAt
	factFlashedAt
	factInventoriedAt
	factsKnown = 1<<iota - 1
)

// encode appends f to b: flags, attempts, assignment, reason, via, and the times that there are.
func (f *facts) encode(b []byte) []byte {
	b = append(b, valueVersion)
	b = binary.AppendUvarint(b, f.flags())
	b = binary.AppendVarint(b, int64(f.Attempts))
	for _, text := range [...]string{f.Under, f.Reason, string(f.DiskVia)} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	for _, at := range f.times() {
		if !at.IsZero() {
			b = binary.AppendVarint(b, at.Unix())
			b = binary.AppendUvarint(b, uint64(at.Nanosecond()))
		}
	}
	return b
}

func (f *facts) times() [4]*time.Time {
	return [...]*time.Time{&f.UpdatedAt, &f.DiskAt, &f.FlashedAt, &f.InventoriedAt}
}

func (f *facts) bools() [5]*bool {
	return [...]*bool{&f.Launched, &f.Planned, &f.Completed, &f.Failed, &f.Stuck}
}

func (f *facts) flags() (flags uint64) {
	for i, is := range f.bools() {
		if *is {
			flags |= factLaunched << i
		}
	}
	for i, at := range f.times() {
		if !at.IsZero() {
			flags |= factUpdatedAt << i
		}
	}
	return flags
}

// decodeFacts is the way back. Times are in UTC.
func decodeFacts(key, raw []byte) (f facts, err error) {
	if len(raw) == 0 || raw[0] != valueVersion {
		return f, fmt.Errorf("%s/%x has a value version that this release does not know", bucketFacts, key)
	}
	r := factsReader{rest: raw[1:]}
	flags := r.unsigned()
	f.Attempts = int(r.signed())
	f.Under, f.Reason, f.DiskVia = r.text(), r.text(), machine.Via(r.text())
	for i, is := range f.bools() {
		*is = flags&(factLaunched<<i) != 0
	}
	for i, at := range f.times() {
		if flags&(factUpdatedAt<<i) != 0 {
			*at = r.time()
		}
	}
	if r.bad || len(r.rest) > 0 || flags&^factsKnown != 0 {
		return facts{}, &ValueError{string(bucketFacts), append([]byte(nil), key...), errNoRow}
	}
	return f, nil
}

// factsReader takes a row apart; once something is missing it is bad for good.
type factsReader struct {
	rest []byte
	bad  bool
}

func (r *factsReader) unsigned() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *factsReader) signed() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *factsReader) text() string {
	n := r.unsigned()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}

func (r *factsReader) time() time.Time {
	seconds, nanoseconds := r.signed(), r.unsigned()
	if r.bad || nanoseconds >= uint64(time.Second) {
		r.bad = true
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds)).UTC()
}

func (r *factsReader) skip(n int) {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}
