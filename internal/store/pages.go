package store

import (
	"encoding/binary"
	"fmt"
	"io"
)

// pages looks at the pages of a file as bytes, wherever they point. bbolt follows the same pointers when it opens
// a file for writing, in a goroutine of its own: a wrong one there ends the process. The layout is that of bbolt's
// internal/common: a head, then an element for each key, whose position counts from the element.
type pages struct {
	file    io.ReaderAt
	size    int64 // of the file
	page    int64 // size of one
	breathe func()

	buf  []byte
	seen map[uint64]bool
	next []uint64 // to be looked at
}

const (
	pageHead   = 16 // number, flags, count, overflow
	element    = 16
	isBranch   = 1 // flags of a page
	isLeaf     = 2
	isBucket   = 1 // flag of an element
	bucketHead = 16
)

// check follows everything from a root on.
func (p *pages) check(root uint64) error {
	p.seen = map[uint64]bool{}
	for p.next = []uint64{root}; len(p.next) > 0; p.breathe() {
		id := p.next[len(p.next)-1]
		p.next = p.next[:len(p.next)-1]
		if err := p.one(id); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
	}
	return nil
}

func (p *pages) one(id uint64) error {
	if id < 2 || id >= uint64(p.size/p.page) {
		return fmt.Errorf("it is not one of %d", p.size/p.page)
	}
	if err := p.load(id, 1); err != nil {
		return err
	}
	if is := binary.LittleEndian.Uint64(p.buf); is != id {
		return fmt.Errorf("it says that it is %d", is)
	}
	count := 1 + uint64(binary.LittleEndian.Uint32(p.buf[12:]))
	if id+count > uint64(p.size/p.page) {
		return fmt.Errorf("it has %d pages behind it, and the file ends", count-1)
	}
	for i := range count {
		if p.seen[id+i] {
			return fmt.Errorf("two point to it")
		}
		p.seen[id+i] = true
	}
	if err := p.load(id, count); err != nil {
		return err
	}
	return p.elements(p.buf)
}

func (p *pages) load(id, count uint64) error {
	n := int(count) * int(p.page)
	if cap(p.buf) < n {
		p.buf = make([]byte, n)
	}
	p.buf = p.buf[:n]
	_, err := p.file.ReadAt(p.buf, int64(id)*p.page)
	return err
}

// elements looks at a page, or at a bucket that is small enough to be a value.
func (p *pages) elements(b []byte) error {
	flags, count := binary.LittleEndian.Uint16(b[8:]), int(binary.LittleEndian.Uint16(b[10:]))
	if len(b) < pageHead+count*element {
		return fmt.Errorf("%d keys do not fit into it", count)
	}
	for i := range count {
		var err error
		switch at := pageHead + i*element; flags {
		case isBranch:
			err = p.branch(b[at:])
		case isLeaf:
			err = p.leaf(b[at:])
		}
		if err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
	}
	if flags != isBranch && flags != isLeaf || flags == isBranch && count == 0 {
		return fmt.Errorf("it has flags %#x and %d keys", flags, count)
	}
	return nil
}

// branch is an element and what follows it.
func (p *pages) branch(b []byte) error {
	pos, key := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
	if pos+key > uint64(len(b)) {
		return fmt.Errorf("%d bytes at %d are not in it", key, pos)
	}
	p.next = append(p.next, binary.LittleEndian.Uint64(b[8:]))
	return nil
}

func (p *pages) leaf(b []byte) error {
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(b[4*i:])) }
	flags, pos, key, value := word(0), word(1), word(2), word(3)
	if pos+key+value > uint64(len(b)) {
		return fmt.Errorf("%d bytes at %d are not in it", key+value, pos)
	}
	if flags&isBucket == 0 {
		return nil
	}
	return p.bucket(b[pos+key : pos+key+value])
}

func (p *pages) bucket(b []byte) error {
	if len(b) < bucketHead {
		return fmt.Errorf("%d bytes are no bucket", len(b))
	}
	if root := binary.LittleEndian.Uint64(b); root != 0 {
		p.next = append(p.next, root)
		return nil
	}
	if len(b) < bucketHead+pageHead {
		return fmt.Errorf("%d bytes are no bucket", len(b))
	}
	return p.elements(b[bucketHead:])
}
