package flash

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"bty/internal/catalog"
	"bty/internal/disk/looptest"
)

// publication is how an image is published.
type publication struct {
	name   string
	format catalog.Format
	bytes  []byte
	ends   []byte // what may follow for ever and means nothing; nil where it would take too long
}

func publications(t *testing.T, img []byte) []publication {
	skipped := append([]byte("\x53\x2a\x4d\x18"), binary.LittleEndian.AppendUint32(nil, 64<<10)...)
	skipped = append(skipped, make([]byte, 64<<10)...)
	zeros := make([]byte, 64<<10)
	return []publication{
		{"a.img", catalog.Raw, img, zeros},
		{"a.img.gz", catalog.Gzip, tool(t, img, "gzip", "-1"), bytes.Repeat(tool(t, nil, "gzip"), 1000)},
		{"a.img.zst", catalog.Zstd, tool(t, img, "zstd", "-1"), skipped},
		{"frames.img.zst", catalog.Zstd, independent(t, img, mib), skipped},
		{"a.img.xz", catalog.XZ, tool(t, img, "xz", "-0"), zeros},
		{"a.img.bz2", catalog.Bzip2, tool(t, img, "bzip2", "-1"), nil},
		{"a.qcow2", catalog.QCOW2, qcow2(t, img, false), zeros},
		{"compressed.qcow2", catalog.QCOW2, qcow2(t, img, true), zeros},
	}
}

// forever publishes b, and behind it the same thing without an end and without a length.
func forever(t *testing.T, name string, b, unit []byte) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		_, err := w.Write(b)
		for err == nil {
			_, err = w.Write(unit)
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	return srv.URL + "/" + name
}

// Whatever is wrong with an image, in whatever format it is published: an error of a kind, a disk that is as it
// was or does not boot, and never a "done".
func TestEveryFormatWithEveryFault(t *testing.T) {
	was := roomBehind
	roomBehind = mib
	t.Cleanup(func() { roomBehind = was })
	const size = 12 * mib
	img, large := picture(9*mib, 9), picture(size+mib, 9)
	larger := publications(t, large)
	page := []byte("<!DOCTYPE html><title>Sign in</title>")
	turned := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 0x10
		return b
	}
	for i, p := range publications(t, img) {
		others := slices.DeleteFunc(slices.Clone(catalog.Formats), func(f catalog.Format) bool { return f == p.format })
		whole := digest(p.bytes)
		tell := p.format != catalog.Raw && p.format != catalog.QCOW2 // these say themselves that something is wrong
		none := catalog.Digest{}
		type fault struct {
			name  string
			req   Request
			kinds []error
			early bool // before the first write
		}
		faults := []fault{
			{"half of it", Request{Source: serve(t, p.name, p.bytes[:len(p.bytes)/2]), Digest: whole}, []error{ErrImage, ErrDigest}, false},
			{"all but a byte", Request{Source: serve(t, p.name, p.bytes[:len(p.bytes)-1]), Digest: whole}, []error{ErrImage, ErrDigest}, false},
			{"half of what was declared", Request{Source: serve(t, p.name, p.bytes[:len(p.bytes)/2]), Size: int64(len(p.bytes))}, []error{ErrOrigin}, true},
			{"more than was declared", Request{Source: serve(t, p.name, append(bytes.Clone(p.bytes), 0)), Size: int64(len(p.bytes))}, []error{ErrOrigin}, true},
			{"a bit turned", Request{Source: serve(t, p.name, turned(p.bytes)), Digest: whole}, []error{ErrImage, ErrDigest}, false},
			{"noise behind it", Request{Source: serve(t, p.name, append(bytes.Clone(p.bytes), large[:4096]...)), Digest: whole}, []error{ErrImage, ErrDigest}, false},
			{"endless", Request{Source: forever(t, p.name, p.bytes, p.bytes)}, []error{ErrTooLarge}, false},
			{"larger than the disk", Request{Source: serve(t, p.name, larger[i].bytes)}, []error{ErrTooLarge}, p.format == catalog.Raw || p.format == catalog.QCOW2},
			{"declared as another format", Request{Source: serve(t, "blob", p.bytes), Format: others[0]}, []error{ErrImage}, true},
			{"nothing", Request{Source: serve(t, p.name, nil)}, []error{ErrImage}, true},
			{"a web page", Request{Source: serve(t, p.name, page), Format: p.format}, []error{ErrOrigin}, true},
		}
		for _, f := range others {
			faults = append(faults, fault{"named as " + string(f), Request{Source: serve(t, "a."+string(f), p.bytes)}, []error{ErrImage}, true})
		}
		if p.ends != nil {
			faults = append(faults, fault{"endless nothing", Request{Source: forever(t, p.name, p.bytes, p.ends)}, []error{ErrTooLarge}, false})
		}
		if tell {
			for _, f := range faults[:2] {
				f.name, f.req.Digest, f.kinds = f.name+", nobody declared a digest", none, []error{ErrImage}
				faults = append(faults, f)
			}
			faults = append(faults, fault{"noise behind it, nobody declared a digest", Request{Source: serve(t, p.name, append(bytes.Clone(p.bytes), large[:4096]...))}, []error{ErrImage}, false})
		}
		t.Run(p.name, func(t *testing.T) {
			path, file := used(t, size, looptest.Options{})
			for _, f := range faults {
				refill(t, file)
				f.req.Target = path
				res, err := Run(t.Context(), f.req, nil)
				e, ok := errors.AsType[*Error](err)
				if !ok || !slices.Contains(f.kinds, e.Kind) || res.Verified || res.ReadBack {
					t.Errorf("%s: %v, %+v", f.name, err, res)
					continue
				}
				if e.Touched && f.early {
					t.Errorf("%s: the disk was begun: %v", f.name, err)
				}
				if e.Touched {
					unbootable(t, file)
				} else {
					untouched(t, file)
				}
				if t.Failed() {
					t.Fatalf("%s: %v", f.name, err)
				}
				t.Logf("%s: %v", f.name, err)
			}
			// And without a fault it is done.
			refill(t, file)
			if _, err := Run(t.Context(), Request{Source: serve(t, p.name, p.bytes), Digest: whole, Target: path}, nil); err != nil {
				t.Fatal(err)
			}
			holds(t, file, img)
		})
	}
}
