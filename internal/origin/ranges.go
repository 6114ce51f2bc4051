package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bty/internal/oras"
)

// At reads the same image at any place, beside the Reader and from several goroutines; nil where
// that cannot be: standard input, a pipe. It ends with the Reader. That a server knows ranges
// shows at the first read.
func (r *Reader) At() io.ReaderAt { return r.at }

// ranges are parts of an image of a server. Each is taken up again where it broke, as the whole
// is, and belongs to the same version of the image or is an error.
type ranges struct{ whole stream }

func (s *stream) ranges() *ranges {
	return &ranges{stream{ctx: s.ctx, from: s.from, shown: s.shown, opts: s.opts, total: s.total, valid: s.valid, use: s.use}}
}

// ReadAt gives io.EOF behind the image's end.
func (r *ranges) ReadAt(p []byte, off int64) (int, error) {
	want := p
	if total := r.whole.total; total >= 0 {
		want = p[:max(0, min(int64(len(p)), total-off))]
	}
	// A stream of its own for what is the same: how often and how long to try again.
	w := &r.whole
	s := &stream{ctx: w.ctx, from: w.from, shown: w.shown, opts: w.opts, total: w.total, valid: w.valid, use: w.use, got: off}
	if !w.use.part() {
		return 0, fmt.Errorf("read %s: %w", w.shown, ErrAgain)
	}
	for len(want) > 0 {
		n, err := s.part(want)
		if want = want[n:]; n > 0 {
			s.account(nil)
			s.got += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return int(s.got - off), io.EOF
		}
		if err == nil {
			continue
		}
		if err := s.pause(err); err != nil {
			return int(s.got - off), err
		}
	}
	if s.got-off < int64(len(p)) {
		return int(s.got - off), io.EOF
	}
	return len(p), nil
}

// part makes one request for the bytes of p and reads as many as come. io.EOF: there are none.
func (s *stream) part(p []byte) (n int, err error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	resp, err := s.askPart(ctx, cancel, int64(len(p)))
	if err != nil {
		return 0, s.cause(err)
	}
	b := &body{r: resp.Body, stall: s.opts.Stall, cancel: cancel, ctx: ctx}
	defer b.close()
	if err := s.acceptPart(resp); err != nil {
		return 0, err
	}
	for n < len(p) {
		got, err := b.read(p[n:])
		n += got
		if err != nil && n < len(p) {
			return n, unexpected(err)
		}
	}
	return n, nil
}

func (s *stream) askPart(ctx context.Context, cancel context.CancelCauseFunc, n int64) (*http.Response, error) {
	limit := time.AfterFunc(s.opts.Answer, func() { cancel(fmt.Errorf("%w for %s", errNoAnswer, s.opts.Answer)) })
	defer limit.Stop()
	tag := s.valid.strong()
	resp, err := s.from.part(ctx, s.got, n, tag)
	if err == nil && tag != "" && resp.StatusCode == http.StatusOK && s.same(resp.Header, resp.ContentLength) == nil {
		// It knows ranges or not, but surely not the condition: the image is the same.
		resp.Body.Close()
		resp, err = s.from.part(ctx, s.got, n, "")
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return resp, err
}

func (s *stream) acceptPart(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusPartialContent:
		return s.fits(resp)
	case code == http.StatusOK:
		if err := s.same(resp.Header, resp.ContentLength); err != nil {
			return err
		}
		return &finalError{fmt.Errorf("%w in parts, which this image needs: it knows no ranges", ErrRefused)}
	case code == http.StatusRequestedRangeNotSatisfiable && s.total < 0:
		return io.EOF
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		s.after = oras.RetryAfter(resp.Header)
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return s.refused(resp)
}

// fits checks that an answer is the part that was asked for, of the image that was begun.
func (s *stream) fits(resp *http.Response) error {
	got, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return &finalError{fmt.Errorf("%w: %w", ErrRefused, err)}
	}
	if got.first != s.got {
		return &finalError{fmt.Errorf("%w: asked for bytes from %d on, it sends bytes from %d on", ErrRefused, s.got, got.first)}
	}
	return s.same(resp.Header, got.total)
}
