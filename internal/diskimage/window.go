package diskimage

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"
)

const (
	windowBlock = 256 << 10
	windowCount = 128 // blocks of the stream that are kept, 32 MiB
	windowFar   = 32  // blocks kept of those that were fetched out of order, 8 MiB
	windowReach = 64  // so many blocks ahead are waited for rather than fetched
	windowEarly = 1 << 16
)

// window makes a stream readable at random places: its last blocks are kept, and what is not
// among them is fetched from at. A published image was written from its beginning to its end,
// and so it is read; the stream, which alone is hashed, is all that is transferred then.
//
// What was fetched is compared with the same block of the stream, so that a digest that holds
// for the stream holds for every byte that was used.
type window struct {
	src io.Reader
	at  io.ReaderAt // nil: there is only the stream

	mu     sync.Mutex
	ring   [windowCount][]byte
	next   int64 // number of the block that the stream gives next
	size   int64 // of the stream, -1 until its end is seen
	err    error // of the stream
	seed   maphash.Seed
	sums   []uint64         // of the blocks of the stream
	early  map[int64]uint64 // of the blocks that were fetched before the stream had them
	far    map[int64][]byte
	order  []int64 // the keys of far, the oldest first
	strays int     // blocks fetched ahead since the stream was last of use
}

func newWindow(src io.Reader, at io.ReaderAt) *window {
	return &window{src: src, at: at, size: -1, seed: maphash.MakeSeed(),
		early: make(map[int64]uint64), far: make(map[int64][]byte)}
}

// ReadAt gives io.EOF at the end of the stream. Several goroutines may call it.
func (w *window) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > qcow2MaxSize {
		return 0, fmt.Errorf("%w: a table points to byte %d", ErrCorrupt, uint64(off))
	}
	for n < len(p) {
		got, err := w.copyFrom(p[n:], off+int64(n))
		n += got
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (w *window) copyFrom(p []byte, off int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	no, skip := off/windowBlock, int(off%windowBlock)
	b, err := w.block(no)
	if err != nil {
		return 0, err
	}
	if skip >= len(b) {
		return 0, io.EOF
	}
	return copy(p, b[skip:]), nil
}

// block returns a block with the lock held; it may be used until the lock is given up.
func (w *window) block(no int64) ([]byte, error) {
	for {
		switch {
		case no >= w.next-windowCount && no < w.next:
			w.strays = 0
			return w.ring[no%windowCount], nil
		case w.size >= 0 && no*windowBlock >= w.size:
			return nil, nil
		case no < w.next, no >= w.next+windowReach && w.mayStray():
			return w.stray(no)
		}
		if err := w.advance(); err != nil {
			return nil, err
		}
	}
}

// mayStray says whether a block far ahead is to be fetched, rather than the stream to go on to it
// and leave behind what is between: as long as it seems to be an excursion.
func (w *window) mayStray() bool {
	return w.at != nil && w.strays < windowFar && len(w.early) < windowEarly
}

// advance takes one block of the stream.
func (w *window) advance() error {
	if w.err != nil || w.size >= 0 {
		return w.err
	}
	slot := &w.ring[w.next%windowCount]
	if *slot == nil {
		*slot = make([]byte, windowBlock)
	}
	b := (*slot)[:windowBlock]
	n, err := io.ReadFull(w.src, b)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		w.size = w.next*windowBlock + int64(n)
	case err != nil:
		w.err = err
		return err
	}
	*slot = b[:n]
	if n == 0 {
		return nil
	}
	return w.passed(*slot)
}

// passed compares a block of the stream with what was fetched of it before.
func (w *window) passed(b []byte) error {
	no := w.next
	w.next++
	if w.at == nil {
		return nil
	}
	sum := maphash.Bytes(w.seed, b)
	w.sums = append(w.sums, sum)
	if was, ok := w.early[no]; ok && was != sum {
		w.err = errTwoFaces(no)
		return w.err
	}
	delete(w.early, no)
	return nil
}

func errTwoFaces(no int64) error {
	return fmt.Errorf("%w: its source gave two different contents for bytes %d to %d", ErrCorrupt, no*windowBlock, (no+1)*windowBlock)
}

// stray returns a block that the stream does not have, or has no more.
func (w *window) stray(no int64) ([]byte, error) {
	if b, ok := w.far[no]; ok {
		return b, nil
	}
	if w.at == nil {
		return nil, fmt.Errorf("%w: its parts are not in order, and its source can be read from the beginning to the end only; convert it with `qemu-img convert -O qcow2`, or put it on a server that knows ranges", ErrFormat)
	}
	w.mu.Unlock()
	b := make([]byte, windowBlock)
	n, err := w.at.ReadAt(b, no*windowBlock)
	w.mu.Lock()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n == 0 {
		return nil, nil // it is behind the end
	}
	return w.keep(no, b[:n])
}

func (w *window) keep(no int64, b []byte) ([]byte, error) {
	sum := maphash.Bytes(w.seed, b)
	was, ok := w.early[no]
	if no < w.next {
		was, ok = w.sums[no], true
	}
	if ok && was != sum {
		return nil, errTwoFaces(no)
	}
	if !ok {
		w.early[no] = sum
		w.strays++
	}
	if _, ok := w.far[no]; !ok {
		w.order = append(w.order, no)
	}
	w.far[no] = b
	if len(w.order) > windowFar {
		delete(w.far, w.order[0])
		w.order = w.order[1:]
	}
	return b, nil
}

// drain takes the rest of the stream; after it every block that was fetched has been compared.
func (w *window) drain() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.size < 0 {
		if err := w.advance(); err != nil {
			return err
		}
	}
	for no := range w.early {
		return errTwoFaces(no)
	}
	return w.err
}
