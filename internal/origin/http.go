package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"
)

// finalError marks a failure that another attempt cannot mend.
type finalError struct{ error }

func (f *finalError) Unwrap() error { return f.error }

func isFinal(err error) bool {
	_, ok := errors.AsType[*finalError](err)
	return ok
}

// Redact removes what may be secret from a URL before it is shown: user information and the
// values of its query, which in signed URLs are the credential.
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return redactText(raw)
	}
	u.User = nil
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	u.Fragment = ""
	return u.String()
}

// redactText is Redact for what is no URL, but may have been meant as one.
func redactText(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, query := strings.Cut(rest, "?")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if query {
		rest += "?..."
	}
	return scheme + "://" + rest
}

func openHTTP(ctx context.Context, source string, opts Options) (*Reader, error) {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: %q is not a URL with a host", ErrSource, Redact(source))
	}
	s := newStream(ctx, source, opts)
	s.from = newWeb(source, opts)
	if err := s.first(); err != nil {
		s.Close()
		return nil, err
	}
	return s.reader(path.Base(u.Path)), nil
}

func newStream(ctx context.Context, source string, opts Options) *stream {
	ctx, cancel := context.WithCancelCause(onBehalf(ctx, source))
	s := &stream{ctx: ctx, cancel: cancel, shown: Redact(source), opts: opts, total: -1, use: new(use)}
	if opts.Size > 0 {
		s.total = opts.Size
	}
	s.begunBefore(opts.Resume)
	return s
}

func (s *stream) reader(name string) *Reader {
	return &Reader{ReadCloser: s, size: s.total, name: name, etag: s.valid.etag, contentType: s.contentType, mark: s.mark, at: s.ranges(), late: s.lateDigest, retries: s.retried}
}

// stream is one image over as many connections as it takes.
type stream struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	from   source
	shown  string
	opts   Options

	body  *body // nil between connections
	total int64 // -1: not known
	got   int64
	sum   uint32 // CRC-32C of the bytes given so far, to recognise them when a server starts over
	valid validators

	contentType string

	use     *use
	moved   *Move // nil: it is where it was opened
	foreign bool  // the bytes given so far are of the cache, and nobody has compared them with those here

	fails   int           // in a row, without a byte between them
	denied  int           // of these, because a token or a signed URL may have expired
	slow    int           // of all since enough bytes came, because too few did
	few     int           // bytes since then
	after   time.Duration // the server's Retry-After
	retries atomic.Int64
	err     error // sticky
}

// begunBefore takes up what an earlier Reader has read.
func (s *stream) begunBefore(m Mark) {
	if m.Bytes == 0 {
		return
	}
	s.got, s.sum, s.valid = m.Bytes, m.Sum, validators{m.ETag, m.Modified}
	if m.Total > 0 {
		s.total = m.Total
	}
}

func (s *stream) mark() Mark {
	return Mark{Bytes: s.got, Sum: s.sum, Total: max(s.total, 0), ETag: s.valid.etag, Modified: s.valid.modified}
}

func (s *stream) retried() int { return int(s.retries.Load()) }

func (s *stream) Close() error {
	s.cancel(context.Canceled)
	s.drop()
	s.from.close()
	return nil
}

func (s *stream) drop() {
	if s.body != nil {
		s.body.close()
		s.body = nil
	}
}

// first asks for the image, as often as later on if the network or the server is not ready yet:
// a rack that is switched on has its machines up before its servers.
func (s *stream) first() error {
	for {
		err := s.connect()
		if err == nil {
			s.fails = 0
			return nil
		}
		if errors.Is(err, errWhole) {
			s.err = io.EOF
			return nil
		}
		if err := s.pause(err); err != nil {
			return s.afterMove(err)
		}
	}
}

// Read gives the next bytes, taking the transfer up again as often as it must.
func (s *stream) Read(p []byte) (int, error) {
	for s.err == nil {
		if s.total >= 0 && s.got == s.total {
			s.err = s.end()
			s.drop()
			break
		}
		n, err := s.read(p)
		if n > 0 {
			return n, nil // an error that came with the bytes comes again
		}
		if err != nil {
			s.err = s.afterMove(err)
		}
	}
	return 0, s.err
}

