package disk

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring hands requests to threads of the kernel (io_uring), so that who waits for a disk keeps no thread of
// ours, and above all no processor of the Go runtime: one whose thread sits in a system call is given to
// nobody else for up to milliseconds, and on two cores two slow writes at a time stop all that computes.
type ring struct {
	fd     int
	events *os.File // an eventfd that the kernel counts up for each answer
	mem    [2][]byte
	sqes   *[ringSize]sqe

	sqTail         *uint32
	sqMask         uint32
	sqIndex        *[ringSize]uint32
	cqHead, cqTail *uint32
	cqMask         uint32
	cqes           *[2 * ringSize]cqe

	mu      sync.Mutex  // of submit
	free    chan uint64 // numbers of requests
	answers [ringSize]chan int32
	defect  error         // why nobody passes answers on any more
	dead    chan struct{} // then, closed
	ended   sync.WaitGroup
}

const ringSize = 16 // requests in flight

// sqe is struct io_uring_sqe of <linux/io_uring.h>, as far as it is used here.
type sqe struct {
	op, flags uint8
	_         uint16
	fd        int32
	off       uint64
	addr      uint64
	len       uint32
	_         uint32
	number    uint64
	_         [3]uint64
}

// cqe is struct io_uring_cqe.
type cqe struct {
	number uint64
	res    int32
	_      uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, _, _, features, _ uint32
	_                                              [3]uint32
	sq                                             struct{ head, tail, mask, entries, flags, dropped, array, _, _, _ uint32 }
	cq                                             struct{ head, tail, mask, entries, overflow, cqes, flags, _, _, _ uint32 }
}

const (
	opFallocate = 17
	opWrite     = 23
	sqeAsync    = 1 << 4 // by a thread of the kernel, at once

	featSingleMmap = 1 << 0
	featPositions  = 1 << 3 // of Linux 5.6, as the operations above
	registerEvents = 4
	offRings       = 0
	offSQEs        = 0x10000000
)

var errNoRing = errors.New("this kernel has no io_uring that fits")

// newRing fails where the kernel is too old or does not let this process have one.
func newRing() (*ring, error) {
	var p ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, ringSize, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &ring{fd: int(fd), free: make(chan uint64, ringSize), dead: make(chan struct{})}
	if p.features&featSingleMmap == 0 || p.features&featPositions == 0 || p.sqEntries != ringSize || p.cqEntries != 2*ringSize {
		r.unmap()
		return nil, errNoRing
	}
	if err := r.open(&p); err != nil {
		r.unmap()
		return nil, err
	}
	for i := range r.answers {
		r.free <- uint64(i)
		r.answers[i] = make(chan int32, 1)
	}
	r.ended.Go(r.complete)
	return r, nil
}

func (r *ring) open(p *ringParams) (err error) {
	size := max(p.sq.array+4*p.sqEntries, p.cq.cqes+uint32(unsafe.Sizeof(cqe{}))*p.cqEntries)
	if r.mem[0], err = unix.Mmap(r.fd, offRings, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("map the rings: %w", err)
	}
	if r.mem[1], err = unix.Mmap(r.fd, offSQEs, ringSize*int(unsafe.Sizeof(sqe{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("map the requests: %w", err)
	}
	at := func(off uint32) unsafe.Pointer { return unsafe.Pointer(&r.mem[0][off]) }
	r.sqes = (*[ringSize]sqe)(unsafe.Pointer(&r.mem[1][0]))
	r.sqTail, r.sqMask, r.sqIndex = (*uint32)(at(p.sq.tail)), *(*uint32)(at(p.sq.mask)), (*[ringSize]uint32)(at(p.sq.array))
	r.cqHead, r.cqTail, r.cqMask = (*uint32)(at(p.cq.head)), (*uint32)(at(p.cq.tail)), *(*uint32)(at(p.cq.mask))
	r.cqes = (*[2 * ringSize]cqe)(at(p.cq.cqes))
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	r.events = os.NewFile(uintptr(fd), "eventfd")
	number := int32(fd)
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerEvents, uintptr(unsafe.Pointer(&number)), 1, 0, 0); errno != 0 {
		return fmt.Errorf("io_uring_register: %w", errno)
	}
	return nil
}

// do makes a request and waits for its answer: a count, or an error.
func (r *ring) do(request sqe) (int, error) {
	number := <-r.free
	defer func() { r.free <- number }()
	select {
	case <-r.dead:
		return 0, r.defect
	default:
	}
	request.number, request.flags = number, sqeAsync
	if err := r.submit(&request); err != nil {
		return 0, err
	}
	select {
	case res := <-r.answers[number]:
		if res < 0 {
			return 0, unix.Errno(-res)
		}
		return int(res), nil
	case <-r.dead:
		return 0, r.defect
	}
}

// write is pwrite(2).
func (r *ring) write(fd int, p []byte, off int64) (int, error) {
	var pin runtime.Pinner // the kernel writes from it while nobody of ours has its address
	pin.Pin(unsafe.SliceData(p))
	defer pin.Unpin()
	return r.do(sqe{op: opWrite, fd: int32(fd), off: uint64(off), addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), len: uint32(len(p))})
}

// fallocate is fallocate(2).
func (r *ring) fallocate(fd int, mode uint32, off, n int64) error {
	_, err := r.do(sqe{op: opFallocate, fd: int32(fd), off: uint64(off), addr: uint64(n), len: mode})
	return err
}

// submit gives a request to the kernel.
func (r *ring) submit(request *sqe) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	tail := atomic.LoadUint32(r.sqTail)
	slot := tail & r.sqMask
	r.sqes[slot], r.sqIndex[slot] = *request, slot
	atomic.StoreUint32(r.sqTail, tail+1)
	err := r.enter()
	if err != nil { // it did not take the request
		atomic.StoreUint32(r.sqTail, tail)
	}
	return err
}

// patience with a kernel that has no memory for a request just now.
const patience = 10 * time.Second

func (r *ring) enter() error {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 1, 0, 0, 0, 0)
		switch {
		case errno == 0:
			return nil
		case errno == unix.EINTR, (errno == unix.EAGAIN || errno == unix.EBUSY) && time.Since(began) < patience:
		default:
			return errno
		}
	}
}

// complete passes answers on. A panic fails the requests: it would end the program, which may be init.
func (r *ring) complete() {
	defer func() {
		if p := recover(); p != nil {
			r.defect = fmt.Errorf("io_uring: an answer fits no request, which is a defect: %v", p)
			close(r.dead)
		}
	}()
	for count := make([]byte, 8); ; {
		if _, err := r.events.Read(count); err != nil {
			return // closed
		}
		head := atomic.LoadUint32(r.cqHead)
		for ; head != atomic.LoadUint32(r.cqTail); head++ {
			c := r.cqes[head&r.cqMask]
			r.answers[c.number] <- c.res
		}
		atomic.StoreUint32(r.cqHead, head)
	}
}

// close returns when nothing of the ring is left; nobody waits for an answer any more.
func (r *ring) close() {
	r.events.Close()
	r.ended.Wait()
	r.unmap()
}

func (r *ring) unmap() {
	for _, m := range r.mem {
		if m != nil {
			_ = unix.Munmap(m) // of this very mapping
		}
	}
	unix.Close(r.fd)
}
