package origin

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bty/internal/oras"
)

// connect asks for what is missing and sets body. errWhole means that nothing is.
func (s *stream) connect() error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	resp, err := s.ask(ctx, cancel)
	if err != nil {
		cancel(nil)
		return s.cause(err)
	}
	b := &body{r: resp.Body, stall: s.opts.Stall, cancel: cancel, ctx: ctx}
	b.delimited = len(resp.TransferEncoding) > 0
	if err := s.accept(resp, b); err != nil {
		b.close()
		return err
	}
	s.body = b
	return nil
}

// ask waits for the head of an answer, however many redirects and tokens are between.
func (s *stream) ask(ctx context.Context, cancel context.CancelCauseFunc) (*http.Response, error) {
	limit := time.AfterFunc(s.opts.Answer, func() { cancel(fmt.Errorf("%w for %s", errNoAnswer, s.opts.Answer)) })
	defer limit.Stop()
	from := s.got
	if s.foreign {
		from = 0
	}
	resp, err := s.from.get(ctx, from, s.valid)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return resp, err
}

// cause is why a request failed. A name that does not exist is a mistake, unless the image was
// already coming from there.
func (s *stream) cause(err error) error {
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound && s.got == 0 {
		return &finalError{&awayError{fmt.Errorf("%w: there is no host %q", ErrSource, d.Name)}}
	}
	if err = noEnd(cleanCause(err)); errors.Is(err, ErrRefused) && !isFinal(err) {
		return &finalError{err} // by the client, whatever the server would say
	}
	return err
}

// accept decides whether an answer continues the image at byte s.got.
// A Content-Encoding is ignored on purpose: servers put "gzip" on an .img.gz, whose published
// bytes are the compressed ones.
func (s *stream) accept(resp *http.Response, b *body) error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK && s.got == 0:
		return s.begin(resp, b)
	case code == http.StatusOK:
		return s.startOver(resp, b)
	case code == http.StatusPartialContent && s.got > 0:
		return s.resume(resp, b)
	case code == http.StatusRequestedRangeNotSatisfiable && s.got > 0:
		return s.beyond(resp)
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		s.after = oras.RetryAfter(resp.Header)
		return fmt.Errorf("the server answered %s", resp.Status)
	default:
		return s.refused(resp)
	}
}

const maxDenied = 3 // in a row, without a byte between them

// refused allows for what expires while an image is read: a token, a signed URL.
func (s *stream) refused(resp *http.Response) error {
	err := s.from.refused(resp, s.got > 0)
	if s.denied++; s.denied >= maxDenied && !isFinal(err) {
		return &finalError{err}
	}
	return err
}

func (s *stream) begin(resp *http.Response, b *body) error {
	if n := resp.ContentLength; n >= 0 {
		if s.opts.Size > 0 && n != s.opts.Size {
			return &finalError{fmt.Errorf("%w: the server offers %d bytes, %d were declared", ErrLength, n, s.opts.Size)}
		}
		if s.total >= 0 && n != s.total { // begun before, but cut before the first byte
			return &finalError{fmt.Errorf("%w: it had %d bytes, now it has %d", ErrChanged, s.total, n)}
		}
		s.total = n
	}
	if s.total < 0 && !b.delimited && !s.opts.Proven {
		return errOpenEnd(0) // now, while the disk is what it was
	}
	s.valid, s.contentType = validatorsOf(resp.Header), resp.Header.Get("Content-Type")
	return nil
}

// resume checks a 206: the range must be the one asked for, of the same entity.
func (s *stream) resume(resp *http.Response, b *body) error {
	r, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return &finalError{fmt.Errorf("%w: %w", ErrRefused, err)}
	}
	if r.first != s.got {
		return &finalError{fmt.Errorf("%w: asked for bytes from %d on, it sends bytes from %d on", ErrRefused, s.got, r.first)}
	}
	if err := s.same(resp.Header, r.total); err != nil {
		return err
	}
	s.total = max(s.total, r.total)
	if s.total < 0 {
		b.delimited = false // the end of a range need not be that of the image
	}
	return nil
}