// read makes one step: a connection, some bytes, or a pause after a failure.
func (s *stream) read(p []byte) (int, error) {
	if s.body == nil {
		err := s.connect()
		if err == nil {
			return 0, nil
		}
		if errors.Is(err, errWhole) {
			return 0, io.EOF
		}
		return 0, s.pause(err)
	}
	if left := s.total - s.got; s.total >= 0 && int64(len(p)) > left {
		p = p[:left]
	}
	n, err := s.body.read(p)
	if n > 0 && s.got == 0 && isPage(p[:n]) {
		return 0, fmt.Errorf("read %s: %w", s.shown, errPage)
	}
	if n > 0 {
		s.account(p[:n])
		return n, nil
	}
	if err == nil {
		return 0, nil
	}
	if errors.Is(err, io.EOF) {
		err = s.ended()
	}
	s.drop()
	if err == nil {
		return 0, nil
	}
	return 0, s.pause(err)
}

// end is io.EOF, unless the server has more than it should. Only a body that is sent in chunks can
// have: of the others the length is what the server said.
func (s *stream) end() error {
	if s.body == nil || !s.body.delimited {
		return io.EOF
	}
	if n, _ := s.body.read(make([]byte, 1)); n > 0 {
		return fmt.Errorf("read %s: %w: it goes on after %d bytes", s.shown, ErrLength, s.total)
	}
	return io.EOF
}

// ended handles the end of a body before the known total, or without one.
func (s *stream) ended() error {
	if s.total < 0 && (s.body.delimited || s.opts.Proven) {
		s.total = s.got
		return nil
	}
	if s.total < 0 {
		return errOpenEnd(s.got)
	}
	err := fmt.Errorf("%w: it ended after %d of %d bytes", ErrLength, s.got, s.total)
	if s.body.delimited {
		return &finalError{err}
	}
	return err
}

// errOpenEnd: the end of the connection is the only end that the server gives, and a connection
// that was cut looks the same (RFC 9112 section 8).
func errOpenEnd(got int64) error {
	return &finalError{fmt.Errorf("%w: nobody can know whether it is whole after %d bytes, because the server does not say how long it is (no Content-Length); declare its SHA-256", ErrLength, got)}
}

// pause waits before the next attempt, or returns the error that ends the transfer.
func (s *stream) pause(cause error) error {
	cause = noEnd(cause)
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	if isFinal(cause) {
		err := fmt.Errorf("read %s: %w", s.shown, cause)
		if isAway(cause) {
			return s.move(cause, err)
		}
		return err
	}
	s.fails++
	if errors.Is(cause, errTrickle) {
		s.slow++
	}
	if n := max(s.fails, s.slow); n >= s.opts.Attempts {
		return s.move(cause, fmt.Errorf("%w: %s: gave up at byte %d after %d attempts: %w", ErrBroken, s.shown, s.got, n, cause))
	}
	if busy, ok := errors.AsType[*busyError](cause); ok {
		s.after = busy.after
	}
	wait := max(min(s.opts.FirstPause<<(s.fails-1), s.opts.MaxPause), min(s.after, s.opts.MaxAfter))
	s.after = 0
	s.retries.Add(1)
	what := "image transfer interrupted, trying again"
	if s.got == 0 {
		what = "the image is not to be had yet, trying again"
	}
	s.opts.Log.Info(what, "url", s.shown, "bytes", s.got, "attempt", s.fails, "pause", wait, "err", cause)
	if s.opts.Waiting != nil {
		s.opts.Waiting(s.fails, time.Now().Add(wait), cause)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

func (s *stream) account(p []byte) {
	s.got += int64(len(p))
	s.sum = checksum(s.sum, p)
	s.fails, s.denied = 0, 0
	if s.few += len(p); s.few >= enough {
		s.few, s.slow = 0, 0
	}
}

func cleanCause(err error) error {
	// *url.Error repeats the URL with its query; the caller shows a redacted one.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if c, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &finalError{fmt.Errorf("%w: its certificate is not trusted (is this machine's clock right?): %w", ErrRefused, c.Err)}
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return fmt.Errorf("%w; the address should begin with http://", err)
	}
	return err
}
