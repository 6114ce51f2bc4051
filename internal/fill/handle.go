package fill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"bty/internal/blob"
	"bty/internal/catalog"
)

// Handle is an image that somebody reads. Close it.
type Handle struct {
	c      *Cache
	src    string
	remote string
	began  time.Time
	must   catalog.Digest // what the bytes must be, whatever is fetched; mostly zero

	f     *fill       // nil for what was complete when it was opened
	lease *blob.Lease // nil while it grows
	file  *os.File    // own descriptor, so own offset; nil until it is needed
	info  Info        // of what was complete

	offset atomic.Int64
	sent   atomic.Int64
	unread atomic.Bool // the file could not be read
}

// IsMiss reports whether the image was not there when the handle was opened, which is counted already.
func (h *Handle) IsMiss() bool { return h.f != nil }

// Info waits until the length is known, or that only the end will tell it.
func (h *Handle) Info(ctx context.Context) (Info, error) {
	if h.f == nil {
		return h.info, nil
	}
	p := &h.f.progress
	for {
		p.mu.Lock()
		info, known, err, grown := h.f.info(), p.known, p.err, p.grown
		p.mu.Unlock()
		switch {
		case err != nil:
			return Info{}, err
		case known:
			return info, nil
		}
		if err := await(ctx, grown); err != nil {
			return Info{}, err
		}
	}
}

func await(ctx context.Context, grown <-chan struct{}) error {
	select {
	case <-grown:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Until waits for the byte at off and returns how many there are from it on. At the end of a
// proven image it is io.EOF.
func (h *Handle) Until(ctx context.Context, off int64) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at byte %d: %w", off, os.ErrInvalid)
	}
	if h.f == nil {
		if off >= h.info.Size {
			return 0, io.EOF
		}
		return h.info.Size - off, nil
	}
	for {
		limit, proven, grown, err := h.look()
		switch {
		case err != nil:
			return 0, err
		case off < limit:
			return limit - off, nil
		case proven:
			return 0, io.EOF
		}
		if err := await(ctx, grown); err != nil {
			return 0, err
		}
	}
}

// look is how far this reader may read now.
func (h *Handle) look() (limit int64, proven bool, grown <-chan struct{}, err error) {
	p := &h.f.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	limit, proven, grown, err = p.limit(), p.proven, p.grown, p.err
	if !h.must.IsZero() && !proven {
		limit = 0
	}
	if !h.must.IsZero() && proven && h.f.digest != h.must {
		err = fmt.Errorf("%w: its SHA-256 is %s, asked for was %s", ErrProof, h.f.digest, h.must)
	}
	return limit, proven, grown, err
}

// ReadAt waits for the byte at off and reads what there is from it on, at least one byte unless it
// is the end (io.EOF). A failed fetch is an error even for bytes that are here.
func (h *Handle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	n, err := h.Until(ctx, off)
	if err != nil || len(p) == 0 {
		return 0, err
	}
	file := h.file
	if h.f != nil {
		file = h.f.file()
	}
	read, err := file.ReadAt(p[:min(n, int64(len(p)))], off)
	h.moved(off, int64(read))
	return read, h.judge(err)
}

// chunk bounds one send, so that a stream is seen to move.
const chunk = 4 << 20

// CopyTo sends n bytes from off on, all that there are if n is negative. Bytes that are not here
// yet are waited for. It uses sendfile where w does. Only one CopyTo may run at a time.
func (h *Handle) CopyTo(ctx context.Context, w io.Writer, off, n int64) (int64, error) {
	var sent int64
	for n < 0 || sent < n {
		there, err := h.Until(ctx, off+sent)
		if errors.Is(err, io.EOF) && n < 0 {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		if n >= 0 {
			there = min(there, n-sent)
		}
		m, err := h.send(w, off+sent, min(there, chunk))
		sent += m
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (h *Handle) send(w io.Writer, off, n int64) (int64, error) {
	file, err := h.own()
	if err != nil {
		return 0, err
	}
	if _, err := file.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	m, err := io.CopyN(w, file, n)
	h.moved(off, m)
	return m, h.judge(err)
}

// judge tells what is wrong with the file from what is wrong with who reads it.
func (h *Handle) judge(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF // somebody cut the file
	case !errors.Is(err, syscall.EIO):
		return err
	}
	h.unread.Store(true)
	return err
}

func (h *Handle) moved(off, n int64) {
	h.offset.Store(off + n)
	h.sent.Add(n)
}

// own is a descriptor of this handle alone. The file's name may change meanwhile; its descriptor
// leads to it anyway.
func (h *Handle) own() (*os.File, error) {
	if h.file != nil {
		return h.file, nil
	}
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", h.f.file().Fd()))
	if err == nil {
		h.file = file
	}
	return file, err
}

// File is the whole image, once it is complete, with an offset of its own. Close closes it.
func (h *Handle) File() (*os.File, bool) {
	if h.f != nil {
		if _, proven, _, err := h.look(); !proven || err != nil {
			return nil, false
		}
	}
	file, err := h.own()
	return file, err == nil
}

// Close gives up reading. The fetch goes on without the reader.
func (h *Handle) Close() {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	if _, open := h.c.handles[h]; !open {
		return
	}
	delete(h.c.handles, h)
	if h.lease != nil {
		if h.unread.Load() {
			h.lease.Doubt()
		}
		h.lease.Close(h.sent.Load())
	}
	if h.file != nil {
		h.file.Close()
	}
	if h.f != nil {
		h.f.leave(h)
	}
}