// startOver handles a 200 to a range request: If-Range failed, or the server knows no ranges.
// The bytes given already are skipped, if they are the same ones.
func (s *stream) startOver(resp *http.Response, b *body) error {
	if err := s.same(resp.Header, resp.ContentLength); err != nil {
		return err
	}
	var sum uint32
	buf := make([]byte, 256<<10)
	for left := s.got; left > 0; {
		n, err := b.read(buf[:min(left, int64(len(buf)))])
		sum = checksum(sum, buf[:n])
		left -= int64(n)
		if err != nil && left > 0 {
			return fmt.Errorf("skip the %d bytes already read: %w", s.got, unexpected(err))
		}
	}
	if sum != s.sum {
		return &finalError{fmt.Errorf("%w: its first %d bytes are other ones than before", ErrChanged, s.got)}
	}
	if s.foreign { // no longer: from here on it is an image of this server
		s.foreign, s.valid = false, validatorsOf(resp.Header)
	}
	return nil
}

// beyond handles a 416: right only when all bytes are here and just the end was not seen.
func (s *stream) beyond(resp *http.Response) error {
	if total, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes */"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil && s.total < 0 && n == s.got {
			s.total = n
			return errWhole
		}
	}
	return &finalError{fmt.Errorf("%w: it answered %s when asked for bytes from %d on", ErrChanged, resp.Status, s.got)}
}

// same refuses an answer whose length or validators differ from those of the first answer.
func (s *stream) same(h http.Header, total int64) error {
	if s.total >= 0 && total >= 0 && total != s.total {
		return &finalError{fmt.Errorf("%w: it had %d bytes, now it has %d", ErrChanged, s.total, total)}
	}
	now := validatorsOf(h)
	if s.valid.differ(now) {
		return &finalError{fmt.Errorf("%w: its validator was %s, now it is %s", ErrChanged, s.valid, now)}
	}
	return nil
}

// body is the body of one answer with a limit on the time without a byte.
type body struct {
	ctx context.Context
	r   io.ReadCloser

	delimited bool // chunked: its end is the sender's word, not a closed connection

	stall  time.Duration
	cancel context.CancelCauseFunc
	timer  *time.Timer

	waited time.Duration // for the few bytes that came last
	few    int
	broken error
}

// errWhole: all bytes are here, and only that there are no more was not known.
var errWhole = errors.New("nothing is missing")

var (
	errStalled  = errors.New("no byte came")
	errTrickle  = errors.New("too few bytes came")
	errNoAnswer = errors.New("no answer came")
)

func (b *body) read(p []byte) (int, error) {
	if b.broken != nil {
		return 0, b.broken
	}
	if b.timer == nil {
		b.timer = time.AfterFunc(b.stall, func() { b.cancel(fmt.Errorf("%w for %s", errStalled, b.stall)) })
	} else {
		b.timer.Reset(b.stall)
	}
	began := time.Now()
	n, err := b.r.Read(p)
	b.timer.Stop() // the caller's own slowness is not the server's
	b.trickle(n, time.Since(began))
	if cause := context.Cause(b.ctx); err != nil && cause != nil {
		err = cause
	}
	return n, err
}

const enough = 1 << 10 // bytes that show that a connection works

// trickle: a byte now and then is a stalled connection, too. The next read says so.
func (b *body) trickle(n int, took time.Duration) {
	b.waited, b.few = b.waited+took, b.few+n
	if b.few >= enough {
		b.waited, b.few = 0, 0
	}
	if b.waited > b.stall {
		b.broken = fmt.Errorf("%w: %d in %s", errTrickle, b.few, b.waited.Round(time.Millisecond))
	}
}

func (b *body) close() {
	if b.timer != nil {
		b.timer.Stop()
	}
	b.cancel(nil)
	b.r.Close()
}

func checksum(sum uint32, p []byte) uint32 { return crc32.Update(sum, castagnoli, p) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
