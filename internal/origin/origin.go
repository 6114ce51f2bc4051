// Package origin reads an image from where it is published: an http or https URL, an OCI registry,
// a file, or standard input. Over HTTP a transfer that is cut, reset or stalled is taken up again where it
// was, inside Read; the caller sees one unbroken stream or an error, never a byte twice and
// never a hole.
package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"bty/internal/catalog"
	"bty/internal/oras"
)

// Kinds of failure, for errors.Is.
var (
	// ErrSource: the source cannot be used as it is written (unknown scheme, no such file).
	ErrSource = errors.New("the image's address cannot be used")
	// ErrRefused: the server answered, and its answer is final (404, 401, a redirect loop).
	ErrRefused = errors.New("the server does not give the image")
	// ErrBroken: the connection could not be made or kept after all attempts.
	ErrBroken = errors.New("the connection to the server is broken")
	// ErrChanged: the server has another image now than the one that was begun.
	ErrChanged = errors.New("the image changed while it was being read")
	// ErrAgain: the cache is gone, and what it gave cannot be joined with what its origin has. The
	// image can be read from its start there.
	ErrAgain = errors.New("the image can only be begun again, at its origin")
	// ErrLength: the image is not as long as was declared.
	ErrLength = errors.New("the image does not have its declared length")
)

// Options of Open. The zero value is usable; each zero field has the default named with it.
type Options struct {
	Size    int64         // length of the bytes as transferred, where somebody declared it; 0 = not known
	Proven  bool          // the caller proves the bytes with a digest: the end may come as it will
	Careful bool          // never join ranges of an image that has no validator; read it again from its start
	Header  http.Header   // sent with each request, for example Authorization
	Client  *http.Client  // default: NewClient
	Stdin   io.Reader     // what "-" reads; default: os.Stdin
	Log     *slog.Logger  // told of each resumption; default: discarded
	Stall   time.Duration // a connection that gives no byte for so long is broken; default 30 s
	Answer  time.Duration // a request whose answer has not begun by then has failed; default 60 s

	// Resume begins behind bytes that the caller has from an earlier Reader, if the origin still has
	// the same image; else Open fails with ErrChanged.
	Resume Mark
	// Waiting is told of each pause before another attempt: how many failed in a row, and when the
	// next one is made.
	Waiting func(failed int, next time.Time, cause error)

	// Of oras:// alone: how registries are asked (default: anonymously, over https), and the blob
	// that is meant, wherever a tag points meanwhile (zero: the one it points to now).
	Registry *oras.Client
	Digest   catalog.Digest

	// Behind is where the source, a cache, has the image from. Once the cache is gone the Reader goes on
	// there, and Moved, which may be nil, is told.
	Behind string
	Moved  func(Move)

	FirstPause time.Duration // before the first new attempt, doubled for each further one; default 0.5 s
	MaxPause   time.Duration // longest pause between attempts; default 15 s
	MaxAfter   time.Duration // longest pause that a server may ask for with Retry-After; default 2 min
	Attempts   int           // failures in a row, without a byte between them, before giving up; default 10
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Stall, 30*time.Second)
	def(&o.Answer, 60*time.Second)
	def(&o.FirstPause, 500*time.Millisecond)
	def(&o.MaxPause, 15*time.Second)
	def(&o.MaxAfter, 2*time.Minute)
	if o.Attempts <= 0 {
		o.Attempts = 10
	}
	if o.Client == nil {
		o.Client = NewClient(ClientOptions{})
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Mark is a place in an image, with what tells this image from one that replaced it.
type Mark struct {
	Bytes    int64  // before the place
	Sum      uint32 // their CRC-32C
	Total    int64  // length of the image, 0 while nobody knows
	ETag     string
	Modified string // as in Last-Modified
}

// Validator is what an origin can be asked with for what follows the place on the condition that the
// image is still this one; "" if there is nothing.
func (m Mark) Validator() string { return validators{m.ETag, m.Modified}.forIfRange() }

// Reader is an open image. Its methods other than Retries belong to one goroutine.
type Reader struct {
	io.ReadCloser
	size        int64
	name        string
	etag        string
	contentType string
	digest      catalog.Digest
	late        func() catalog.Digest
	mark        func() Mark
	at          io.ReaderAt
	retries     func() int
}

// Size is the length of the bytes as transferred, -1 while the origin does not tell.
func (r *Reader) Size() int64 { return r.size }

// Name is the last element of the address that was asked, for detecting the format: redirects
// often lead to names that are mere keys of an object store.
func (r *Reader) Name() string { return r.name }

// ETag is the origin's validator, "" if it has none.
func (r *Reader) ETag() string { return r.etag }

// ContentType is what the origin says the bytes are, "" if it does not.
func (r *Reader) ContentType() string { return r.contentType }

// Digest is what the bytes must have according to the registry's manifest, zero for every other
// source. To prove it is the caller's. A Reader that moved to a registry may have one at its end alone.
func (r *Reader) Digest() catalog.Digest {
	if r.digest.IsZero() && r.late != nil {
		return r.late()
	}
	return r.digest
}

// Mark is where the Reader is. An origin that cannot be resumed has the zero Mark.
func (r *Reader) Mark() Mark {
	if r.mark == nil {
		return Mark{}
	}
	return r.mark()
}

// Retries counts the connections that were broken and taken up again so far.
// It may be called from any goroutine.
func (r *Reader) Retries() int { return r.retries() }

// Open opens source: an http or https URL, oras://host/owner/repo with a tag or a digest, a file's
// path (or file:///path), or "-" for standard input. The context governs the whole life of the Reader, not only its opening.
func Open(ctx context.Context, source string, opts Options) (*Reader, error) {
	opts = opts.withDefaults()
	if source == "-" {
		return openStdin(ctx, opts)
	}
	scheme, rest, found := strings.Cut(source, "://")
	if !found {
		return openFile(ctx, source, opts)
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		return openHTTP(ctx, source, opts)
	case "oras":
		return openORAS(ctx, source, opts)
	case "file":
		path := strings.TrimPrefix(rest, "localhost")
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("%w: %s names a file of another machine; want file:///path", ErrSource, source)
		}
		return openFile(ctx, path, opts)
	}
	return nil, fmt.Errorf("%w: scheme %q of %s is not known; use http://, https://, oras://, a file's path, or - for standard input",
		ErrSource, scheme, Redact(source))
}
